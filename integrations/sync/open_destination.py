"""Opening a destination for one slice: its access, the door out, and how often it may be asked."""

from hub.crypto import EncryptionKeyError, SealBrokenError
from hub.fleet.models import Due
from hub.observability.known_secrets import remember_values
from integrations.destinations.registry import get_destination_type
from integrations.destinations.tables import Access, TableDestination
from integrations.errors import (
    DestinationBlockedError,
    OperatorRequiredError,
    ReauthorizationRequiredError,
    RefusedError,
)
from integrations.models import Destination
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.sync.credentials import access_for
from integrations.sync.fenced import FencedGate
from integrations.sync.guards import guard_for_destination
from integrations.sync.outside import egress_of_settings
from integrations.types import Credentials
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.keys import open_for

FOLLOWER = Actor.system("destinations")


def open_destination(
    destination: Destination, due: Due, *, seconds: float, refused: bool = False
) -> TableDestination:
    """Return the destination, ready to be written to for at most `seconds`, while `due` is ours.

    `refused`: the access handed out before was not accepted, so it is renewed first.

    Raises:
        DestinationBlockedError: there is no access; the sentence says what to do.
        OperatorRequiredError: the sealed access does not open.
        RetryableError: the lent access cannot be renewed just now.
    """
    kind = get_destination_type(destination.type)
    credentials = _lent(destination, refused) if destination.connection else _own(destination)
    clock = SystemClock()
    guard = guard_for_destination(
        destination,
        place=str(destination.settings[kind.place]),
        limits=kind.limits,
        label=kind.label,
        clock=clock,
    )
    access = Access(
        settings=destination.settings,
        credentials=credentials,
        egress=egress_of_settings(),
        deadline=Deadline.after(seconds, clock),
        gate=FencedGate(guard, due.pk, due.fence),
    )
    return kind(access, destination.schema)


def _own(destination: Destination) -> Credentials:
    if destination.credentials is None:
        raise DestinationBlockedError("There is no access; enter one, or choose a connection.")
    try:
        opened = open_for(
            destination,
            "credentials",
            tenant_id=current_tenant().pk,
            actor=FOLLOWER,
            reason="destination",
        )
    except (SealBrokenError, EncryptionKeyError) as exc:
        raise OperatorRequiredError(
            f"The credentials of {destination} do not open: check HUB_ENCRYPTION_KEYS."
        ) from exc
    remember_values(opened)
    return Credentials(key=str(opened.get("key", "")), extra=opened)


def _lent(destination: Destination, refused: bool) -> Credentials:
    connection = destination.connection
    assert connection is not None
    generation = connection.credential_generation if refused else None
    try:
        held = access_for(connection, actor=FOLLOWER, reason="destination", refused=generation)
    except (ReauthorizationRequiredError, RefusedError) as exc:
        raise DestinationBlockedError(
            f"It uses the access of {connection}, which must be connected again."
        ) from exc
    return held
