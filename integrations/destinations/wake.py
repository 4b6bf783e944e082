"""Waking the destinations that follow the change feed, by whoever changes records."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from hub.fleet.models import Due
from tenants.context import current_tenant

SOON = timedelta(seconds=2)  # what is due by then need not be woken


def wake_destinations() -> int:
    """Make the tenant's destinations due now; those that wait for a reason of their own sleep on.

    One statement. Call it as the last step of the transaction that changes records: a slice that
    is at work and about to sleep then waits for the commit, and sees what changed.
    """
    unaware = Q(due_at__gt=Now() + SOON) | Q(lease_until__isnull=False)
    asleep = Due.objects.filter(
        unaware,
        tenant_id=current_tenant().pk,
        kind=Due.Kind.DESTINATION,
        parked_reason="",
        due_at__isnull=False,
    )
    return asleep.update(due_at=Now())
