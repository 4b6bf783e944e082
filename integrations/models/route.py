"""Routes: which records go to which destination, and what each became there."""

from django.db import models

from hub.fields import UUID7Field
from integrations.models.connection import Connection
from integrations.models.destination import Destination


class Route(models.Model):
    """Which records go to which table of a destination, how their fields map, and which are left.

    Without a connection records of all connections are meant, without an entity type all that have
    the record type. `mapping` holds one entry per column: {"column": "City", "from":
    "address.city"}; empty means every field under a name people read. Of `filter` every condition
    must hold: {"field": "status", "op": "is", "value": "won"}.
    """

    id = UUID7Field()
    name = models.CharField(max_length=200)
    destination = models.ForeignKey(Destination, models.CASCADE, related_name="routes")
    connection = models.ForeignKey(
        Connection, models.CASCADE, null=True, blank=True, related_name="routes"
    )
    record_type = models.CharField(max_length=30)
    entity_type = models.CharField(max_length=60, blank=True)
    table = models.CharField(max_length=100)
    mapping = models.JSONField(default=list, blank=True)
    filter = models.JSONField(default=list, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("destination", "name")
        constraints = [
            models.UniqueConstraint(fields=["destination", "name"], name="route_once_per_name")
        ]

    def __str__(self) -> str:
        return self.name


class ExternalId(models.Model):
    """What one record became on one route: its row at the destination, or why it was refused.

    `record_id` is no foreign key: the line outlives a purged record, until its row is deleted too.
    `content_hash` is that of the cells last written, or last refused, so that the same again is
    not sent. `external_id` is empty while there is no row. `run_id` and `change_seq` say which run
    dealt with which change, so that a page worked on twice is counted once. `is_fresh`: the row is
    new there, and what refers to it is still to be written again.
    """

    id = models.BigAutoField(primary_key=True)
    destination = models.ForeignKey(Destination, models.CASCADE, related_name="external_ids")
    route = models.ForeignKey(Route, models.CASCADE, related_name="external_ids")
    record_id = models.BigIntegerField()
    key = models.CharField(max_length=700)
    external_id = models.CharField(max_length=100, blank=True)
    content_hash = models.BinaryField()
    rejected_reason = models.CharField(max_length=500, blank=True)
    run_id = models.UUIDField()
    change_seq = models.BigIntegerField()
    is_fresh = models.BooleanField(default=False)
    written_at = models.DateTimeField()

    class Meta:
        verbose_name = "external id"
        ordering = ("-written_at", "id")
        constraints = [
            models.UniqueConstraint(fields=["route", "record_id"], name="external_id_once")
        ]
        indexes = [
            models.Index(fields=["destination", "record_id"], name="external_id_by_record"),
            models.Index(
                fields=["destination", "-written_at"],
                condition=~models.Q(rejected_reason=""),
                name="external_id_rejected",
            ),
            models.Index(
                fields=["destination"], condition=models.Q(is_fresh=True), name="external_id_fresh"
            ),
            models.Index(
                fields=["destination"],
                condition=models.Q(content_hash=b"") & ~models.Q(external_id=""),
                name="external_id_unsure",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id or self.key
