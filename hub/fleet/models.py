"""What operations see of every tenant, and the only ledger of leases. No secrets, no records."""

from django.db import models
from django.db.models.functions import Now

from hub.fields import UUID7Field
from hub.fleet.limits import Circuit, RateBudget  # noqa: F401  so that Django finds them
from hub.fleet.managers import (
    ConnectionStatusManager,
    DueManager,
    RunHourManager,
    WorkerManager,
)


class ConnectionStatus(models.Model):
    """One connection of one tenant as operations see it: written with each change, read anywhere.

    `connection_id` points into the tenant's schema and is no foreign key.
    """

    connection_id = models.UUIDField(primary_key=True)
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="connection_statuses")
    provider = models.CharField(max_length=40)
    account_label = models.CharField("account", max_length=200, blank=True)
    status = models.CharField(max_length=20)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=500, blank=True)
    last_run_id = models.UUIDField(null=True)
    last_run_state = models.CharField("last run", max_length=12, blank=True)
    last_run_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    records = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    waiting_reviews = models.PositiveIntegerField(
        default=0, help_text="Deletions that wait until somebody in the tenant has decided."
    )
    updated_at = models.DateTimeField(auto_now=True)

    objects = ConnectionStatusManager()

    class Meta:
        verbose_name = "connection"
        ordering = ("tenant", "provider")
        indexes = [
            models.Index(fields=["status"], name="fleet_status_by_status"),
            models.Index(fields=["provider"], name="fleet_status_by_provider"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} · {self.account_label}"


class Due(models.Model):
    """One piece of work that comes round: when it is due, who holds it, and under which fence.

    The worker unit claims due rows and rings the queue; the row, not the queue, is the truth. Every
    claim raises `fence` and `attempts`; whoever holds an older fence can commit nothing any more.
    """

    class Kind(models.TextChoices):
        SYNC = "sync", "Sync"
        DESTINATION = "destination", "Destination"
        OUTBOX = "outbox", "Outbox"
        REFRESH = "refresh", "Refresh"
        DISCONNECT = "disconnect", "Disconnect"
        SHADOW = "shadow", "Shadow diff"
        PREFLIGHT = "preflight", "Pre-flight"
        IDENTITIES = "identities", "Identities"
        HOUSEKEEPING = "housekeeping", "Housekeeping"

    id = UUID7Field()
    kind = models.CharField(max_length=12, choices=Kind)
    tenant = models.ForeignKey(
        "tenants.Tenant",
        models.CASCADE,
        related_name="+",
        db_index=False,  # two indexes below begin with it
    )
    object_id = models.UUIDField(
        help_text="The connection, destination or disconnection in the tenant's schema, or"
        " the tenant."
    )
    lane = models.CharField(max_length=10, default="live")
    provider = models.CharField(max_length=40, blank=True)
    due_at = models.DateTimeField(null=True, blank=True, help_text="Empty: paused or parked.")
    interval_seconds = models.PositiveIntegerField(default=3600)
    lease_until = models.DateTimeField(null=True, blank=True)
    leased_by = models.UUIDField(null=True, blank=True, help_text="The worker that holds it.")
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="The last claim.")
    started_at = models.DateTimeField(
        null=True, blank=True, help_text="When the task picked it up."
    )
    fence = models.BigIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0, help_text="Claims since the last progress.")
    failures = models.PositiveIntegerField(default=0, help_text="Failed runs in a row.")
    parked_reason = models.CharField(max_length=60, blank=True)
    faulted_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when each attempt met a fault of the database."
    )
    run_id = models.UUIDField(null=True, blank=True, help_text="The run that is open, if one is.")

    objects = DueManager()

    class Meta:
        verbose_name = "due work"
        verbose_name_plural = "due work"
        ordering = ("due_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["object_id", "kind", "lane", "tenant"], name="due_once_per_object_and_lane"
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(lease_until=None, due_at__isnull=False),
                name="due_free",
            ),
            models.Index(
                fields=["tenant", "due_at"],
                condition=models.Q(lease_until=None, due_at__isnull=False),
                name="due_free_of_tenant",
            ),
            models.Index(
                fields=["provider", "due_at"],
                condition=models.Q(lease_until=None, due_at__isnull=False),
                name="due_free_of_provider",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(lease_until__isnull=False),
                name="due_leased",
            ),
            models.Index(fields=["tenant", "-claimed_at"], name="due_last_turn"),
            models.Index(
                fields=["attempts"], condition=models.Q(attempts__gte=5), name="due_spent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.provider or self.object_id}"


class Worker(models.Model):
    """One running worker unit and its signs of life."""

    id = UUID7Field()
    host = models.CharField(max_length=200)
    pid = models.IntegerField()
    cluster = models.CharField(max_length=60, help_text="The name of its queue.")
    processes = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now(), help_text="The unit itself.")
    beat_at = models.DateTimeField(null=True, help_text="A task that ran in its cluster.")
    restarts = models.PositiveIntegerField(default=0, help_text="Clusters replaced.")
    stopping_at = models.DateTimeField(
        null=True, help_text="Told to stop: its slices end at their next position."
    )

    objects = WorkerManager()

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class RunHour(models.Model):
    """How many sync runs of one tenant at one provider ended in one hour, and what they changed.

    Counted when a run ends, in its transaction, so that operations see a day of thousands of
    tenants without entering one. `hour` is its beginning, in UTC.
    """

    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    provider = models.CharField(max_length=40)
    hour = models.DateTimeField()
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    records = models.PositiveBigIntegerField(default=0, help_text="Inserted, updated or deleted.")

    objects = RunHourManager()

    class Meta:
        ordering = ("hour",)
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "tenant", "provider"], name="run_hour_once_per_provider"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} at {self.hour:%Y-%m-%d %H:00}"


class DestinationStatus(models.Model):
    """One destination of one tenant as operations see it, as of `updated_at`.

    `behind` counts the changes it has not dealt with, the oldest of them made at `behind_since`.
    `destination_id` points into the tenant's schema and is no foreign key.
    """

    destination_id = models.UUIDField(primary_key=True)
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    type = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=20)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=500, blank=True)
    behind = models.BigIntegerField(default=0)
    behind_since = models.DateTimeField(null=True)
    caught_up_at = models.DateTimeField(null=True)
    rows = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "destination"
        ordering = ("tenant", "name")
        indexes = [models.Index(fields=["status"], name="fleet_destination_by_status")]

    def __str__(self) -> str:
        return f"{self.type} · {self.name}"
