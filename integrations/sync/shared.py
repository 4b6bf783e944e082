"""Breakers and budgets of all processes: kept in PostgreSQL, or in Redis with REDIS_URL.

Each process has one connection of its own for them, outside the transactions of the work, so that
what was spent stays spent whatever is rolled back. A breaker's change of state is audited with it,
and a pause of a budget that a person begins or ends.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg
from django.conf import settings
from django.db import Error, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from hub.audit.models import AuditAction
from hub.audit.record import record_on
from hub.fleet.limits import Circuit as CircuitRow
from hub.fleet.limits import RateBudget, row_id
from integrations.errors import HubUnavailableError
from integrations.resilience.budget import Budget
from integrations.resilience.circuit import Circuit
from integrations.resilience.redis_store import RedisStore
from integrations.resilience.store import Change, Document, Documents, Store, Subject
from tenants.actor import Actor

ENGINE: Final = Actor.system("engine")
AWAY_SECONDS: Final = 5.0  # the store does not answer: nobody calls for so long
SHOWN_EVERY_SECONDS: Final = 5.0  # of a budget in Redis, what operations see in PostgreSQL

_LOCK = "SELECT pg_advisory_xact_lock(7002, hashtext(name)) FROM unnest(%s::text[]) AS name"
# The read must see what whoever held the lock has written, so it is a statement of its own.
_LOCK_AND_READ = f"""
{_LOCK};
SELECT '', to_jsonb(extract(epoch FROM clock_timestamp()))::text
UNION ALL SELECT name, document::text FROM public.fleet_circuit WHERE name = ANY(%s)
UNION ALL SELECT name, document::text FROM public.fleet_ratebudget WHERE name = ANY(%s)
"""
_KEEP_CIRCUIT = """
INSERT INTO public.fleet_circuit (id, name, scope, provider, owner, tenant_id, state, failures,
    is_tripped, reason, changed_at, retry_at, document, updated_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, to_timestamp(%s), to_timestamp(%s), %s::jsonb,
    now())
ON CONFLICT (name) DO UPDATE SET state = excluded.state, failures = excluded.failures,
    is_tripped = excluded.is_tripped, reason = excluded.reason, changed_at = excluded.changed_at,
    retry_at = excluded.retry_at, document = excluded.document, updated_at = now()
"""
_KEEP_BUDGET = """
INSERT INTO public.fleet_ratebudget (id, name, kind, scope, provider, owner, tenant_id, path,
    requests, per_seconds, concurrent, document, updated_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, now())
ON CONFLICT (name) DO UPDATE SET document = excluded.document, updated_at = now()
"""
_ACTIONS = {
    "open": AuditAction.CIRCUIT_OPENED,
    "half_open": AuditAction.CIRCUIT_TRIED,
    "closed": AuditAction.CIRCUIT_CLOSED,
}


class OwnConnection:
    """This process's connection for what is shared; one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pid = 0
        self._connection: BaseDatabaseWrapper | None = None

    @contextmanager
    def transaction(self, opening: str = "", values: Sequence[Any] = ()) -> Iterator[Any]:
        """A cursor in a transaction of its own, with the last result of `opening` at hand.

        Statements are joined by semicolons wherever they need no answer in between: each is a way
        to the server and back while others wait for the lock.

        Raises:
            OperationalError: the server is away; the next call connects anew.
        """
        with self._lock:
            try:
                with self._begun(f"BEGIN; {opening}", values) as cursor:
                    yield cursor
                    if self._is_in_transaction:
                        cursor.execute("COMMIT")
            except (Error, psycopg.Error) as exc:
                self.close()
                raise OperationalError("The connection for what is shared was lost.") from exc
            except BaseException:
                self.close()  # which rolls back
                raise

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @property
    def _is_in_transaction(self) -> bool:
        assert self._connection is not None
        status = self._connection.connection.info.transaction_status
        return bool(status != psycopg.pq.TransactionStatus.IDLE)

    def _begun(self, opening: str, values: Sequence[Any]) -> Any:
        """A cursor after `opening`; a connection that was cut meanwhile is opened anew."""
        cursor = self._opened().cursor()
        try:
            cursor.execute(opening, values)
        except Error:
            self.close()
            cursor = self._opened().cursor()
            cursor.execute(opening, values)
        while cursor.nextset():
            continue
        return cursor

    def _opened(self) -> BaseDatabaseWrapper:
        if self._pid != os.getpid():  # a fork shares the socket; it is the parent's
            self._connection, self._pid = None, os.getpid()
        if self._connection is not None and self._connection.connection.closed:
            self._connection = None
        if self._connection is None:
            self._connection = connections.create_connection("default")
            self._connection.inc_thread_sharing()
            self._connection.connect()
            with self._connection.cursor() as cursor:
                # The last second of tokens and breakers may be lost with the server.
                cursor.execute("SET synchronous_commit = off")
        return self._connection


