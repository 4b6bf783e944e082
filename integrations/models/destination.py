"""Destinations: where else a tenant's records are written, and how far each of them is."""

from typing import Any

from django.db import models

from hub.fields import EncryptedField, UUID7Field
from integrations.models.connection import Connection


class Destination(models.Model):
    """One place besides the tenant's own tables that follows the change feed.

    Everything up to `checkpoint` (a change number) has been dealt with there. A new `generation`
    begins the feed again; whoever still works for the old one can move nothing. `schema` is what
    was found or made there, as the destination's type writes it. Its access is its own, sealed in
    `credentials`, or that of `connection`.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        BLOCKED = "blocked", "Blocked"  # something must be repaired there; it is tried again
        PAUSED = "paused", "Paused"  # by a person

    # What it is
    id = UUID7Field()
    type = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    settings = models.JSONField(default=dict, blank=True, help_text="Not secret: base_id, …")
    connection = models.ForeignKey(
        Connection, models.SET_NULL, null=True, blank=True, related_name="lends_access_to"
    )
    credentials = EncryptedField(null=True, editable=False)

    # How far it is; written by integrations.sync.follow
    checkpoint = models.BigIntegerField(default=0, editable=False)
    generation = models.PositiveIntegerField(default=1, editable=False)
    schema = models.JSONField(default=dict, blank=True, editable=False)
    swept_at = models.DateTimeField(null=True, editable=False)

    # How it does
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    error_code = models.CharField(max_length=60, blank=True, editable=False)
    error = models.CharField("what to do", max_length=500, blank=True, editable=False)
    caught_up_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["name"], name="destination_once_per_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_paused(self) -> bool:
        return self.status == self.Status.PAUSED


class DestinationRun(models.Model):
    """One stretch of bringing a destination up to date, over one or more slices.

    `counts` holds what became of the changes: {"read": 40, "created": 20, "updated": 5,
    "deleted": 1, "unchanged": 3, "rejected": 1, "dropped": 10, "linked": 4}. Always read = created
    + updated + deleted + unchanged + rejected + dropped; "dropped" are those that no route takes,
    and "linked" are rows written again because what they refer to had arrived, or what refused
    them had gone.
    """

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    OUTCOMES = ("created", "updated", "deleted", "unchanged", "rejected", "dropped")

    id = UUID7Field()
    destination = models.ForeignKey(Destination, models.CASCADE, related_name="runs")
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField(auto_now_add=True)
    progress_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    from_change = models.BigIntegerField(default=0)
    to_change = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    slices = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0, help_text="Requests to the destination.")
    error_code = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-started_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["destination"],
                condition=models.Q(state="running"),
                name="destination_run_one_open",
            )
        ]
        indexes = [
            models.Index(fields=["destination", "-started_at"], name="destination_run_history")
        ]

    def __str__(self) -> str:
        return f"{self.destination} of {self.started_at:%Y-%m-%d %H:%M} UTC"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.RUNNING

    @property
    def totals(self) -> dict[str, int]:
        """Every count, zeros included."""
        counts: dict[str, Any] = self.counts
        return {name: int(counts.get(name, 0)) for name in ("read", *self.OUTCOMES, "linked")}
