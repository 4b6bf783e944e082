"""Stripe's objects as records, one per entity type."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from integrations.connectors.stripe import StripeConnector
from integrations.records import (
    Address,
    Company,
    Invoice,
    InvoiceLine,
    Item,
    NormalizedRecord,
    Payment,
    Person,
)
from integrations.types import Entity, Ref

CUSTOMER: dict[str, Any] = {
    "id": "cus_Q1",
    "object": "customer",
    "name": "Ida Petersen",
    "email": "ida@kunde.example",
    "phone": "+49 40 555",
    "address": {"line1": "Allee 1", "city": "Berlin", "postal_code": "10115", "country": "DE"},
}
INVOICE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "number": "F-0042",
    "status": "open",
    "customer": "cus_Q1",
    "currency": "eur",
    "total": 11900,
    "amount_due": 11900,
    "amount_remaining": 4900,
    "created": 1763539200,
    "due_date": 1764748800,
    "status_transitions": {"finalized_at": 1763625600, "paid_at": None},
    "lines": {
        "data": [
            {
                "id": "il_1",
                "amount": 11900,
                "description": "Pro plan",
                "quantity": 2,
                "pricing": {
                    "price_details": {"price": "price_1", "product": "prod_1"},
                    "unit_amount_decimal": "5950",
                },
            }
        ],
        "has_more": False,
    },
}


def record(entity_type: str, payload: dict[str, Any]) -> NormalizedRecord:
    return StripeConnector(None).transform(Entity(entity_type, payload["id"], payload))


def test_a_product_is_an_item() -> None:
    product = {"id": "prod_1", "name": "Pro plan", "type": "service", "active": False}

    assert record("products", product) == Item(name="Pro plan", kind="service", is_active=False)


def test_a_customer_is_a_person_with_an_address() -> None:
    assert record("customers", CUSTOMER) == Person(
        name="Ida Petersen",
        emails=("ida@kunde.example",),
        phones=("+49 40 555",),
        role="customer",
        address=Address("Allee 1", "Berlin", None, "10115", "DE"),
    )


def test_a_customer_with_a_business_name_is_a_company() -> None:
    company = record("customers", {**CUSTOMER, "business_name": "Kunde AG", "address": None})

    assert company == Company(
        name="Kunde AG",
        emails=("ida@kunde.example",),
        phones=("+49 40 555",),
        role="customer",
    )


def test_a_customer_without_any_name_goes_by_mail_or_else_by_id() -> None:
    nameless = {**CUSTOMER, "name": None, "address": dict.fromkeys(("line1", "city"))}

    by_mail = record("customers", nameless)
    by_id = record("customers", {**nameless, "email": None, "phone": None})

    assert by_mail.to_data()["name"] == "ida@kunde.example"
    assert by_id == Person(name="cus_Q1", role="customer")


def test_an_invoice_counts_cents_and_begins_when_it_is_final() -> None:
    line = InvoiceLine(
        "Pro plan", Decimal("119.00"), Decimal(2), Decimal("59.50"), Ref("products", "prod_1")
    )

    assert record("invoices", INVOICE) == Invoice(
        number="F-0042",
        status="open",
        issued_on=date(2025, 11, 20),
        due_on=date(2025, 12, 3),
        total=Decimal("119.00"),
        open_amount=Decimal("49.00"),
        currency="EUR",
        customer=Ref("customers", "cus_Q1"),
        lines=(line,),
    )


def test_a_draft_has_no_number_and_the_day_it_was_made() -> None:
    draft = {**INVOICE, "number": None, "status": "draft", "status_transitions": {}, "lines": None}

    assert record("invoices", draft) == Invoice(
        status="draft",
        issued_on=date(2025, 11, 19),
        due_on=date(2025, 12, 3),
        total=Decimal("119.00"),
        open_amount=Decimal("49.00"),
        currency="EUR",
        customer=Ref("customers", "cus_Q1"),
    )


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("eur", "119.00"), ("jpy", "11900"), ("kwd", "11.900"), ("isk", "119.00"), ("ugx", "119.00")],
)
def test_amounts_have_the_decimals_of_their_currency(currency: str, amount: str) -> None:
    data = record("invoices", {**INVOICE, "currency": currency}).to_data()

    assert (data["total"], data["currency"]) == (amount, currency.upper())


def test_a_charge_is_a_payment() -> None:
    charge = {
        "id": "ch_1",
        "object": "charge",
        "amount": 2590,
        "currency": "gbp",
        "customer": "cus_Q1",
        "status": "succeeded",
        "refunded": False,
        "created": 1763539200,
    }

    assert record("charges", charge) == Payment(
        amount=Decimal("25.90"),
        currency="GBP",
        status="succeeded",
        paid_on=date(2025, 11, 19),
        customer=Ref("customers", "cus_Q1"),
    )
    assert record("charges", {**charge, "refunded": True}).to_data()["status"] == "refunded"
    assert record("charges", {**charge, "customer": None}).refs() == {}
