"""Records: their values, what is refused, and how they are stored."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import RecordRejectedError
from integrations.records import (
    RECORD_TYPES,
    Address,
    Company,
    Deal,
    Invoice,
    InvoiceLine,
    Message,
    Person,
    day,
    dig,
    dig_all,
    found,
    mapped,
    money,
    ref,
    shape_of,
    utc,
)
from integrations.types import Ref

NINE = datetime(2025, 11, 6, 9, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "at"),
    [
        (None, None),
        ("", None),
        (1762419600, NINE),
        (1762419600.5, NINE + timedelta(milliseconds=500)),
        ("1762419600", NINE),
        ("1762419600.000100", NINE + timedelta(microseconds=100)),
        (1762419600000, NINE),
        ("2025-11-06T09:00:00Z", NINE),
        ("2025-11-06T09:00:00", NINE),
        ("2025-11-06T01:00:00-08:00", NINE),
        ("2025-11-06T09:00:00.000+0000", NINE),
        (datetime(2025, 11, 6, 10, tzinfo=timezone(timedelta(hours=1))), NINE),
    ],
)
def test_times_become_aware_and_utc(written: Any, at: datetime | None) -> None:
    made = utc(written)

    assert made == at
    assert made is None or made.tzinfo is UTC


@pytest.mark.parametrize("written", ["yesterday", True, {}, [], "inf", "nan", 10**30, "1e500"])
def test_what_is_no_time_is_refused(written: Any) -> None:
    with pytest.raises(ValueError):
        utc(written)


@pytest.mark.parametrize(
    ("written", "on"),
    [
        (None, None),
        ("", None),
        ("2026-05-31", date(2026, 5, 31)),
        ("1/15/2027", date(2027, 1, 15)),
        ("12/1/2026", date(2026, 12, 1)),
        (1762419600, date(2025, 11, 6)),
        ("2025-11-06T23:30:00Z", date(2025, 11, 6)),
    ],
)
def test_days_are_read_as_they_are_written(written: Any, on: date | None) -> None:
    assert day(written) == on


@pytest.mark.parametrize("written", ["13/13/2026", "2026-02-30", "1/2", "a/b/c", True])
def test_what_is_no_day_is_refused(written: Any) -> None:
    with pytest.raises(ValueError):
        day(written)


@pytest.mark.parametrize(
    ("written", "exponent", "amount"),
    [
        (None, None, None),
        ("", None, None),
        (0, None, "0"),
        (412.5, None, "412.5"),
        (0.1, None, "0.1"),
        ("12.50", None, "12.50"),
        ("-3", None, "-3"),
        (1250, 2, "12.50"),
        (1250, 0, "1250"),
        ("12345678901234567890.12", None, "12345678901234567890.12"),
    ],
)
def test_money_is_exact(written: Any, exponent: int | None, amount: str | None) -> None:
    made = money(written, exponent)

    assert (made is None) == (amount is None)
    assert made is None or str(made) == amount


@pytest.mark.parametrize("written", ["twelve", True, {}, "NaN", "Infinity", float("nan")])
def test_what_is_no_money_is_refused(written: Any) -> None:
    with pytest.raises(ValueError):
        money(written)


def test_references_by_number_or_digits_are_the_same() -> None:
    assert ref("people", 7) == ref("people", "7") == Ref("people", "7")
    assert ref("people", None) is None
    assert ref("people", "") is None
    with pytest.raises(ValueError):
        ref("people", {"id": 7})


def test_digging_ends_where_the_way_ends() -> None:
    item = {"a": {"b": [{"c": 1}, {"c": 2}, {}]}, "n": None}

    assert dig(item, "a.b.1.c") == 2
    assert dig(item, "a.b.9.c") is None
    assert dig(item, "n.x") is None
    assert dig(item, "") is item
    assert dig_all(item, "a.b.c") == [1, 2]
    assert dig_all(item, "a.x.c") == []
    assert found("a", None, "", "b", "a", 3) == ("a", "b", "3")


def test_a_table_reads_each_field_as_its_kind_demands() -> None:
    item = {"n": "Deal", "v": 12.5, "on": "1/2/2027", "c": 7, "tags": ["x", "y", ""], "u": ""}
    table = {
        "name": "n", "amount": "v", "closes_on": "on", "company": "companies:c", "tags": "tags",
        "currency": "u", "stage": "stages:nowhere",
    }  # fmt: skip

    assert Deal(**mapped(Deal, item, table)) == Deal(
        name="Deal",
        amount=Decimal("12.5"),
        closes_on=date(2027, 1, 2),
        company=Ref("companies", "7"),
        tags=("x", "y"),
    )
    with pytest.raises(RecordRejectedError, match="name is missing"):
        Deal(**mapped(Deal, {}, table)).validate()


def test_a_table_can_read_amounts_in_minor_units() -> None:
    table = {"total": "total", "number": "number"}

    made = mapped(Invoice, {"total": 11900, "number": "F-42"}, table, exponent=2)

    assert made == {"total": Decimal("119.00"), "number": "F-42"}


def test_an_address_is_what_its_parts_say_and_none_if_they_say_nothing() -> None:
    parts = ("line1", "city", "state", "zip", "country")

    assert Address.of({"line1": "Allee 1", "city": "Berlin", "state": None}, parts) == Address(
        street="Allee 1", city="Berlin"
    )
    assert Address.of(dict.fromkeys(parts), parts) is None
    assert Address.of(None, parts) is None


@pytest.mark.parametrize("record_type", RECORD_TYPES.values(), ids=RECORD_TYPES)
def test_every_record_type_has_a_shape_and_stores_every_field(record_type: Any) -> None:
    required = dict.fromkeys(record_type.required, "x")
    record = record_type(**required)

    record.validate()

    assert list(record.to_data()) == [shape.name for shape in shape_of(record_type)]
    json.dumps(record.to_data())


def test_the_record_types_are_all_there() -> None:
    assert set(RECORD_TYPES) == {
        "person", "company", "deal", "invoice", "payment", "item", "document", "template", "task",
        "project", "message", "thread", "event", "channel", "team", "user", "file", "folder",
        "row", "option",
    }  # fmt: skip


def test_stored_data_is_json_with_exact_money_and_utc() -> None:
    zone = timezone(timedelta(hours=2))
    message = Message(text="hi", sent_at=datetime(2026, 5, 1, 12, 0, 0, 250, zone))
    invoice = Invoice(
        total=Decimal("1E+3"),
        currency="EUR",
        due_on=date(2026, 5, 31),
        customer=Ref("customers", "61"),
        lines=(InvoiceLine("Work", Decimal("0.10"), item=Ref("items", "5")),),
    )

    assert message.to_data()["sent_at"] == "2026-05-01T10:00:00.000250Z"
    assert invoice.to_data() == {
        "number": None,
        "status": None,
        "issued_on": None,
        "due_on": "2026-05-31",
        "total": "1000",
        "open_amount": None,
        "currency": "EUR",
        "customer": {"entity_type": "customers", "source_id": "61"},
        "lines": [
            {
                "description": "Work",
                "amount": "0.10",
                "quantity": None,
                "unit_price": None,
                "item": {"entity_type": "items", "source_id": "5"},
            }
        ],
    }
    assert invoice.refs() == {"customer": Ref("customers", "61")}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Person(name=""), "name is missing"),
        (Person(name=None), "name is missing"),  # type: ignore[arg-type]
        (Person(name=5), "name should be text"),  # type: ignore[arg-type]
        (Person(name="a\0b"), "name holds"),
        (Person(name="\ud800"), "name holds"),
        (Person(name="x", emails="x"), "emails should be a tuple"),  # type: ignore[arg-type]
        (Person(name="x", emails=(None,)), "emails should be text"),  # type: ignore[arg-type]
        (Person(name="x", company="7"), "company should be a Ref"),  # type: ignore[arg-type]
        (Person(name="x", company=Ref("c", "")), "company points to nothing"),
        (Person(name="x", is_active=1), "is_active should be true or false"),  # type: ignore[arg-type]
        (Person(name="x", role=None), "role may not be null"),  # type: ignore[arg-type]
        (Person(name="x", address=Address(city=5)), "address should be text"),  # type: ignore[arg-type]
        (Deal(name="x", amount=1.5), "amount should be Decimal"),  # type: ignore[arg-type]
        (Deal(name="x", amount=Decimal("NaN")), "amount is no usable number"),
        (Deal(name="x", amount=Decimal("1E+400")), "amount is no usable number"),
        (Deal(name="x", amount=Decimal("0." + "1" * 20_000)), "amount is no usable number"),
        (Deal(name="x", closes_on=NINE), "closes_on should be a date"),
        (Message(sent_at=datetime(2026, 1, 1)), "sent_at has no time zone"),
        (Message(sent_at=date(2026, 1, 1)), "sent_at should be a time"),  # type: ignore[arg-type]
        (Invoice(lines=(InvoiceLine(amount=Decimal("Infinity")),)), "lines is no usable number"),
        (Invoice(lines=("x",)), "lines should hold InvoiceLine"),  # type: ignore[arg-type]
    ],
)
def test_a_record_that_cannot_be_stored_is_refused_naming_the_field(record: Any, said: str) -> None:
    with pytest.raises(RecordRejectedError, match=said):
        record.validate()


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(RecordRejectedError) as refused:
        Company(name="", emails="x", is_active=None).validate()  # type: ignore[arg-type]

    assert str(refused.value) == (
        "company: name is missing; emails should be a tuple, not str; is_active may not be null"
    )


@given(
    st.text(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(timezones=st.just(UTC)),
)
def test_what_passes_the_check_can_be_stored(name: str, amount: Decimal, at: datetime) -> None:
    deal, message = Deal(name=name, amount=amount), Message(text=name, sent_at=at)
    for record in (deal, message):
        try:
            record.validate()
        except RecordRejectedError:
            continue
        assert b"\\u0000" not in orjson.dumps(record.to_data())
