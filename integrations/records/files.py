"""Record types for what people keep."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from integrations.records.base import NormalizedRecord
from integrations.types import Ref


@dataclass(frozen=True)
class Document(NormalizedRecord):
    """A document with a life of its own: sent, viewed, signed."""

    record_type = "document"
    required = ("name",)

    name: str
    status: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    template: Ref | None = None
    owner: Ref | None = None
    recipients: tuple[str, ...] = ()
    sent_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    url: str | None = None


@dataclass(frozen=True)
class Template(NormalizedRecord):
    """What documents are made from."""

    record_type = "template"
    required = ("name",)

    name: str
    folder: Ref | None = None
    is_active: bool = True


@dataclass(frozen=True)
class Folder(NormalizedRecord):
    """A place that holds other things."""

    record_type = "folder"
    required = ("name",)

    name: str
    parent: Ref | None = None
    kind: str | None = None
    item_count: int | None = None


@dataclass(frozen=True)
class File(NormalizedRecord):
    """Content somewhere at the provider; the hub keeps what is known about it, not the bytes."""

    record_type = "file"
    required = ("name",)

    name: str
    mime_type: str | None = None
    size_bytes: int | None = None
    folder: Ref | None = None
    owner: Ref | None = None
    attached_to: Ref | None = None
    url: str | None = None


@dataclass(frozen=True)
class Row(NormalizedRecord):
    """A row of a table the tenant designed; its cells stay in `raw` until a route maps them."""

    record_type = "row"

    title: str | None = None
    table: Ref | None = None
    url: str | None = None


@dataclass(frozen=True)
class Option(NormalizedRecord):
    """One choice of a reference list: a stage, a pipeline, a label, a custom field."""

    record_type = "option"
    required = ("name",)

    name: str
    kind: str = ""
    parent: Ref | None = None
    rank: int | None = None
    is_active: bool = True
