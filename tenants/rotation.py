"""Rotation: values sealed anew under new data keys, while work goes on.

Where a rotation stands is in the database alone, so after a kill it is simply started again:

1. `begin_rotation` gives every owner (each tenant, and the hub) a new current data key, in one
   transaction. From then on everything is sealed under it; the old ones still open.
2. `seal_anew` walks the owner's values in batches, each a transaction that holds the rows' locks,
   as a refresh does. A value that a refresh seals meanwhile is sealed under the new key by itself.
3. The old key is destroyed in a transaction that locks it, so waits for whoever still seals under
   it (`hold_current_key`), and then counts: it goes only when nothing names it.

As long as an owner has an old key its rotation is not finished, and no new one begins.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Q
from psycopg.errors import LockNotAvailable

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.crypto import EncryptionKeyError, SealBrokenError
from integrations.errors import (
    AlreadyRunningError,
    NotFoundRefusedError,
    RefusedError,
    TenantNotActiveError,
)
from tenants.actor import Actor
from tenants.context import OPEN_STATES, get_tenant_by_id, in_tenant
from tenants.keys import (
    HUB,
    audit_unreadable,
    hold_current_key,
    keys_of,
    new_key_for,
    reseal,
)
from tenants.models import DataKey, Tenant
from tenants.sealed_columns import SealedColumn, sealed_columns, values_by_key
from tenants.wrapping import BATCH_ROWS, Point, nowhere

LOCK_SECONDS = 30  # longer than a refresh holds its connection
WALKS = 5  # over all values of one owner; the first leaves out what is locked
ROTATION_LOCK = 7003  # class of the advisory lock that lets one rotation run at a time
PATIENCE_SECONDS = 5.0  # for the lock of a rotation that was killed a moment ago

# Called after each batch with how many values of the owner are done, and of how many.
Progress = Callable[[int, int], None]


@dataclass
class SealedAnew:
    """How far one owner's rotation came. It is finished when `in_use` is 0."""

    name: str
    done: int = 0
    in_use: int = 0  # values that still name an old key
    retired: int = 0
    broken: dict[str, str] = field(default_factory=dict)  # "table.field row" → why it did not open


def _nobody(done: int, total: int) -> None:
    return None


@contextmanager
def one_rotation_at_a_time() -> Iterator[None]:
    """Hold the lock that rotations share, on this connection, for the length of the block.

    Raises:
        AlreadyRunningError: another process rotates keys.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [ROTATION_LOCK])
            if cursor.fetchone()[0]:
                break
            if time.monotonic() > until:
                raise AlreadyRunningError("Keys are being rotated by another process.")
            time.sleep(0.1)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [ROTATION_LOCK])


def begin_rotation(*, actor: Actor, at: Point = nowhere) -> int:
    """Give every owner that has a data key a new one; return how many owners that are.

    0 if a rotation is not finished yet: that one goes on first.
    """
    if _owners(is_current=False):
        return 0
    # Wrapped before the transaction: a KMS takes its time.
    fresh = {owner: new_key_for(owner) for owner in _owners(is_current=True)}
    with transaction.atomic():
        still = _held_open_tenants()
        fresh = {owner: key for owner, key in fresh.items() if owner is None or owner in still}
        old = DataKey.objects.filter(is_current=True)
        old.filter(tenant_id__in=[each for each in fresh if each]).update(is_current=False)
        if None in fresh:
            old.filter(tenant=None).update(is_current=False)
        DataKey.objects.bulk_create(fresh.values(), batch_size=BATCH_ROWS)
        for owner, key in fresh.items():
            detail = {"data_key": str(key.pk)}
            record_event(AuditAction.KEYS_ROTATED, actor=actor, detail=detail, tenant_id=owner)
        at("before_new_keys")
    at("after_new_keys")
    return len(fresh)


def unfinished_owners() -> list[UUID | None]:
    """Whose rotation is not finished: ids of tenants, None for the hub."""
    return _owners(is_current=False)


def seal_anew(
    tenant_id: UUID | None,
    *,
    actor: Actor,
    size: int = BATCH_ROWS,
    at: Point = nowhere,
    progress: Progress = _nobody,
) -> SealedAnew:
    """Seal the owner's values under its current data key and destroy the old ones.

    What could not be done is in the answer; calling it again goes on there.
    """
    tenant = get_tenant_by_id(tenant_id) if tenant_id else None
    result = SealedAnew(name=tenant.slug if tenant else HUB)
    try:
        with _inside(tenant):
            total = _still_old(tenant_id)
            for number in range(WALKS):
                before = result.done
                for column in sealed_columns():
                    for done in _walk(column, tenant_id, result, actor, size, number, at):
                        result.done += done
                        progress(result.done, max(total, result.done))
                result.in_use = _retire_old(tenant_id, result, actor, at)
                is_stuck = number > 0 and result.done == before
                if not result.in_use or is_stuck:
                    break
    except TenantNotActiveError:
        pass  # it is being closed, which destroys its keys anyway
    return result


def retire_data_key(key_id: UUID, *, actor: Actor) -> None:
    """Destroy a data key that nothing needs any more.

    Raises:
        NotFoundRefusedError: there is no such key.
        RefusedError: it seals what is written now, or values are still sealed by it.
    """
    key = DataKey.objects.select_related("tenant").filter(pk=key_id).first()
    if key is None:
        raise NotFoundRefusedError(f"There is no data key {key_id}.")
    if key.is_current:
        raise RefusedError(
            f"{key_id} is the current data key of its owner; run rotate_keys --data-keys first."
        )
    owner = key.tenant.slug if key.tenant else HUB
    with _inside(key.tenant):
        if in_use := _retire(key, actor, nowhere):
            raise RefusedError(
                f"{in_use} values of {owner} are still sealed by {key_id};"
                " run rotate_keys --data-keys first."
            )


def values_to_be_sealed_anew(tenant_id: UUID | None) -> int:
    """How many values of the owner are not sealed by its current data key."""
    with _inside(get_tenant_by_id(tenant_id) if tenant_id else None):
        return _still_old(tenant_id)


def _owners(*, is_current: bool) -> list[UUID | None]:
    """Who has such a data key, without tenants that are being closed."""
    named = DataKey.objects.filter(is_current=is_current)
    named = named.filter(Q(tenant=None) | Q(tenant__state__in=OPEN_STATES))
    ids = named.order_by("tenant__number").values_list("tenant_id", flat=True)
    return list(dict.fromkeys(ids))


def _held_open_tenants() -> set[UUID]:
    """The tenants that are open, and stay it until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM public.tenants_tenant WHERE state = ANY(%s) ORDER BY id FOR SHARE",
            [[str(state) for state in OPEN_STATES]],
        )
        return {each for (each,) in cursor.fetchall()}


