"""What the queue calls. Each task takes ids, enters the tenant, works one slice, says how it ended.

A task may run twice, late, or not at all: the due row decides. Nothing a provider said leaves here
in an exception, because the queue would store its text.
"""

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import F
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest, Now

from hub.database_faults import Fault, code_of, fault_of, repeated
from hub.fleet.attempts import audit_failed
from hub.fleet.models import Due, Worker
from integrations import crash
from integrations.errors import FencedError, HubError, TenantNotActiveError, TenantNotFoundError
from integrations.queue import SliceTimeoutError
from integrations.services.disconnect import go_on
from integrations.services.identity_runs import look_for_identities
from integrations.services.preflights import make_preflight
from integrations.sync.engine import work_slice
from integrations.sync.follow import follow_slice
from integrations.sync.housekeeping import keep_house
from integrations.sync.lease import SHARE_SECONDS, LeaseWatch, held
from integrations.sync.shadow import shadow_slice
from tenants.context import get_tenant_by_id, in_tenant

BACKOFF_SECONDS = 15.0  # after a slice that failed unexpectedly; doubles with every attempt
BACKOFF_AT_MOST_SECONDS = 900.0

log = logging.getLogger(__name__)

# Works on one due row inside its tenant, gives the lease back itself, returns a short sentence.
Handler = Callable[[UUID, int, LeaseWatch], str]


def sync(due_id: UUID, fence: int, watch: LeaseWatch) -> str:
    """Move entities along a connection for one slice."""
    seconds = settings.HUB_SLICE_SECONDS
    return work_slice(due_id, fence, seconds=seconds, watch=watch).sentence


def disconnect(due_id: UUID, fence: int, watch: LeaseWatch) -> str:
    """Take the steps of a disconnect that are left, for one slice."""
    seconds = settings.HUB_SLICE_SECONDS
    return go_on(due_id=due_id, fence=fence, watch=watch, seconds=seconds)


def follow(due_id: UUID, fence: int, watch: LeaseWatch) -> str:
    """Bring a destination up to date for one slice."""
    return follow_slice(due_id, fence, seconds=settings.HUB_SLICE_SECONDS, watch=watch)


def shadow(due_id: UUID, fence: int, watch: LeaseWatch) -> str:
    """Work out for one slice what a sync would do."""
    return shadow_slice(due_id, fence, seconds=settings.HUB_SLICE_SECONDS, watch=watch)


def preflight(due_id: UUID, fence: int, watch: LeaseWatch) -> str:
    """Look at a few entities of each type."""
    return make_preflight(due_id=due_id, fence=fence)


def identities(due_id: UUID, fence: int, watch: LeaseWatch) -> str:
    """Look for records that are one person or company."""
    return look_for_identities(due_id=due_id, fence=fence)


def housekeeping(due_id: UUID, fence: int, watch: LeaseWatch) -> str:
    """Forget what the tenant need not keep any longer."""
    return keep_house(due_id, fence, seconds=settings.HUB_SLICE_SECONDS, watch=watch)


# Kind of due work → who does it. Work of any other kind fails, and is parked in the end.
HANDLERS: dict[str, Handler] = {
    Due.Kind.SYNC: sync,
    Due.Kind.DESTINATION: follow,
    Due.Kind.DISCONNECT: disconnect,
    Due.Kind.SHADOW: shadow,
    Due.Kind.PREFLIGHT: preflight,
    Due.Kind.IDENTITIES: identities,
    Due.Kind.HOUSEKEEPING: housekeeping,
}


def work(tenant_id: str, due_id: str, fence: int) -> str:
    """Work one slice of the due row if the claim still holds; return how it ended."""
    due, kind = UUID(due_id), None
    try:
        kind = Due.objects.begin(due, fence=fence, seconds=settings.HUB_LEASE_SECONDS)
        if kind is None:
            return "Taken over, or begun already."
        crash.hit("after_claim")
        tenant = get_tenant_by_id(UUID(tenant_id))
        if not tenant.is_active:
            raise TenantNotActiveError("The tenant is not active.")
        lease = held(due, fence, seconds=settings.HUB_LEASE_SECONDS, share_seconds=SHARE_SECONDS)
        with in_tenant(tenant), lease as watch:
            said = HANDLERS[kind](due, fence, watch)
        crash.hit("before_ack")
        return said
    except FencedError:
        return "Taken over while working."
    except SliceTimeoutError:
        # The queue ends this process; the lease runs out by itself and the attempt counts.
        log.warning("slice timed out", extra={"due_id": due_id, "kind": kind})
        raise SliceTimeoutError("The slice took too long.") from None
    except (TenantNotActiveError, TenantNotFoundError):
        _give_back(due, fence, attempts=Greatest(F("attempts") - 1, 0))
        return "The tenant is not active."
    except Exception as exc:
        if (fault := fault_of(exc)) is not None:
            met = {"due_id": due_id, "kind": kind, "sqlstate": code_of(exc), "fault": fault.name}
            log.warning("slice waits for the database", extra=met)
            _wait(due, fence, fault)
            return f"Waits: {fault.sentence}"
        log.exception("slice failed", extra={"due_id": due_id, "kind": kind})
        reason = exc.code if isinstance(exc, HubError) else type(exc).__name__
        _try_again(due, fence, reason)
        return f"Failed ({reason})."


def beat(worker_id: str) -> str:
    """Show that the worker's queue is being worked on."""
    Worker.objects.filter(pk=UUID(worker_id)).update(beat_at=Now())
    return "Beat."


def _try_again(due_id: UUID, fence: int, reason: str) -> None:
    """Give the work back with a wait. It is kept for the lease's end if even that fails."""

    @transaction.atomic
    def fail() -> None:
        due = Due.objects.get(pk=due_id)
        wait = min(BACKOFF_AT_MOST_SECONDS, BACKOFF_SECONDS * 2**due.attempts)
        later = {"due_at": _later(wait), "failures": F("failures") + 1}
        if Due.objects.release(due_id, fence=fence, **later):
            audit_failed(due, fence=fence, reason=reason)

    with _or_until_lease_ends(due_id):
        repeated(fail)


def _wait(due_id: UUID, fence: int, fault: Fault) -> None:
    """Give the work back until the database may serve it again. It has made no attempt.

    Since when that is so every time is kept, as nothing else ends it.
    """
    with _or_until_lease_ends(due_id):
        attempts, since = Greatest(F("attempts") - 1, 0), Coalesce(F("faulted_since"), Now())
        later = {"due_at": _later(fault.wait), "attempts": attempts, "faulted_since": since}
        _give_back(due_id, fence, **later)


@contextmanager
def _or_until_lease_ends(due_id: UUID) -> Iterator[None]:
    """What the database refuses in the block is left to the end of the lease."""
    try:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        yield
    except (Due.DoesNotExist, Error) as exc:
        said = {"due_id": str(due_id), "error": type(exc).__name__}
        log.warning("work not given back; its lease runs out by itself", extra=said)


def _later(seconds: float) -> Combinable:
    return Now() + timedelta(seconds=seconds * random.uniform(0.5, 1.0))


def _give_back(due_id: UUID, fence: int, **changes: object) -> None:
    repeated(lambda: Due.objects.release(due_id, fence=fence, **changes))
