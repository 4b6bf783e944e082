"""Rejected records: entities set aside with their reason, waiting to be replayed."""

from django.db import models

from integrations.models.connection import Connection


class RejectedRecord(models.Model):
    """One entity that could not become a record. `raw` holds its bytes as the provider sent them.

    It is resolved when the same entity is stored later, by a sync or by a replay.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="rejected_records")
    run_id = models.UUIDField()
    source_system = models.CharField(max_length=250)
    entity_type = models.CharField(max_length=60)
    source_id = models.CharField(max_length=300)
    scope = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=500)
    raw = models.BinaryField()
    source_changed_at = models.DateTimeField(null=True)
    times = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-last_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["source_system", "entity_type", "source_id"], name="rejected_record_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.entity_type} {self.source_id}"