def _inside(tenant: Tenant | None) -> AbstractContextManager[Any]:
    """Enter the owner's schema; the hub's is public."""
    return in_tenant(tenant) if tenant else nullcontext()


def _still_old(tenant_id: UUID | None) -> int:
    current = keys_of(tenant_id).filter(is_current=True).values_list("pk", flat=True).first()
    return sum(count for key, count in values_by_key(tenant_id).items() if key != current)


def _walk(
    column: SealedColumn,
    tenant_id: UUID | None,
    result: SealedAnew,
    actor: Actor,
    size: int,
    number: int,
    at: Point,
) -> Iterator[int]:
    """Seal anew what names another key than the current one, and yield how much after each batch.

    The first walk passes over rows that somebody holds; the others wait for them, one by one.
    """
    limit = size if number == 0 else 1
    after: Any = None
    while True:
        try:
            with transaction.atomic():
                _wait_at_most()
                _hold_tenant(tenant_id)
                current = hold_current_key(tenant_id)
                rows = column.values(tenant_id).exclude(key_id=current.pk.bytes)
                rows = rows.only("pk", column.field).order_by("pk")
                rows = rows.filter(pk__gt=after) if after is not None else rows
                held = rows.select_for_update(skip_locked=number == 0, no_key=True)
                batch = list(held[:limit])
                sealed = _sealed_anew(batch, column, tenant_id, current, result, actor)
                if sealed:
                    column.model._base_manager.bulk_update(sealed, [column.field])
                    at("before_batch")
        except OperationalError as exc:
            if not isinstance(exc.__cause__, LockNotAvailable):
                raise
            return  # the next walk, or the next command, finds it again
        if sealed:
            at("after_batch")
            yield len(sealed)
        if len(batch) < limit:
            return
        after = batch[-1].pk


def _sealed_anew(
    batch: list[Any],
    column: SealedColumn,
    tenant_id: UUID | None,
    current: DataKey,
    result: SealedAnew,
    actor: Actor,
) -> list[Any]:
    """The rows of the batch that opened, with their values sealed under the current key."""
    keys = {key.pk: key for key in keys_of(tenant_id)} if batch else {}
    sealed = []
    for row in batch:
        try:
            reseal(row, column.field, keys=keys, under=current)
        except (SealBrokenError, EncryptionKeyError) as exc:
            place = f"{column} {row.pk}"
            if place not in result.broken:
                audit_unreadable(row, column.field, tenant_id=tenant_id, actor=actor)
            result.broken[place] = str(exc)
        else:
            sealed.append(row)
    return sealed


def _retire_old(tenant_id: UUID | None, result: SealedAnew, actor: Actor, at: Point) -> int:
    """Destroy the owner's old keys that nothing names; return how many values hold the others."""
    in_use = 0
    for key in keys_of(tenant_id).filter(is_current=False):
        left = _retire(key, actor, at)
        result.retired += not left
        in_use += left
    return in_use


def _retire(key: DataKey, actor: Actor, at: Point) -> int:
    """Destroy the key, or return how many values name it."""
    try:
        with transaction.atomic():
            _wait_at_most()
            # Waits for every transaction that seals under it; afterwards nobody begins to.
            if not keys_of(key.tenant_id).select_for_update().filter(pk=key.pk, is_current=False):
                return 0
            if in_use := values_by_key(key.tenant_id)[key.pk]:
                return in_use
            keys_of(key.tenant_id).filter(pk=key.pk).delete()
            record_event(
                AuditAction.KEY_RETIRED,
                actor=actor,
                detail={"data_key": str(key.pk)},
                tenant_id=key.tenant_id,
            )
            at("before_retired")
    except OperationalError as exc:
        if not isinstance(exc.__cause__, LockNotAvailable):
            raise
        return max(1, values_by_key(key.tenant_id)[key.pk])
    at("after_retired")
    return 0


def _wait_at_most() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")


def _hold_tenant(tenant_id: UUID | None) -> None:
    """Keep the tenant from being closed under this transaction.

    Raises:
        TenantNotActiveError: it is being closed already; its tables may be gone.
    """
    if tenant_id is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM public.tenants_tenant WHERE id = %s AND state = ANY(%s) FOR SHARE",
            [tenant_id, [str(state) for state in OPEN_STATES]],
        )
        if cursor.rowcount == 0:
            raise TenantNotActiveError("The tenant is being closed.")
