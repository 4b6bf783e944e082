"""Wrapping data keys anew with another wrapping key, and giving a wrapping key up.

How a wrapping key is replaced, each step everywhere before the next: add the new key at the end of
HUB_ENCRYPTION_KEYS, so that all can unwrap with it; move it to the front, so that it wraps; run
`rotate_keys`; let `rotate_keys --retire` say that nothing needs the old one; take it out.
"""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.crypto import EncryptionKeyError, SealBrokenError, unwrap, wrap, wrapping_key_id
from integrations.errors import NotFoundRefusedError, RefusedError
from tenants.actor import Actor
from tenants.keys import owner_of, wrapping_keys
from tenants.models import DataKey
from tenants.sealed_columns import bytes_of

BATCH_ROWS = 200

# Called at each named point: "before_batch" just before a commit, "after_batch" just after.
Point = Callable[[str], None]


def nowhere(point: str) -> None:
    return None


def wrap_anew(*, actor: Actor, size: int = BATCH_ROWS, at: Point = nowhere) -> int:
    """Wrap every data key with the first wrapping key; return how many were wrapped otherwise.

    Raises:
        EncryptionKeyError: a key that wrapped one of them is missing. The others are done.
    """
    done = 0
    shut: list[Exception] = []
    after: UUID | None = None
    while True:
        seen, wrapped, after = _wrap_batch(after, size, actor, shut, at)
        if not seen:
            break
        done += wrapped
    if shut:
        raise shut[0]
    return done


def retire_wrapping_key(key_id: str, *, actor: Actor) -> None:
    """Say for the audit that a wrapping key is needed no more: it may leave the configuration.

    Raises:
        NotFoundRefusedError: there is no such key.
        RefusedError: it wraps new data keys, or data keys are still wrapped by it.
    """
    keys = [each.id for each in wrapping_keys()]
    if keys and key_id == keys[0]:
        raise RefusedError(f"{key_id} is the first wrapping key; put another one before it.")
    if in_use := data_keys_by_wrapping_key()[key_id]:
        raise RefusedError(f"{in_use} data keys still need {key_id}; run rotate_keys first.")
    if key_id not in keys:
        raise NotFoundRefusedError(f"There is no wrapping key {key_id}.")
    with transaction.atomic():
        record_event(AuditAction.KEY_RETIRED, actor=actor, detail={"wrapping_key": key_id})


def data_keys_by_wrapping_key() -> Counter[str]:
    """How many data keys each wrapping key wraps, whether it is still configured or not."""
    return Counter(
        wrapping_key_id(bytes(wrapped))
        for wrapped in DataKey.objects.values_list("wrapped", flat=True).iterator()
    )


def _wrap_batch(
    after: UUID | None, size: int, actor: Actor, shut: list[Exception], at: Point
) -> tuple[int, int, UUID | None]:
    """Return how many data keys were looked at, how many wrapped anew, and the last one's id."""
    keys = wrapping_keys()
    rows = DataKey.objects.annotate(wrapped_by=bytes_of("wrapped", first=2, count=4))
    rows = rows.exclude(wrapped_by=bytes.fromhex(keys[0].id)).order_by("pk")
    wrapped = []
    with transaction.atomic():
        rows = rows.filter(pk__gt=after) if after else rows
        batch = list(rows.select_for_update(no_key=True)[:size])
        for key in batch:
            owner = owner_of(key.tenant_id)
            try:
                plain = unwrap(bytes(key.wrapped), keys=keys, owner=owner)
            except (EncryptionKeyError, SealBrokenError) as exc:
                shut.append(exc)
            else:
                key.wrapped = wrap(plain, keys=keys, owner=owner)
                wrapped.append(key)
        if wrapped:
            DataKey.objects.bulk_update(wrapped, ["wrapped"])
            detail = {"wrapping_key": keys[0].id, "data_keys": len(wrapped)}
            record_event(AuditAction.KEYS_ROTATED, actor=actor, detail=detail)
        at("before_wrapped")
    at("after_wrapped")
    return len(batch), len(wrapped), batch[-1].pk if batch else None
