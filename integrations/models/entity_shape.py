"""What the entities of a type have looked like, so that a provider's changes are noticed."""

from django.db import models

from integrations.models.connection import Connection


class EntityShape(models.Model):
    """The fields of one entity type of one connection, and the last changes of them.

    `fields` is a shape (integrations/sync/shape.py). `changes` are the newest first: [{"at":
    "2026-11-20T14:44:00Z", "run": "…", "kind": "type", "path": "amount", "was": ["number"],
    "now": ["text"]}]. `entities` is how many were looked at, exact only while they are few.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="entity_shapes")
    entity_type = models.CharField(max_length=60)
    fields = models.JSONField(default=dict)
    changes = models.JSONField(default=list)
    entities = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider last sent something different."
    )

    class Meta:
        verbose_name = "field change"
        ordering = ("connection", "entity_type")
        constraints = [
            models.UniqueConstraint(fields=["connection", "entity_type"], name="entity_shape_once")
        ]

    def __str__(self) -> str:
        return self.entity_type
