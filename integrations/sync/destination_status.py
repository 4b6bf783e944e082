"""What operations see of a destination, and whether its work comes round.

Call these inside the transaction of the change, so that both are seen or neither is.
"""

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.db.models.functions import Now

from hub.fleet.models import DestinationStatus, Due
from integrations.models import Destination, ExternalId
from integrations.sync.changes import Lag, lag_behind
from tenants.context import current_tenant

LOOK_EVERY = timedelta(minutes=10)  # though nobody woke it
_SEEN = (
    "type",
    "name",
    "status",
    "error_code",
    "error",
    "behind",
    "behind_since",
    "caught_up_at",
    "updated_at",
)
_COUNTED = ("rows", "rejected")


def publish_destination(destination: Destination, *, with_counts: bool = False) -> Lag:
    """Show the destination's present state to operations; return how far it is behind.

    Counting reads every line of the ledger, so that is for the end of a slice.
    """
    lag = lag_behind(destination.checkpoint)
    counts: dict[str, int] = rows_of(destination) if with_counts else {}
    seen = DestinationStatus(
        destination_id=destination.pk,
        tenant_id=current_tenant().pk,
        type=destination.type,
        name=destination.name,
        status=destination.status,
        error_code=destination.error_code,
        error=destination.error,
        behind=lag.changes,
        behind_since=lag.since,
        caught_up_at=destination.caught_up_at,
        **counts,
    )
    DestinationStatus.objects.bulk_create(
        [seen],
        update_conflicts=True,
        unique_fields=["destination_id"],
        update_fields=[*_SEEN, *(_COUNTED if with_counts else ())],
    )
    return lag


def rows_of(destination: Destination) -> dict[str, int]:
    """How many rows there are at the destination, and how many are refused: {"rows", "rejected"}"""
    counted = ExternalId.objects.filter(destination=destination).aggregate(
        rows=Count("pk", filter=~Q(external_id="")),
        rejected=Count("pk", filter=~Q(rejected_reason="")),
    )
    return {name: int(counted[name]) for name in _COUNTED}


def make_due(destination: Destination) -> None:
    """A worker looks at the destination now, whatever stopped it before."""
    _, is_new = Due.objects.get_or_create(
        tenant=current_tenant(),
        kind=Due.Kind.DESTINATION,
        object_id=destination.pk,
        lane="live",
        defaults={
            "provider": destination.type,
            "due_at": Now(),
            "interval_seconds": int(LOOK_EVERY.total_seconds()),
        },
    )
    if not is_new:
        change_due(destination, due_at=Now(), parked_reason="", attempts=0, failures=0)


def change_due(destination: Destination, **changes: Any) -> None:
    Due.objects.for_object(destination).update(**changes)
