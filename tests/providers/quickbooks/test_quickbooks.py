"""QuickBooks: queries, change data capture, faults under any status."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from integrations.connectors.quickbooks import QuickBooksConnector
from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    ProviderUnavailableError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.records import Company, Invoice, InvoiceLine, Payment, Person
from integrations.testing.clock import SkippingClock
from integrations.types import Checkpoint, Credentials, Entity, Ref
from tests.providers.conftest import Reader, assert_all_become_records

NAMES = {
    "items": "Item",
    "customers": "Customer",
    "vendors": "Vendor",
    "invoices": "Invoice",
    "payments": "Payment",
}
ALL_TYPES = [declared.name for declared in QuickBooksConnector.entity_types]


def truth(reader: Reader, entity_type: str) -> set[str]:
    return reader.there(NAMES[entity_type])


@pytest.mark.parametrize("entity_type", ALL_TYPES)
def test_a_full_read_brings_every_row_inactive_ones_too(
    quickbooks: Reader, entity_type: str
) -> None:
    quickbooks.read(entity_type)

    assert quickbooks.ids(entity_type) == truth(quickbooks, entity_type)
    assert_all_become_records(quickbooks, entity_type)


@pytest.mark.parametrize("entity_type", ALL_TYPES)
def test_a_later_read_brings_only_what_changed(quickbooks: Reader, entity_type: str) -> None:
    quickbooks.read(entity_type)
    changed, added = quickbooks.order("change", NAMES[entity_type], count=3), []
    if entity_type != "items":  # the sandbox adds none
        added = quickbooks.order("add", NAMES[entity_type], count=2)

    again = quickbooks.again(entity_type)

    assert {entity.source_id for entity in again} == {*changed, *added}
    assert quickbooks.calls == 1
    assert quickbooks.ids(entity_type) == truth(quickbooks, entity_type)


def test_a_deleted_invoice_is_reported_as_gone(quickbooks: Reader) -> None:
    quickbooks.read("invoices")
    deleted = quickbooks.order("delete", "Invoice", count=2)

    again = quickbooks.again("invoices")

    assert {entity.source_id for entity in again if entity.deleted} == set(deleted)
    assert quickbooks.ids("invoices") == truth(quickbooks, "invoices")


def test_quiet_changes_still_move_the_checkpoint(quickbooks: Reader) -> None:
    quickbooks.read("payments")
    quickbooks.again("payments")
    first = quickbooks.cursors["payments"][""]

    assert set(first) == {"feed"}
    assert quickbooks.again("payments") == []


def test_a_thousand_changes_at_once_start_over(quickbooks: Reader) -> None:
    quickbooks.read("invoices")
    quickbooks.order("add", "Invoice", count=1000)

    with pytest.raises(CheckpointExpiredError):
        quickbooks.again("invoices")

    quickbooks.read("invoices")
    assert quickbooks.ids("invoices") == truth(quickbooks, "invoices")


def test_a_full_read_resumed_keeps_the_time_it_began_for_the_changes_after(
    quickbooks: Reader,
) -> None:
    quickbooks.read("invoices", None, lambda entity: entity.position is not None)
    begun = quickbooks.cursors["invoices"][""]["then"]

    quickbooks.again("invoices")

    assert quickbooks.cursors["invoices"][""] == begun
    assert quickbooks.ids("invoices") == truth(quickbooks, "invoices")


def test_more_invoices_than_a_page_of_one_second(quickbooks: Reader) -> None:
    at = quickbooks.sandbox.sandbox.world.setting.base_time + 60
    quickbooks.order("add", "Invoice", count=2100, at=at)
    quickbooks.order("change", "Invoice", count=20, at=at + 9)

    quickbooks.read("invoices")

    assert quickbooks.ids("invoices") == truth(quickbooks, "invoices")


def test_a_fault_under_status_200_is_tried_again_and_never_stored(quickbooks: Reader) -> None:
    """F18."""
    quickbooks.order("fault", path="/query", fault=True, count=1)
    quickbooks.clock = SkippingClock()  # or a call that a busy machine holds up ends the walk

    quickbooks.read("customers")

    assert quickbooks.ids("customers") == truth(quickbooks, "customers")


def test_an_expired_token_is_refused_whatever_the_case_of_the_fault(quickbooks: Reader) -> None:
    quickbooks.order("expire_tokens")

    with pytest.raises(AccessTokenRefusedError):
        quickbooks.read("customers")


def test_a_token_of_another_company_is_refused_though_the_answer_is_xml(
    quickbooks: Reader,
) -> None:
    credentials = quickbooks.credentials
    quickbooks.credentials = Credentials(
        credentials.access_token, extra={"realmId": "9130350000000202"}
    )

    with pytest.raises((AccessTokenRefusedError, ReauthorizationRequiredError)):
        quickbooks.read("customers")


@pytest.mark.parametrize("realm", ["../1", "1/../2", "1?x=", "", "..", "a b", "1%2f2"])
def test_a_realm_that_could_lead_elsewhere_is_not_used(quickbooks: Reader, realm: str) -> None:
    quickbooks.credentials = Credentials("token", extra={"realmId": realm})

    with pytest.raises(Exception, match="realmId") as refused:
        quickbooks.client()

    assert not isinstance(refused.value, RetryableError | ProviderUnavailableError)


def test_identity_is_the_realm(quickbooks: Reader) -> None:
    account = quickbooks.account()

    assert (account.id, account.label) == ("9130350000000101", "Nordlicht GmbH")


def test_a_customer_is_a_company_if_it_names_one_and_else_a_person() -> None:
    connector = QuickBooksConnector(None)
    customer = {"Id": "61", "DisplayName": "Ida Petersen", "GivenName": "Ida", "Active": False}

    person = connector.transform(Entity("customers", "61", customer))
    company = connector.transform(Entity("customers", "61", {**customer, "CompanyName": "N GmbH"}))

    assert person == Person(name="Ida Petersen", first_name="Ida", role="customer", is_active=False)
    assert company == Company(name="Ida Petersen", role="customer", is_active=False)


def test_an_invoice_has_its_lines_without_the_subtotal() -> None:
    payload = {
        "Id": "204",
        "DocNumber": "R-1042",
        "TxnDate": "2026-05-01",
        "DueDate": "2026-05-31",
        "TotalAmt": 412.5,
        "Balance": 0,
        "CurrencyRef": {"value": "EUR"},
        "CustomerRef": {"value": "61"},
        "Line": [
            {
                "Id": "1",
                "LineNum": 1,
                "Description": "Inspection",
                "Amount": 412.5,
                "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {"ItemRef": {"value": "5"}, "Qty": 3, "UnitPrice": 137.5},
            },
            {"Amount": 412.5, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}},
        ],
    }

    record = QuickBooksConnector(None).transform(Entity("invoices", "204", payload))

    assert record == Invoice(
        number="R-1042",
        status="paid",
        issued_on=date(2026, 5, 1),
        due_on=date(2026, 5, 31),
        total=Decimal("412.5"),
        open_amount=Decimal(0),
        currency="EUR",
        customer=Ref("customers", "61"),
        lines=(
            InvoiceLine(
                "Inspection", Decimal("412.5"), Decimal(3), Decimal("137.5"), Ref("items", "5")
            ),
        ),
    )


def test_a_payment_points_to_the_invoices_it_settles() -> None:
    payload = {
        "Id": "310",
        "TotalAmt": 412.5,
        "UnappliedAmt": 0,
        "TxnDate": "2026-05-20",
        "CustomerRef": {"value": "61"},
        "CurrencyRef": {"value": "EUR"},
        "Line": [
            {
                "Amount": 412.5,
                "LinkedTxn": [
                    {"TxnId": "204", "TxnType": "Invoice"},
                    {"TxnId": "9", "TxnType": "CreditMemo"},
                ],
            }
        ],
    }

    record = QuickBooksConnector(None).transform(Entity("payments", "310", payload))

    assert record == Payment(
        amount=Decimal("412.5"),
        currency="EUR",
        paid_on=date(2026, 5, 20),
        unapplied_amount=Decimal(0),
        customer=Ref("customers", "61"),
        invoices=(Ref("invoices", "204"),),
    )


def test_a_checkpoint_of_the_feed_never_queries(quickbooks: Reader) -> None:
    last = datetime.now(UTC) - timedelta(days=19)  # the feed reaches 30 days back
    since = Checkpoint({"": {"feed": last.isoformat(timespec="seconds")}})
    quickbooks.forget_asked()

    quickbooks.read("payments", since)

    assert ["/cdc" in path for path in quickbooks.asked()] == [True]
