"""Record types for selling and being paid."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from integrations.records.base import NormalizedRecord
from integrations.records.kinds import InvoiceLine
from integrations.types import Ref


@dataclass(frozen=True)
class Deal(NormalizedRecord):
    """A sale in the making; `status` is open, won, lost or abandoned."""

    record_type = "deal"
    required = ("name",)

    name: str
    amount: Decimal | None = None
    currency: str | None = None
    status: str | None = None
    stage: Ref | None = None
    pipeline: Ref | None = None
    probability: Decimal | None = None
    closes_on: date | None = None
    company: Ref | None = None
    person: Ref | None = None
    owner: Ref | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item(NormalizedRecord):
    """Something that is sold: a product or a service."""

    record_type = "item"
    required = ("name",)

    name: str
    sku: str | None = None
    description: str | None = None
    kind: str | None = None
    unit_price: Decimal | None = None
    currency: str | None = None
    is_active: bool = True


@dataclass(frozen=True)
class Invoice(NormalizedRecord):
    """`total` was asked for, `open_amount` is still owed; `status` as far as the provider says."""

    record_type = "invoice"

    number: str | None = None
    status: str | None = None
    issued_on: date | None = None
    due_on: date | None = None
    total: Decimal | None = None
    open_amount: Decimal | None = None
    currency: str | None = None
    customer: Ref | None = None
    lines: tuple[InvoiceLine, ...] = ()


@dataclass(frozen=True)
class Payment(NormalizedRecord):
    """Money received; `unapplied_amount` is not yet set against an invoice."""

    record_type = "payment"

    amount: Decimal | None = None
    currency: str | None = None
    status: str | None = None
    paid_on: date | None = None
    unapplied_amount: Decimal | None = None
    customer: Ref | None = None
    invoices: tuple[Ref, ...] = ()
