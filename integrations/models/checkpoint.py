"""What was committed: positions per scope, and where each entity type stands."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integrations.models.connection import Connection


class EntityTypeStatus(models.Model):
    """Where one entity type of one connection stands.

    A full read begins a new `generation` without positions; until it is through (`is_complete`),
    a resumed run goes on with it. That read begins at `not_before`, if there is one; what lies
    before `known_from` has never been read. `resynced_at` is when it last began because the
    provider had forgotten the position; if that happens again too soon, the type waits
    (`waits_until`). `unknown_error` is the fingerprint of what nobody knows, seen `unknown_times`
    in runs in a row.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="entity_type_statuses")
    entity_type = models.CharField(max_length=60)
    generation = models.PositiveIntegerField(default=1)
    is_complete = models.BooleanField(default=False)
    not_before = models.DateTimeField(null=True, blank=True, help_text="Backfill begins here.")
    known_from = models.DateTimeField(
        null=True, blank=True, help_text="Nothing older was ever read. Empty: all was, or nothing."
    )
    resynced_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider had forgotten the position."
    )
    waits_until = models.DateTimeField(
        null=True, blank=True, help_text="It has forgotten it again; not read in full before."
    )
    full_read_at = models.DateTimeField(null=True, blank=True)
    checkpoint_at = models.DateTimeField(null=True, blank=True)
    unavailable_reason = models.CharField(max_length=300, blank=True)
    interval_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: as often as the connection."
    )
    reconcile_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How often what was missed is looked for in full; 0: never. Empty: as often as"
        " the connection says, where the provider reports no deletions.",
    )
    walked_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last read to its end."
    )
    unknown_error = models.CharField(max_length=200, blank=True)
    unknown_times = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = "entity type"
        ordering = ("entity_type",)
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "entity_type"], name="entity_type_status_once"
            )
        ]

    def __str__(self) -> str:
        return self.entity_type


class Checkpoint(models.Model):
    """The position committed for one scope of one entity type at one destination.

    Written in the transaction that writes the records before it. `cursor` is opaque to us.
    `done_in_run` names the run that is through with this scope: at its end, or it was skipped.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="checkpoints")
    entity_type = models.CharField(max_length=60)
    scope = models.CharField(max_length=300, blank=True)
    destination = models.CharField(max_length=60, default="postgres")
    generation = models.PositiveIntegerField(default=1)
    cursor = models.JSONField(default=dict)
    done_in_run = models.UUIDField(null=True)
    fence = models.BigIntegerField(default=0)
    committed_at = models.DateTimeField()

    class Meta:
        ordering = ("entity_type", "scope")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "entity_type", "scope", "destination"],
                name="checkpoint_once_per_scope",
            )
        ]

    def __str__(self) -> str:
        return f"{self.entity_type} {self.scope}".strip()


class SweepBatch(models.Model):
    """What one batch of an open full walk saw: records, and the scopes walked from their beginning.

    Written in the transaction of the batch, dropped when the entity type is through: whatever its
    scopes hold that no batch saw is absent.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    entity_type = models.CharField(max_length=60)
    scopes = ArrayField(models.CharField(max_length=300))
    record_ids = ArrayField(models.BigIntegerField())

    class Meta:
        indexes = [models.Index(fields=["connection", "entity_type"], name="sweep_batch_of_type")]

    def __str__(self) -> str:
        return f"{self.entity_type}: {len(self.record_ids)} seen"
