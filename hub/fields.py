"""Model fields used by every app: keys ordered by time, and columns that hold sealed values."""

import uuid
from typing import Any, NoReturn

from django.db import models
from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> uuid.UUID:
    """Return a new id that sorts by the time it was made."""
    return _uuid7()


class UUID7Field(models.UUIDField):  # type: ignore[type-arg]
    """The primary key of everything that people address."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("primary_key", True)
        kwargs.setdefault("default", uuid7)
        kwargs.setdefault("editable", False)
        super().__init__(**kwargs)


class Sealed(bytes):
    """A sealed value as stored. It shows nothing of itself; `tenants.keys` opens it."""

    def __repr__(self) -> str:
        return "<sealed>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "<sealed>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A sealed value is not pickled: it would end in a queue or a cache.")


class EncryptedField(models.BinaryField):  # type: ignore[type-arg]
    """A column of sealed values. Reading gives `Sealed`; writing anything else is refused."""

    def from_db_value(self, value: Any, *_: Any) -> Sealed | None:
        return None if value is None else Sealed(value)

    def get_prep_value(self, value: Any) -> Any:
        if value is not None and not isinstance(value, Sealed):
            raise TypeError(f"{self.model.__name__}.{self.name} takes only sealed values.")
        return super().get_prep_value(value)
