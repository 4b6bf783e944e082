"""Identities: records that are one person or company, as found and as people decided."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from hub.fields import UUID7Field
from integrations.managers import IdentityGroupManager
from integrations.models.record import Record


class IdentityGroup(models.Model):
    """Records that look like one person or company, or are, once somebody has confirmed it.

    Candidates are made anew by every step; what a person has decided stays. `reasons` holds one
    entry per match that keeps the group together: {"left": 12, "right": 40, "reason": "same e-mail
    address", "confidence": 0.98}, ids of records. `confidence` (0 to 1) is that of the weakest.
    """

    class State(models.TextChoices):
        CANDIDATE = "candidate", "Waits for a decision"
        CONFIRMED = "confirmed", "Confirmed"
        REFUSED = "refused", "Not the same"

    id = UUID7Field()
    record_type = models.CharField(max_length=30)
    state = models.CharField(max_length=10, choices=State, default=State.CANDIDATE)
    label = models.CharField("names", max_length=300)
    confidence = models.FloatField()
    reasons = models.JSONField(default=list)
    found_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=200, blank=True)

    objects = IdentityGroupManager()

    class Meta:
        verbose_name = "identity"
        verbose_name_plural = "identities"
        ordering = ("-confidence", "id")
        indexes = [models.Index(fields=["state", "record_type"], name="identity_group_by_state")]

    def __str__(self) -> str:
        return self.label

    @property
    def percent(self) -> int:
        return round(100 * self.confidence)


class IdentityMember(models.Model):
    """One record of a group, named by where it comes from, so that it is known again if it was
    purged and has come back. `record` is where it was found last, without a constraint for the
    same reason.
    """

    id = models.BigAutoField(primary_key=True)
    group = models.ForeignKey(IdentityGroup, models.CASCADE, related_name="members")
    record = models.ForeignKey(
        Record, models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    source_system = models.CharField(max_length=250)
    entity_type = models.CharField(max_length=60)
    source_id = models.CharField(max_length=300)
    is_confirmed = models.BooleanField(default=False)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(
                fields=["source_system", "entity_type", "source_id"],
                condition=models.Q(is_confirmed=True),
                name="identity_member_in_one_confirmed",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source_system} {self.entity_type} {self.source_id}"

    @property
    def origin(self) -> tuple[str, str, str]:
        return self.source_system, self.entity_type, self.source_id


class ForbiddenPair(models.Model):
    """Two records that somebody said are not the same: they never come into one group again.

    `digest` is that of both origins, in an order that does not depend on who came first.
    """

    digest = models.BinaryField(primary_key=True)
    left: Any = models.JSONField(help_text="Source system, entity type, source id.")
    right: Any = models.JSONField()
    decided_at = models.DateTimeField(db_default=Now())
    decided_by = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{' '.join(self.left)} is not {' '.join(self.right)}"