SHARED: Final = OwnConnection()


class PostgresStore:
    """Documents as rows that operations see; advisory locks make a change one step."""

    def __init__(self, connection: OwnConnection = SHARED, *, actor: Actor = ENGINE) -> None:
        self._connection = connection
        self._actor = actor

    def change(self, subjects: Sequence[Subject], change: Change) -> Documents:
        """See `Store.change`.

        Raises:
            HubUnavailableError: the database does not answer.
        """
        by_name = {subject.name: subject for subject in subjects}
        names = sorted(by_name)
        try:
            with self._connection.transaction(_LOCK_AND_READ, [names] * 3) as cursor:
                found = {name: orjson.loads(text) for name, text in cursor.fetchall()}
                now = float(found.pop(""))
                before: dict[str, Document | None] = {name: found.get(name) for name in names}
                changed = change(before, now)
                for name, document in changed.items():
                    audit(cursor, by_name[name], before[name], document, self._actor)
                keep(cursor, {by_name[name]: kept for name, kept in changed.items()})
        except OperationalError as exc:
            raise HubUnavailableError("The hub's limits cannot be read.", AWAY_SECONDS) from exc
        return {**before, **changed}


class ShownRedisStore:
    """Documents in Redis; what operations see of them follows in PostgreSQL."""

    def __init__(self, redis: RedisStore, connection: OwnConnection, *, actor: Actor) -> None:
        self._redis = redis
        self._connection = connection
        self._actor = actor

    def change(self, subjects: Sequence[Subject], change: Change) -> Documents:
        """See `Store.change`. Raises RetryableError if Redis or PostgreSQL does not answer."""
        by_name = {subject.name: subject for subject in subjects}
        before, changed = self._redis.change_seen(sorted(by_name), change)
        shown = {
            name: document
            for name, document in changed.items()
            if by_name[name].kind == "circuit" or self._actor != ENGINE or _is_time(name)
        }
        if shown:
            try:
                with self._connection.transaction(_LOCK, [sorted(shown)]) as cursor:
                    for name, document in shown.items():
                        audit(cursor, by_name[name], before[name], document, self._actor)
                    # Another process may have gone on and shown it: never show less than it did.
                    newest = self._redis.read(sorted(shown))
                    keep(cursor, {by_name[name]: kept for name, kept in newest.items() if kept})
            except OperationalError as exc:
                said = "The hub's limits cannot be shown."
                raise HubUnavailableError(said, AWAY_SECONDS) from exc
        return {**before, **changed}


def store_of_settings(*, actor: Actor = ENGINE) -> Store:
    """The store this installation shares; what changes a breaker's state is audited as `actor`."""
    if settings.REDIS_URL:
        return ShownRedisStore(_redis(), SHARED, actor=actor)
    return PostgresStore(actor=actor)


def forget_limits(tenant_id: UUID) -> None:
    """The tenant's own breakers and budgets are gone, also what a person holds open.

    Raises:
        HubUnavailableError: Redis does not answer; safe to call again.
    """
    rows = [model.objects.filter(tenant_id=tenant_id) for model in (CircuitRow, RateBudget)]
    names = [name for kept in rows for name in kept.values_list("name", flat=True)]
    if names and settings.REDIS_URL:
        _redis().forget(names)
    for kept in rows:
        kept.delete()


