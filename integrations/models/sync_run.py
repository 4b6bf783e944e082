"""Sync runs: the history of attempts to move entities, and the progress of the open one."""

from typing import Any

from django.db import models

from hub.fields import UUID7Field
from integrations.managers import SyncRunManager
from integrations.models.connection import Connection

COUNTS = (
    "read",
    "inserted",
    "updated",
    "unchanged",
    "deleted",
    "superseded",
    "rejected",
    "dropped",
    "vanished",
)


class SyncRun(models.Model):
    """One attempt to move entities along a connection; it ends succeeded, failed or cancelled.

    `counts` holds a line per entity type: {"companies": {"state": "done", "read": 300,
    "inserted": 300, "updated": 0, "unchanged": 0, "deleted": 0, "superseded": 0, "rejected": 0,
    "dropped": 0, "vanished": 0, "expected": 300, "from_start": true, "turn": 1}}. Always read =
    inserted + updated + unchanged + deleted + superseded + rejected + dropped; what vanished was
    not read. `turn` is the slice that worked on it last.
    """

    class Lane(models.TextChoices):
        LIVE = "live", "Live"
        BACKFILL = "backfill", "Backfill"

    class Mode(models.TextChoices):
        INCREMENTAL = "incremental", "Incremental"
        FULL = "full", "Full"
        BACKFILL = "backfill", "Backfill"

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "Schedule"
        MANUAL = "manual", "Button"
        API = "api", "API"
        COMMAND = "command", "Command"
        CONNECT = "connect", "First sync"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    OPEN = (State.QUEUED, State.RUNNING)

    id = UUID7Field()
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="sync_runs")
    lane = models.CharField(max_length=10, choices=Lane, default=Lane.LIVE)
    mode = models.CharField(max_length=12, choices=Mode, default=Mode.INCREMENTAL)
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.SCHEDULE)
    entity_types = models.JSONField(default=list, blank=True, help_text="Empty: all of them.")
    not_before = models.DateTimeField(
        null=True, blank=True, help_text="Of a backfill: what is older is not asked for."
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    progress_at = models.DateTimeField(null=True, blank=True, help_text="The last batch committed.")
    cancel_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="The worker that holds it ends it at the next position."
    )
    counts = models.JSONField(default=dict, blank=True)
    slices = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0, help_text="Requests to the provider.")
    preflight_calls = models.PositiveIntegerField(
        default=0, help_text="How many of them looked before the sync began."
    )
    is_whole = models.BooleanField(
        default=False, help_text="It has read every entity type from its beginning."
    )
    calls_saved = models.PositiveIntegerField(
        null=True, blank=True, help_text="Fewer calls than the last complete full read took."
    )
    error_code = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=500, blank=True)

    objects = SyncRunManager()

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "lane"],
                condition=models.Q(state__in=("queued", "running")),
                name="sync_run_one_open_per_lane",
            )
        ]
        indexes = [models.Index(fields=["connection", "-created_at"], name="sync_run_history")]

    def __str__(self) -> str:
        return f"{self.get_mode_display()} sync of {self.created_at:%Y-%m-%d %H:%M} UTC"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def totals(self) -> dict[str, int]:
        """The counts over all entity types."""
        lines: list[dict[str, Any]] = list(self.counts.values())
        return {name: sum(line.get(name, 0) for line in lines) for name in COUNTS}
