"""Every column of sealed values there is, found through the app registry.

A new EncryptedField is rotated without anybody naming it: in a tenant's app as it is; in a shared
app its model must say whose value it holds, by a foreign key `tenant` that is null for the hub's.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import BinaryField, Count, Func, Model
from django.db.models.query import QuerySet

from hub.fields import EncryptedField


@dataclass(frozen=True)
class SealedColumn:
    model: type[Model]
    field: str
    is_in_tenant: bool  # its table lies in each tenant's schema

    def __str__(self) -> str:
        return f"{self.model._meta.db_table}.{self.field}"

    def values(self, tenant_id: UUID | None) -> QuerySet[Any]:
        """The owner's rows that hold a value, each with `key_id`: 16 bytes that name its key.

        A tenant's own tables are meant as they lie in the schema that is entered.
        """
        rows = self.model._base_manager.filter(**{f"{self.field}__isnull": False})
        if self.is_in_tenant:
            rows = rows if tenant_id else rows.none()
        else:
            rows = rows.filter(tenant_id=tenant_id)
        named: QuerySet[Any] = rows.annotate(key_id=bytes_of(self.field, first=2, count=16))
        return named


def bytes_of(field: str, *, first: int, count: int) -> Func:
    """The database's part of a binary column, counted from 1."""
    return Func(
        field,
        template=f"substring(%(expressions)s from {first} for {count})",
        output_field=BinaryField(),
    )


def sealed_columns() -> Iterator[SealedColumn]:
    for model in apps.get_models():
        is_in_tenant = apps.get_app_config(model._meta.app_label).name in settings.TENANT_APPS
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedField):
                if not is_in_tenant and not hasattr(model, "tenant_id"):
                    raise ImproperlyConfigured(
                        f"{model._meta.label}.{field.name} is sealed, but its model has no tenant."
                    )
                yield SealedColumn(model, field.name, is_in_tenant)


def values_by_key(tenant_id: UUID | None) -> Counter[UUID]:
    """How many values of the owner each data key seals; a tenant's schema must be entered."""
    counted: Counter[UUID] = Counter()
    for column in sealed_columns():
        groups = column.values(tenant_id).order_by().values("key_id").annotate(count=Count("*"))
        for group in groups:
            if len(key_id := bytes(group["key_id"])) == 16:
                counted[UUID(bytes=key_id)] += group["count"]
    return counted