def keep(cursor: Any, documents: Mapping[Subject, Document]) -> None:
    """Write the rows of the subjects and commit, in one go."""
    statements, values = ["COMMIT"], list[Any]()
    for subject, document in documents.items():
        is_circuit = subject.kind == "circuit"
        row = _circuit_row(subject, document) if is_circuit else _budget_row(subject, document)
        statements.insert(-1, _KEEP_CIRCUIT if is_circuit else _KEEP_BUDGET)
        values += row
    cursor.execute(";".join(statements), values)


def _circuit_row(subject: Subject, document: Document) -> list[Any]:
    circuit = Circuit.of_document(document)
    return [
        row_id(subject.name),
        subject.name,
        subject.scope,
        subject.provider,
        subject.owner,
        subject.tenant_id or None,
        circuit.state,
        circuit.failures,
        circuit.is_tripped,
        circuit.reason[:300],
        circuit.since or None,
        circuit.retry_at or None,
        orjson.dumps(document).decode(),
    ]


def _budget_row(subject: Subject, document: Document) -> list[Any]:
    limit = subject.limit
    assert limit is not None
    return [
        row_id(subject.name),
        subject.name,
        subject.kind,
        subject.scope,
        subject.provider,
        subject.owner,
        subject.tenant_id or None,
        limit.path,
        limit.requests,
        limit.per_seconds,
        limit.concurrent,
        orjson.dumps(document).decode(),
    ]


def audit(
    cursor: Any, subject: Subject, before: Document | None, after: Document, actor: Actor
) -> None:
    """Write that a breaker changed its state, in the transaction in which it did.

    Of budgets only what a person did: providers ask for pauses all the time.
    """
    said: tuple[AuditAction, dict[str, Any]] | None
    if subject.kind == "circuit":
        said = _circuit_said(before, after)
    else:
        said = _pause_said(before, after) if actor != ENGINE else None
    if said is None:
        return
    action, detail = said
    row = CircuitRow if subject.kind == "circuit" else RateBudget
    target = row(
        id=row_id(subject.name),
        scope=subject.scope,
        provider=subject.provider,
        owner=subject.owner,
    )
    record_on(
        cursor.db,
        action,
        actor=actor,
        target=target,
        tenant_id=UUID(subject.tenant_id) if subject.tenant_id else None,
        detail={"provider": subject.provider, **detail},
    )


def _circuit_said(
    before: Document | None, after: Document
) -> tuple[AuditAction, dict[str, Any]] | None:
    was, now_is = Circuit.of_document(before), Circuit.of_document(after)
    if (was.state, was.is_tripped) == (now_is.state, now_is.is_tripped):
        return None
    return _ACTIONS[now_is.state], {
        "failures": now_is.failures or was.failures,
        "reason": now_is.reason or was.reason,
        "at": datetime.fromtimestamp(now_is.since, UTC).isoformat(timespec="seconds"),
    }


def _pause_said(
    before: Document | None, after: Document
) -> tuple[AuditAction, dict[str, Any]] | None:
    was, now_is = Budget.of_document(before).paused_until, Budget.of_document(after).paused_until
    if was == now_is:
        return None
    return AuditAction.BUDGET_PAUSED if now_is else AuditAction.BUDGET_RESUMED, {
        "until": datetime.fromtimestamp(now_is or was, UTC).isoformat(timespec="seconds"),
    }


_shown_at: dict[str, float] = {}
_redis_stores: dict[tuple[int, str], RedisStore] = {}


def _is_time(name: str) -> bool:
    """Whether a budget has not been shown for a while."""
    now = monotonic()
    if now - _shown_at.get(name, -SHOWN_EVERY_SECONDS) < SHOWN_EVERY_SECONDS:
        return False
    if len(_shown_at) > 10_000:
        _shown_at.clear()
    _shown_at[name] = now
    return True


def _redis() -> RedisStore:
    """One client per process: a fork shares its parent's sockets."""
    here = (os.getpid(), settings.REDIS_URL)
    if here not in _redis_stores:
        _redis_stores.clear()
        _redis_stores[here] = RedisStore(settings.REDIS_URL)
    return _redis_stores[here]
