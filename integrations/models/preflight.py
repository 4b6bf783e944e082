"""Pre-flights: what a few entities of each type say of a connection before it is synced."""

from django.db import models

from integrations.models.connection import Connection


class Preflight(models.Model):
    """The last pre-flight of one connection, and whether another one is wanted.

    `lines` holds one per entity type: {"deals": {"outcome": "rejected", "read": 5, "rejected": 2,
    "calls": 1, "reason": "The field 'name' is missing."}}. `digest` names the connector's version.
    """

    class Because(models.TextChoices):
        CONNECT = "connect", "Connected"
        RECONNECT = "reconnect", "Reconnected"
        VERSION = "version", "New version of the connector"
        ASKED = "asked", "Asked for"

    class Outcome(models.TextChoices):
        OK = "ok", "OK"
        EMPTY = "empty", "Nothing there"
        REJECTED = "rejected", "Some rejected"
        UNAVAILABLE = "unavailable", "May not be read"
        FAILED = "failed", "Cannot be read"
        LATER = "later", "Not asked"

    connection = models.OneToOneField(
        Connection, models.CASCADE, primary_key=True, related_name="preflight"
    )
    wanted_because = models.CharField(max_length=10, choices=Because, blank=True)
    made_because = models.CharField(max_length=10, choices=Because, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    checked_at = models.DateTimeField(null=True)
    calls = models.PositiveIntegerField(default=0, help_text="Requests to the provider.")
    lines = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"Pre-flight of {self.connection_id}"
