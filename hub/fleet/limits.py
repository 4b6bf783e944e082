"""The tables of circuit breakers and rate budgets, shared by all processes.

`document` is the truth, in the form of `integrations.resilience`; the columns beside it are for
people and for filters. They are written on a connection of their own, outside every transaction of
the work they belong to, so neither has a foreign key.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.db import models
from django.utils import timezone

from hub.fields import UUID7Field

_NAMES = UUID("6f0c1d1e-54a4-4cf0-9a1b-0d4f5a1c7e21")


KEPT = timedelta(days=3)
"""Longer than any window a provider counts in; what nobody has touched for so long says nothing."""


def row_id(name: str) -> UUID:
    """The id under which people address what is called `name`; the same in every process."""
    return uuid5(_NAMES, name)


class Circuit(models.Model):
    """One breaker that has seen a failure: of a provider app, or of one connection."""

    class State(models.TextChoices):
        CLOSED = "closed", "Closed"
        OPEN = "open", "Open"
        HALF_OPEN = "half_open", "One trial"

    class Scope(models.TextChoices):
        APP = "app", "Provider app"
        CONNECTION = "connection", "Connection"

    id = UUID7Field()
    name = models.CharField(max_length=400, unique=True)
    scope = models.CharField("level", max_length=12, choices=Scope)
    provider = models.CharField(max_length=40)
    owner = models.CharField(max_length=250, blank=True, help_text="The app or the connection.")
    tenant_id = models.UUIDField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.CLOSED)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    is_tripped = models.BooleanField(default=False, help_text="Opened by a person.")
    reason = models.CharField(max_length=300, blank=True)
    changed_at = models.DateTimeField("since", null=True)
    retry_at = models.DateTimeField("next trial", null=True)
    document = models.JSONField(default=dict, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-updated_at", "name")

    def __str__(self) -> str:
        return f"{self.provider} · {self.get_scope_display().lower()}"

    @property
    def is_closed(self) -> bool:
        return self.state == self.State.CLOSED


class RateBudget(models.Model):
    """What may be asked of a provider in a while, or at one time, and how much of it is used."""

    class Kind(models.TextChoices):
        BUDGET = "budget", "Requests in a time"
        SLOTS = "slots", "Requests at one time"

    class Scope(models.TextChoices):
        APP = "app", "Provider app"
        ACCOUNT = "account", "Account"
        HOST = "host", "Host"
        CONNECTION = "connection", "Connection"
        TENANT = "tenant", "Tenant"

    id = UUID7Field()
    name = models.CharField(max_length=400, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    scope = models.CharField("level", max_length=12, choices=Scope)
    provider = models.CharField(max_length=40, blank=True)
    owner = models.CharField(max_length=250, blank=True)
    tenant_id = models.UUIDField(null=True, blank=True)
    path = models.CharField(max_length=200, default="*")
    requests = models.PositiveIntegerField()
    per_seconds = models.FloatField()
    concurrent = models.PositiveIntegerField(null=True)
    document = models.JSONField(default=dict, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "rate budget"
        ordering = ("-updated_at", "name")
        indexes = [models.Index(fields=["updated_at"], name="fleet_budget_by_age")]

    def __str__(self) -> str:
        what = self.get_scope_display().lower()
        return f"{self.provider} · {what}" if self.provider else what

    @property
    def allowed(self) -> int:
        return (self.concurrent or 1) if self.kind == self.Kind.SLOTS else self.requests

    @property
    def used(self) -> int:
        """What counts against the limit at this moment."""
        now = timezone.now().timestamp()
        if self.kind == self.Kind.SLOTS:
            return sum(until > now for until in self._kept("slots", {}).values())
        return sum(tokens for until, tokens in self._kept("taken", ()) if until > now)

    @property
    def paused_until(self) -> datetime | None:
        """Until when the provider is not asked at all; None if it may be."""
        until = float(self._kept("paused_until", 0))
        moment = datetime.fromtimestamp(until, UTC)
        return moment if moment > timezone.now() else None

    @property
    def waiting(self) -> list[str]:
        """The ids of the connections that wait for it just now."""
        now = timezone.now().timestamp()
        spans = self._kept("waiting", {}).items()
        return [who.partition(":")[0] for who, (_, until) in spans if until > now]

    def _kept(self, name: str, otherwise: Any) -> Any:
        return self.document.get(name, otherwise)


def forget_unused() -> None:
    """Budgets and breakers nobody has used for days are gone; what a person holds open stays."""
    before = timezone.now() - KEPT
    RateBudget.objects.filter(updated_at__lt=before).delete()
    Circuit.objects.filter(updated_at__lt=before, is_tripped=False).delete()
