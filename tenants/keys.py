"""Sealing a row's secrets with its tenant's data key, and opening them, which is audited.

A tenant may have several data keys while they are rotated (see tenants.rotation): the current one
seals, all of them open.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import IntegrityError, connection, models, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError
from django.utils.module_loading import import_string

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_now
from hub.crypto import (
    Binding,
    EncryptionKeyError,
    KeyWrapper,
    PlainKey,
    SealBrokenError,
    WrappingKey,
    key_id_of,
    new_data_key,
    open_sealed,
    seal,
    unwrap,
    wrap,
)
from hub.fields import Sealed, uuid7
from tenants.actor import Actor
from tenants.models import DataKey, Tenant

HUB = "hub"  # the owner of what belongs to no tenant
SHORT_ID = re.compile(r"[0-9a-f]{8}")
UNWRAPPED_AT_MOST = 1024  # data keys kept in memory, so that a KMS is not asked for every value


def create_data_key(tenant: Tenant | None) -> DataKey:
    """Make the key that seals the tenant's secrets (or, without tenant, the hub's own)."""
    key = new_key_for(tenant and tenant.pk)
    key.save(force_insert=True)
    return key


def new_key_for(tenant_id: UUID | None) -> DataKey:
    """Return a new current data key, wrapped but not saved."""
    wrapped = wrap(new_data_key(), keys=wrapping_keys(), owner=owner_of(tenant_id))
    return DataKey(id=uuid7(), tenant_id=tenant_id, wrapped=wrapped)


def wrapping_keys() -> list[KeyWrapper]:
    """Return the keys that wrap data keys: those of HUB_KMS, then those of the environment.

    The first wraps, all unwrap.

    Raises:
        EncryptionKeyError: one of them is not usable.
    """
    kms = _kms(settings.HUB_KMS, orjson.dumps(settings.HUB_KMS_OPTIONS)) if settings.HUB_KMS else ()
    return [*kms, *(WrappingKey.parse(text) for text in settings.HUB_ENCRYPTION_KEYS)]


def seal_for(
    row: models.Model, field: str, value: dict[str, Any], *, tenant_id: UUID | None
) -> Sealed:
    """Return `value` sealed for this field of this row; assign it to the field and save.

    Both in one transaction: until it ends, the key that the value names is not retired.
    """
    key = hold_current_key(tenant_id)
    return _sealed(row, field, orjson.dumps(value), key)


def open_for(
    row: models.Model, field: str, *, tenant_id: UUID | None, actor: Actor, reason: str
) -> dict[str, Any]:
    """Return what was sealed in this field, and audit that `actor` read it for `reason`.

    Raises:
        SealBrokenError: the value was sealed for another place, or changed.
        EncryptionKeyError: the key that wraps the tenant's data key is missing.
            Both are audited too.
    """
    try:
        plain = _opened(row, field, tenant_id)
    except (SealBrokenError, EncryptionKeyError):
        audit_unreadable(row, field, tenant_id=tenant_id, actor=actor)
        raise
    record_now(
        AuditAction.CREDENTIALS_READ,
        actor=actor,
        target=row,
        detail={"reason": reason},
        tenant_id=tenant_id,
    )
    opened: dict[str, Any] = orjson.loads(plain)
    return opened


def reseal(row: models.Model, field: str, *, keys: Mapping[UUID, DataKey], under: DataKey) -> None:
    """Put the field's value, sealed under another data key, in its place; the row is not saved.

    `keys` are all keys of the owner by id. Nobody gets to see the value, so it is not audited.

    Raises:
        SealBrokenError: the value was sealed for another place, or changed.
        EncryptionKeyError: the key that wraps one of the data keys is missing.
    """
    sealed: Sealed = getattr(row, field)
    key = keys.get(key_id_of(sealed))
    if key is None:
        raise SealBrokenError("A sealed value names a key that its owner does not have.")
    binding = _binding(row, field, key.tenant_id)
    plain = open_sealed(sealed, key=_unwrapped(key), binding=binding)
    setattr(row, field, _sealed(row, field, plain, under))


def audit_unreadable(
    row: models.Model, field: str, *, tenant_id: UUID | None, actor: Actor
) -> None:
    """Write for good that a sealed value did not open."""
    record_now(
        AuditAction.CREDENTIALS_UNREADABLE,
        actor=actor,
        outcome=Outcome.FAILED,
        target=row,
        detail={"field": field},
        tenant_id=tenant_id,
    )


def hold_current_key(tenant_id: UUID | None) -> DataKey:
    """Return the data key that seals now; it is not retired before this transaction ends.

    Raises:
        SealBrokenError: the tenant has none, because it is closed.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("Seal in the transaction that also saves the value.")
    # Twice: a key that ceases to be current while we wait for it is left out, and its successor
    # is visible only to a new statement.
    for _ in range(2):
        if held := _locked_current_key(tenant_id):
            return held
    if tenant_id is not None:
        raise SealBrokenError("The tenant has no data key: it is closed, or was never created.")
    try:
        with transaction.atomic():
            return create_data_key(None)
    except IntegrityError:  # somebody else sealed the hub's first secret at the same moment
        return DataKey.objects.get(tenant=None, is_current=True)


