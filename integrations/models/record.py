"""Records: what providers' entities became, and how they relate."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models

from integrations.managers import RecordManager


class Record(models.Model):
    """One entity of a provider in the shared shape of its record type, with its provenance.

    Written only by integrations.destinations.postgres. `data` is the shared shape, `raw` what the
    provider sent. `change_seq` grows in commit order over all records of the tenant.
    """

    source_system = models.CharField(max_length=250)
    entity_type = models.CharField(max_length=60)
    source_id = models.CharField(max_length=300)
    scope = models.CharField(max_length=300, blank=True)
    connection_id = models.UUIDField()
    run_id = models.UUIDField(help_text="The run that last changed it.")
    generation = models.PositiveIntegerField(default=1)
    record_type = models.CharField(max_length=30)
    title = models.CharField(max_length=300, blank=True, help_text="What a person calls it.")
    data = models.JSONField()
    raw = models.JSONField()
    content_hash = models.BinaryField()
    source_changed_at = models.DateTimeField(null=True)
    first_seen_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)
    change_seq = models.BigIntegerField()

    objects = RecordManager()

    class Meta:
        ordering = ("-change_seq",)
        constraints = [
            models.UniqueConstraint(
                fields=["source_system", "entity_type", "source_id"], name="record_once"
            )
        ]
        indexes = [
            models.Index(fields=["change_seq"], name="record_by_change"),
            models.Index(fields=["record_type", "id"], name="record_by_type"),
            models.Index(
                fields=["connection_id", "entity_type", "id"], name="record_by_connection"
            ),
            models.Index(
                fields=["deleted_at"],
                condition=models.Q(deleted_at__isnull=False),
                name="record_tombstones",
            ),
            GinIndex(SearchVector("title", config="simple"), name="record_by_title"),
        ]

    def __str__(self) -> str:
        return self.title or f"{self.entity_type} {self.source_id}"


class RecordLink(models.Model):
    """One reference from a record to another, which may arrive later or never.

    `target` is empty until the target is there.
    """

    record = models.ForeignKey(Record, models.CASCADE, related_name="links")
    field = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField(default=0)
    target_system = models.CharField(max_length=250)
    target_type = models.CharField(max_length=60)
    target_source_id = models.CharField(max_length=300)
    target = models.ForeignKey(Record, models.SET_NULL, null=True, related_name="linked_from")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["record", "field", "position"], name="record_link_once")
        ]
        indexes = [
            models.Index(
                fields=["target_system", "target_type", "target_source_id"],
                condition=models.Q(target=None),
                name="record_link_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.field} → {self.target_type} {self.target_source_id}"
