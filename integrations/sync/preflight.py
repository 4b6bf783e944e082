"""Pre-flight: a few entities of each type, fetched, transformed and thrown away.

Five entities and two calls of each type at most, so that a connector, an account and its rights
are known to fit before a sync reads everything. One type that cannot be read says nothing of the
others. Types that the provider lets be read only so often are left to the sync.
"""

import hashlib
import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from time import monotonic
from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone

from hub.fleet.models import Due
from integrations.connectors.base import Connector
from integrations.connectors.registry import get_connector
from integrations.destinations.base import Row
from integrations.destinations.postgres import hold_fence
from integrations.errors import (
    AccessTokenRefusedError,
    EntityTypeUnavailableError,
    HubError,
    NotFoundError,
    OperatorRequiredError,
    ParentSkippedError,
    ProviderUnavailableError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.models import Connection, EntityTypeStatus, Preflight, SyncRun
from integrations.models.sync_run import COUNTS
from integrations.resilience.around import AroundGate
from integrations.resilience.deadline import Deadline
from integrations.sync.open import Parents, open_connector
from integrations.sync.order import in_order
from integrations.sync.prepare import prepare
from integrations.sync.unknown import unknown
from integrations.types import Entity, EntityType
from tenants.actor import Actor

ENTITIES = 5  # of each type
CALLS = 2  # of each type, tries included
LOOKED_AT = 50  # with positions, which are no entities
SECONDS = 30.0  # for all types
REASON = 300  # characters

UNREADABLE = (
    EntityTypeUnavailableError,
    NotFoundError,
    OperatorRequiredError,
    ParentSkippedError,
)
ACCESS = (AccessTokenRefusedError, ReauthorizationRequiredError)

log = logging.getLogger(__name__)


class EnoughError(Exception):
    """The type has had its calls. Raised and caught here."""


class Slice(Protocol):
    """What a pre-flight needs to know of the slice it opens, and where it counts its calls."""

    due: Due
    connection: Connection
    run: SyncRun
    calls_before: int


@dataclass
class Allowance:
    """How many calls are left to a type, over however many clients."""

    left: int = 0
    made: int = 0


@dataclass
class CallLimit(AroundGate):
    """Lets calls pass while the allowance lasts."""

    allowance: Allowance
    trouble: str = ""  # of the last call

    def admit(self, path: str, deadline: Deadline) -> None:
        if self.allowance.left <= 0 and self.trouble:
            raise ProviderUnavailableError(self.trouble)
        if self.allowance.left <= 0:
            raise EnoughError
        self.inner.admit(path, deadline)
        self.allowance.left -= 1
        self.allowance.made += 1

    def failed(self, reason: str) -> None:
        self.trouble = reason
        self.inner.failed(reason)

    def answered(self, headers: Mapping[str, str]) -> None:
        self.trouble = ""
        self.inner.answered(headers)


def want(connection: Connection, because: Preflight.Because) -> None:
    """The next slice of the connection begins with a pre-flight."""
    Preflight.objects.update_or_create(connection=connection, defaults={"wanted_because": because})


def before_sync(slice_: Slice) -> None:
    """Make the pre-flight that is wanted, before a run reads anything.

    What cannot be read is left out of this run, so that the others are synced.

    Raises:
        HubError: what stands in the way of all types, as from `check`.
    """
    run, connection = slice_.run, slice_.connection
    wanted = _wanted(connection) if not run.counts else None
    if wanted is None:
        return
    allowance = Allowance()
    try:
        report = check(
            connection, actor=Actor.system("engine"), because=wanted, run=run, allowance=allowance
        )
    finally:
        slice_.calls_before += allowance.made
        run.preflight_calls += allowance.made
        SyncRun.objects.filter(pk=run.pk).update(preflight_calls=run.preflight_calls)
    failed = {
        name: line["reason"]
        for name, line in report.lines.items()
        if line["outcome"] == Preflight.Outcome.FAILED
        and (not run.entity_types or name in run.entity_types)
    }
    if not failed:
        return
    with transaction.atomic():
        hold_fence(slice_.due.pk, slice_.due.fence)
        for name, reason in failed.items():
            EntityTypeStatus.objects.update_or_create(
                connection=connection, entity_type=name, defaults={"unavailable_reason": reason}
            )
            run.counts = {**run.counts, name: {"state": "unavailable", **dict.fromkeys(COUNTS, 0)}}
        SyncRun.objects.filter(pk=run.pk).update(counts=run.counts)


def check(
    connection: Connection,
    *,
    actor: Actor,
    because: Preflight.Because,
    run: SyncRun | None = None,
    allowance: Allowance | None = None,
) -> Preflight:
    """Look at every entity type, and return what was found, which is kept.

    Where the provider says to wait, the looking ends, and a pre-flight stays wanted: it was one
    call too many already.

    Raises:
        ReauthorizationRequiredError, AccessTokenRefusedError: nothing can be read without access.
        OperatorRequiredError: the provider does not accept our app.
        RetryableError: no type can be asked now; nothing is kept.
    """
    look = _Looks(connection, run, actor, allowance or Allowance())
    over_at = monotonic() + SECONDS
    try:
        for declared in in_order(look.open().entity_types):
            is_over = look.waits or look.is_cut or monotonic() > over_at
            if is_over or declared.min_interval is not None:
                look.lines[declared.name] = _line(Preflight.Outcome.LATER, "Left to the sync.")
            else:
                look.at(declared)
    finally:
        look.close()
    outcomes = {line["outcome"] for line in look.lines.values()}
    if look.waits and outcomes == {Preflight.Outcome.LATER}:
        raise look.waits[-1]
    report, _ = Preflight.objects.update_or_create(
        connection=connection,
        defaults={
            "wanted_because": because if look.waits or look.is_cut else "",
            "made_because": because,
            "digest": digest_of(get_connector(connection.provider)),
            "checked_at": timezone.now(),
            "calls": look.allowance.made,
            "lines": look.lines,
        },
    )
    return report


@dataclass
class _Looks:
    """The looks at one connection's types, through a client that is opened anew at most once."""

    connection: Connection
    run: SyncRun | None
    actor: Actor
    allowance: Allowance
    parents: Parents = field(default_factory=Parents)
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    waits: list[RetryableError] = field(default_factory=list)
    connector: Connector | None = None
    renewed_at: int | None = None  # so many calls had been made
    is_cut: bool = False

    def open(self, *, refused: bool = False) -> Connector:
        self.close()
        self.connector = open_connector(
            self.connection,
            self.run,
            parents=self.parents,
            seconds=SECONDS,
            refused=refused,
            actor=self.actor,
            gate=lambda inner: CallLimit(inner, self.allowance),
        )
        return self.connector

    def close(self) -> None:
        if self.connector is not None:
            self.connector.http.close()

    def at(self, declared: EntityType) -> None:
        """Look at one type; an access that has run out is renewed once."""
        before, self.allowance.left = self.allowance.made, CALLS
        try:
            line, read = self._looked(declared)
        except RetryableError as exc:
            self.waits.append(exc)
            line, read = _line(Preflight.Outcome.LATER, str(exc)), []
        except AccessTokenRefusedError:
            if self.allowance.made - 1 == self.renewed_at:  # it got us nowhere: it is dead
                raise
            self.is_cut = True  # an access may live shorter than a pre-flight
            line, read = _line(Preflight.Outcome.LATER, "The access ran out."), []
        self.lines[declared.name] = {**line, "calls": self.allowance.made - before}
        self.parents.remember(declared.name, read)

    def _looked(self, declared: EntityType) -> tuple[dict[str, Any], list[Entity]]:
        """Look, and once more with a new access; the call that was refused counts."""
        assert self.connector is not None
        self.parents.load(self.connection, self.connector, declared)
        try:
            return _look(self.connector, declared)
        except AccessTokenRefusedError:
            if self.renewed_at is not None:
                raise
            connector = self.open(refused=True)
            self.renewed_at = self.allowance.made
            return _look(connector, declared)


def _look(connector: Connector, declared: EntityType) -> tuple[dict[str, Any], list[Entity]]:
    """Read a few entities of the type; return the line about it and what was read."""
    read: list[Entity] = []
    rows: list[Row] = []
    skipped = ""
    has_had_its_calls = False
    outcome = Preflight.Outcome
    try:
        for entity in islice(connector.fetch_entities(declared.name, None), LOOKED_AT):
            row = prepare(connector, entity)
            if row.kind != "rest":
                read.append(entity)
                rows.append(row)
            elif row.position is not None and row.position.skipped:
                skipped = row.position.skipped
            if len(read) >= ENTITIES:
                break
    except EnoughError:
        has_had_its_calls = True
    except (RetryableError, MemoryError, *ACCESS):
        raise
    except UNREADABLE as exc:
        return _line(outcome.UNAVAILABLE, str(exc), rows), read
    except HubError as exc:
        return _line(outcome.FAILED, str(exc), rows), read
    except Exception as exc:  # a connector's mistake, or an answer it was not written for
        log.warning("pre-flight of a type failed", exc_info=True)
        return _line(outcome.FAILED, str(unknown(exc)), rows), read
    if rejected := [row for row in rows if row.kind == "rejected"]:
        return _line(outcome.REJECTED, rejected[0].reason, rows), read
    if not rows and skipped:
        return _line(outcome.UNAVAILABLE, f"Skipped: {skipped.replace('_', ' ')}."), read
    if not rows and has_had_its_calls:
        return _line(outcome.LATER, "No entity was among the first answers."), read
    return _line(outcome.OK if rows else outcome.EMPTY, "", rows), read


def _line(outcome: str, reason: str, rows: list[Row] | None = None) -> dict[str, Any]:
    found = rows or []
    return {
        "outcome": str(outcome),
        "read": len(found),
        "rejected": sum(row.kind == "rejected" for row in found),
        "calls": 0,
        "reason": reason[:REASON],
    }


def _wanted(connection: Connection) -> Preflight.Because | None:
    """Why a pre-flight is wanted; None if it is not. One query."""
    known = Preflight.objects.filter(connection=connection).first()
    if known is None:
        return None
    if known.wanted_because:
        return Preflight.Because(known.wanted_because)
    is_new = known.digest != digest_of(get_connector(connection.provider))
    return Preflight.Because.VERSION if is_new else None


@cache
def digest_of(connector: type[Connector]) -> str:
    """The version of a connector: a hash over the module that declares it."""
    source = inspect.getsource(inspect.getmodule(connector) or connector)
    return hashlib.blake2b(source.encode(), digest_size=16).hexdigest()
