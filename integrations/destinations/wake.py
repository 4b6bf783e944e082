"""Waking the destinations that follow the change feed, by whoever changes records."""

from django.db.models import Case, F, When
from django.db.models.functions import Least, Now

from hub.fleet.models import Due
from tenants.context import current_tenant


def wake_destinations() -> None:
    """Make the tenant's destinations due now; those that wait for a reason of their own sleep on.

    One statement. Call it as the last step of the transaction that changes records. Until that is
    committed no destination begins a slice, and none that is at work goes to sleep: so whoever
    looks sees what changed.
    """
    theirs = Due.objects.filter(
        tenant_id=current_tenant().pk, kind=Due.Kind.DESTINATION, due_at__isnull=False
    )
    soon = When(parked_reason="", then=Least("due_at", Now()))
    theirs.update(due_at=Case(soon, default=F("due_at")))