def keys_of(tenant_id: UUID | None) -> QuerySet[DataKey]:
    if tenant_id is None:
        return DataKey.objects.filter(tenant=None)
    return DataKey.objects.filter(tenant_id=tenant_id)


def owner_of(tenant_id: UUID | None) -> str:
    return str(tenant_id) if tenant_id else HUB


def _locked_current_key(tenant_id: UUID | None) -> DataKey | None:
    """FOR KEY SHARE hinders nobody but whoever retires the key."""
    belongs = "tenant_id IS NULL" if tenant_id is None else "tenant_id = %s"
    found = DataKey.objects.raw(
        f"SELECT * FROM public.tenants_datakey WHERE is_current AND {belongs} FOR KEY SHARE",
        [] if tenant_id is None else [tenant_id],
    )
    return next(iter(found), None)


def _opened(row: models.Model, field: str, tenant_id: UUID | None) -> bytes:
    sealed: Sealed | None = getattr(row, field)
    key = _key_named_by(sealed, tenant_id)
    if key is None and keys_of(tenant_id).exists():
        # Perhaps it was sealed anew since the row was read, and the key it named was retired.
        sealed = type(row)._base_manager.filter(pk=row.pk).values_list(field, flat=True).first()
        key = _key_named_by(sealed, tenant_id)
    if sealed is None or key is None:
        raise SealBrokenError("A sealed value names a key that its tenant does not have.")
    return open_sealed(sealed, key=_unwrapped(key), binding=_binding(row, field, tenant_id))


def _key_named_by(sealed: Sealed | None, tenant_id: UUID | None) -> DataKey | None:
    if sealed is None:
        return None
    return keys_of(tenant_id).filter(pk=key_id_of(sealed)).first()


def _sealed(row: models.Model, field: str, plain: bytes, key: DataKey) -> Sealed:
    binding = _binding(row, field, key.tenant_id)
    return Sealed(seal(plain, key=_unwrapped(key), key_id=key.pk, binding=binding))


def _unwrapped(key: DataKey) -> PlainKey:
    ids = tuple(each.id for each in wrapping_keys())
    return _unwrap_cached(bytes(key.wrapped), owner_of(key.tenant_id), ids)


@lru_cache(maxsize=UNWRAPPED_AT_MOST)
def _unwrap_cached(wrapped: bytes, owner: str, ids: tuple[str, ...]) -> PlainKey:
    """`ids` name the wrapping keys there are: without the right one nothing opens from memory."""
    return unwrap(wrapped, keys=wrapping_keys(), owner=owner)


@lru_cache(maxsize=4)
def _kms(path: str, options: bytes) -> tuple[KeyWrapper, ...]:
    """Call what HUB_KMS names, once per process: it may hold sessions."""
    try:
        make = import_string(path)
    except ImportError as exc:
        raise EncryptionKeyError(
            f"HUB_KMS names {path!r}, which cannot be imported; write it as package.module.name."
        ) from exc
    try:
        made: tuple[KeyWrapper, ...] = tuple(make(**orjson.loads(options)))
    except TypeError as exc:
        raise EncryptionKeyError(f"HUB_KMS_OPTIONS do not fit {path!r}.") from exc
    if not made or not all(SHORT_ID.fullmatch(each.id) for each in made):
        raise EncryptionKeyError(
            f"HUB_KMS names {path!r}, which makes no keys with ids of eight hex digits."
        )
    return made


def _binding(row: models.Model, field: str, tenant_id: UUID | None) -> Binding:
    return Binding(
        tenant=owner_of(tenant_id), table=row._meta.db_table, row=str(row.pk), field=field
    )
