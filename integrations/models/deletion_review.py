"""Deletion reviews: more deletions than are done without asking, waiting for a person."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from hub.fields import UUID7Field
from integrations.managers import DeletionReviewManager
from integrations.models.connection import Connection


class DeletionReview(models.Model):
    """So many records of one entity type would be deleted at once that a person decides.

    A later walk replaces `record_ids` while it is pending: they are always what the last one found.
    What is kept is not asked about again, so its ids stay for as long as the records are stored;
    later they are only counted, in `forgotten`. `held` is how many there are or were, of the
    `present` records of the type. Lists defer `record_ids`, which may be very long.
    """

    class Cause(models.TextChoices):
        ABSENCE = "absence", "No longer listed"
        SIGNAL = "signal", "Reported deleted"

    class State(models.TextChoices):
        PENDING = "pending", "Waits for approval"
        APPROVED = "approved", "Deleted"
        REFUSED = "refused", "Kept"
        OUTDATED = "outdated", "No longer asked"

    id = UUID7Field()
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="deletion_reviews")
    entity_type = models.CharField(max_length=60)
    cause = models.CharField(max_length=10, choices=Cause)
    run_id = models.UUIDField(help_text="The run that found them last.")
    record_ids = ArrayField(models.BigIntegerField(), editable=False)
    forgotten = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    held = models.GeneratedField(
        expression=models.Func(
            "record_ids", function="cardinality", output_field=models.IntegerField()
        )
        + models.F("forgotten"),
        output_field=models.IntegerField(),
        db_persist=True,
    )
    present = models.PositiveIntegerField(help_text="Records of the type when it was found.")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    created_at = models.DateTimeField(db_default=Now())
    found_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=200, blank=True)

    objects = DeletionReviewManager()

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "entity_type", "cause"],
                condition=models.Q(state="pending"),
                name="deletion_review_one_pending",
            )
        ]

    def __str__(self) -> str:
        return f"{self.held:,} of {self.present:,} {self.entity_type}"

    @property
    def is_pending(self) -> bool:
        return self.state == self.State.PENDING
