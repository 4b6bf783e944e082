"""Shadow diffs: what a sync would do, worked out without writing, kept to be looked at."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from hub.fields import UUID7Field
from integrations.managers import ShadowDiffManager
from integrations.models.connection import Connection
from integrations.models.sync_run import SyncRun

KINDS = ("inserted", "updated", "deleted", "vanished", "rejected")
"""What samples are kept of, in the order in which they are shown."""


class ShadowDiff(models.Model):
    """What an incremental or a full sync would do with each entity type.

    `counts` holds a line per entity type, as a run's does: {"books": {"state": "done",
    "from_start": true, "is_held": false, "read": 60, "inserted": 0, "updated": 1, "unchanged": 59,
    "deleted": 0, "superseded": 0, "rejected": 0, "vanished": 30}}; `is_held` if so many deletions
    would wait for a person. An entity that is listed twice is counted twice. `samples` holds the
    first of each type and kind, `positions` where the walk may go on: {"books": {scope: {"cursor",
    "done", "whole"}}}. The connection's checkpoints are not touched.
    """

    State = SyncRun.State
    OPEN = SyncRun.OPEN
    MODES = (SyncRun.Mode.INCREMENTAL, SyncRun.Mode.FULL)

    id = UUID7Field()
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="shadow_diffs")
    mode = models.CharField(max_length=12, choices=SyncRun.Mode)
    entity_types = models.JSONField(default=list, blank=True, help_text="Empty: all of them.")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    asked_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    progress_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict, blank=True)
    samples = models.JSONField(default=dict, blank=True)
    positions = models.JSONField(default=dict, blank=True)
    slices = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0, help_text="Requests to the provider.")
    error_code = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=500, blank=True)

    objects = ShadowDiffManager()

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=models.Q(state__in=("queued", "running")),
                name="shadow_diff_one_open",
            )
        ]

    def __str__(self) -> str:
        mode = self.get_mode_display().lower()
        return f"Shadow of {mode} sync, {self.created_at:%Y-%m-%d %H:%M} UTC"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def totals(self) -> dict[str, int]:
        """The counts over all entity types."""
        names = ("read", *KINDS, "unchanged", "superseded")
        return {name: sum(line.get(name, 0) for line in self.counts.values()) for name in names}


class ShadowBatch(models.Model):
    """What one batch of an open shadow diff saw, written with its positions; dropped at the end.

    `record_ids` are stored and were listed, `gone_ids` would be deleted; `parents` are entities
    that others are listed under, as they would be stored: [source id, scope, payload].
    """

    shadow = models.ForeignKey(ShadowDiff, models.CASCADE, related_name="batches")
    entity_type = models.CharField(max_length=60)
    record_ids = ArrayField(models.BigIntegerField(), default=list)
    gone_ids = ArrayField(models.BigIntegerField(), default=list)
    parents = models.JSONField(default=list)

    class Meta:
        indexes = [models.Index(fields=["shadow", "entity_type"], name="shadow_batch_of_type")]

    def __str__(self) -> str:
        return f"{self.entity_type}: {len(self.record_ids)} seen"
