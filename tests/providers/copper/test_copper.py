"""Copper: POST searches by modified date, and records out of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from integrations.connectors.copper import CopperConnector
from integrations.errors import AccessTokenRefusedError
from integrations.records import Deal, Person, Task
from integrations.types import Credentials, Entity, Ref
from tests.providers.conftest import Reader

BY_CHANGE = ["companies", "people", "opportunities", "leads", "tasks"]


@pytest.mark.parametrize("entity_type", BY_CHANGE)
def test_a_later_read_brings_what_changed_and_little_else(copper: Reader, entity_type: str) -> None:
    copper.read(entity_type)
    changed = copper.order("change", entity_type, count=3)
    added = copper.order("add", entity_type, count=2)

    again = copper.again(entity_type)

    assert set(changed) | set(added) <= {entity.source_id for entity in again}
    assert len(again) < 20
    assert copper.calls == 1
    assert copper.ids(entity_type) == copper.there(entity_type)


def test_a_thousand_rows_changed_in_one_second_are_all_read(copper: Reader) -> None:
    """F32: one stamp fills several pages, with rows before and after it."""
    at = copper.sandbox.sandbox.world.setting.base_time + 1000
    copper.order("add", "companies", count=1000, at=at)
    copper.order("change", "companies", count=30, at=at + 5)

    copper.read("companies")

    assert copper.ids("companies") == copper.there("companies")


def test_a_poisoned_row_is_set_aside_and_the_page_survives(copper: Reader) -> None:
    copper.order("poison", "companies", index=5, kind="nul", field="details")

    read = copper.read("companies")

    unreadable = [entity for entity in read if not isinstance(entity.payload, dict)]
    assert [entity.payload.reason for entity in unreadable] == ["holds a NUL character"]  # type: ignore[union-attr]
    assert unreadable[0].source_id in copper.there("companies")
    assert len(read) == len(copper.there("companies"))


def test_identity_is_the_account(copper: Reader) -> None:
    account = copper.account()

    assert (account.id, account.label) == ("710001", "Nordlicht GmbH")


def test_a_wrong_key_is_refused_by_name_and_shows_no_secret(copper: Reader) -> None:
    copper.credentials = Credentials(key="0" * 32, extra={"user_email": "who@example.com"})

    with pytest.raises(AccessTokenRefusedError) as refused:
        copper.read("companies")

    assert "Copper" in str(refused.value)
    assert "0" * 32 not in str(refused.value)


def test_a_deal_carries_money_stage_and_references() -> None:
    payload = {
        "id": 2827698,
        "name": "Fleet contract",
        "assignee_id": 137658,
        "close_date": "1/15/2027",
        "company_id": "73001",
        "pipeline_id": 213214,
        "pipeline_stage_id": 987790,
        "primary_contact_id": 140001,
        "status": "Open",
        "tags": ["vip"],
        "monetary_unit": "EUR",
        "monetary_value": 75000.5,
        "win_probability": 40,
    }

    record = CopperConnector(None).transform(Entity("opportunities", "2827698", payload))

    assert record == Deal(
        name="Fleet contract",
        amount=Decimal("75000.5"),
        currency="EUR",
        status="open",
        stage=Ref("stages", "987790"),
        pipeline=Ref("pipelines", "213214"),
        probability=Decimal(40),
        closes_on=date(2027, 1, 15),
        company=Ref("companies", "73001"),
        person=Ref("people", "140001"),
        owner=Ref("users", "137658"),
        tags=("vip",),
    )


def test_a_lead_is_a_person_whose_one_email_is_an_object_or_null() -> None:
    connector = CopperConnector(None)
    lead = {"name": "Ida Petersen", "email": {"email": "ida@nordlicht.example"}}

    with_mail = connector.transform(Entity("leads", "1", lead))
    without = connector.transform(Entity("leads", "2", {**lead, "email": None}))

    assert with_mail == Person(name="Ida Petersen", emails=("ida@nordlicht.example",), role="lead")
    assert without == Person(name="Ida Petersen", role="lead")


def test_a_due_date_may_be_a_number_or_american_text() -> None:
    connector = CopperConnector(None)
    numbers = {"id": 1, "name": "Call", "due_date": 1796947200, "related_resource": None}
    text = {**numbers, "due_date": "12/11/2026", "related_resource": {"id": 7, "type": "person"}}

    first = connector.transform(Entity("tasks", "1", numbers))
    second = connector.transform(Entity("tasks", "1", text))

    assert first == Task(name="Call", due_on=date(2026, 12, 11))
    assert second == Task(name="Call", due_on=date(2026, 12, 11), related=Ref("people", "7"))
