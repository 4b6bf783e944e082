"""Disconnections: what was asked for, and how each step of it ended."""

from typing import Any

from django.db import models
from django.utils import timezone

from hub.fields import UUID7Field
from integrations.models.connection import Connection


class Disconnection(models.Model):
    """One disconnect of a connection, under way until `ended_at` is set.

    `steps` holds a line per step that is over, in the order in which they came: {"revoke":
    {"outcome": "not_possible", "sentence": "…", "at": "2026-03-02T10:00:00+00:00"}}. A step that
    has a line is never taken again.
    """

    class Outcome(models.TextChoices):
        DONE = "done", "Done"
        NOT_NEEDED = "not_needed", "Not needed"
        NOT_POSSIBLE = "not_possible", "Not possible"
        FAILED = "failed", "Failed"

    id = UUID7Field()
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="disconnections")
    keep_records = models.BooleanField()
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_label = models.CharField(max_length=200, blank=True)
    steps = models.JSONField(default=dict)
    revoke_tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=models.Q(ended_at=None),
                name="disconnection_one_under_way",
            )
        ]

    def __str__(self) -> str:
        return f"disconnection of {self.connection_id}"

    @property
    def is_under_way(self) -> bool:
        return self.ended_at is None

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The steps that are over, oldest first: [{"name": "stop", "outcome": "done", …}, …]."""
        named = [{"name": name, **line} for name, line in self.steps.items()]
        return sorted(named, key=lambda line: str(line["at"]))

    def note(self, step: str, outcome: "Disconnection.Outcome", sentence: str) -> None:
        """Add the step's line; the caller saves."""
        at = timezone.now().isoformat()
        self.steps = {**self.steps, step: {"outcome": outcome, "sentence": sentence, "at": at}}
