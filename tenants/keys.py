"""Sealing a row's secrets with its tenant's data key, and opening them, which is audited."""

from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import models
from django.db.models import QuerySet

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_now
from hub.crypto import (
    Binding,
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


def create_data_key(tenant: Tenant | None) -> DataKey:
    """Make the key that seals the tenant's secrets (or, without tenant, the hub's own)."""
    wrapped = wrap(new_data_key(), keys=wrapping_keys(), owner=_owner(tenant and tenant.pk))
    return DataKey.objects.create(id=uuid7(), tenant=tenant, wrapped=wrapped)


def wrapping_keys() -> list[WrappingKey]:
    return [WrappingKey.parse(text) for text in settings.HUB_ENCRYPTION_KEYS]


def seal_for(
    row: models.Model, field: str, value: dict[str, Any], *, tenant_id: UUID | None
) -> Sealed:
    """Return `value` sealed for this field of this row; assign it to the field and save."""
    key = _current_key(tenant_id)
    binding = _binding(row, field, tenant_id)
    sealed = seal(orjson.dumps(value), key=_unwrapped(key), key_id=key.pk, binding=binding)
    return Sealed(sealed)


def open_for(
    row: models.Model, field: str, *, tenant_id: UUID | None, actor: Actor, reason: str
) -> dict[str, Any]:
    """Return what was sealed in this field, and audit that `actor` read it for `reason`.

    Raises:
        SealBrokenError: the value was sealed for another place, or changed. This is audited too.
    """
    sealed: Sealed = getattr(row, field)
    try:
        key = _keys_of(tenant_id).filter(pk=key_id_of(sealed)).first()
        if key is None:
            raise SealBrokenError("A sealed value names a key that its tenant does not have.")
        plain = open_sealed(sealed, key=_unwrapped(key), binding=_binding(row, field, tenant_id))
    except SealBrokenError:
        record_now(
            AuditAction.CREDENTIALS_UNREADABLE,
            actor=actor,
            outcome=Outcome.FAILED,
            target=row,
            tenant_id=tenant_id,
        )
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


def _current_key(tenant_id: UUID | None) -> DataKey:
    key = _keys_of(tenant_id).first()
    if key is None and tenant_id is None:
        key = create_data_key(None)
    if key is None:
        raise SealBrokenError("The tenant has no data key: it is closed, or was never created.")
    return key


def _keys_of(tenant_id: UUID | None) -> QuerySet[DataKey]:
    if tenant_id is None:
        return DataKey.objects.filter(tenant=None)
    return DataKey.objects.filter(tenant_id=tenant_id)


def _unwrapped(key: DataKey) -> bytes:
    return _unwrap_cached(bytes(key.wrapped), _owner(key.tenant_id), tuple(wrapping_keys()))


@lru_cache(maxsize=1024)
def _unwrap_cached(wrapped: bytes, owner: str, keys: tuple[WrappingKey, ...]) -> bytes:
    return unwrap(wrapped, keys=list(keys), owner=owner)


def _owner(tenant_id: UUID | None) -> str:
    return str(tenant_id) if tenant_id else HUB


def _binding(row: models.Model, field: str, tenant_id: UUID | None) -> Binding:
    return Binding(tenant=_owner(tenant_id), table=row._meta.db_table, row=str(row.pk), field=field)
