"""What HubSpot's rows become."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from integrations.connectors.hubspot import HubSpotConnector
from integrations.records import Address, Company, Deal, NormalizedRecord, Option, Person, User
from integrations.types import Entity, Ref


def record(entity_type: str, **payload: object) -> NormalizedRecord:
    return HubSpotConnector(None).transform(Entity(entity_type, "1", payload))


def link(source_id: str) -> dict[str, object]:
    return {"toObjectId": source_id, "associationTypes": [{"category": "HUBSPOT_DEFINED"}]}


def test_an_owner_is_a_colleague_and_goes_by_the_address_without_a_name() -> None:
    named = record("owners", email="ana@firma.example", firstName="Ana", lastName="Beispiel")
    nameless = record("owners", email="ana@firma.example", firstName="", lastName=None)

    assert named == User(name="Ana Beispiel", email="ana@firma.example")
    assert nameless == User(name="ana@firma.example", email="ana@firma.example")


@pytest.mark.parametrize("entity_type", ["pipelines", "stages"])
def test_pipelines_and_stages_are_options(entity_type: str) -> None:
    made = record(entity_type, label="Sales", displayOrder=2, archived=False)

    assert made == Option(name="Sales", kind=entity_type, rank=2)


def test_a_company_has_domain_and_address() -> None:
    made = record(
        "companies",
        properties={
            "name": "Kunde AG",
            "domain": "kunde.example",
            "phone": "+49 30 1",
            "address": "Hafenweg 1",
            "city": "Hamburg",
            "state": None,
            "zip": "20457",
            "country": "DE",
            "hubspot_owner_id": "6166860",
        },
    )

    assert made == Company(
        name="Kunde AG",
        domain="kunde.example",
        phones=("+49 30 1",),
        owner=Ref("owners", "6166860"),
        address=Address("Hafenweg 1", "Hamburg", None, "20457", "DE"),
    )


def test_a_contact_points_to_the_first_of_its_companies() -> None:
    made = record(
        "contacts",
        properties={
            "firstname": "Max",
            "lastname": "Muster",
            "email": "max@kunde.example",
            "phone": "+49 30 1",
            "mobilephone": "+49 151 1",
            "jobtitle": "CFO",
            "company": "Kunde AG",
            "hubspot_owner_id": "6166860",
        },
        companies=[link("8811"), link("8812")],
    )

    assert made == Person(
        name="Max Muster",
        first_name="Max",
        last_name="Muster",
        emails=("max@kunde.example",),
        phones=("+49 30 1", "+49 151 1"),
        title="CFO",
        company=Ref("companies", "8811"),
        company_name="Kunde AG",
        owner=Ref("owners", "6166860"),
    )


@pytest.mark.parametrize(
    ("entity_type", "properties", "name"),
    [
        ("companies", {"name": None, "domain": "kunde.example"}, "kunde.example"),
        ("companies", {"name": "", "domain": None}, "1"),
        ("contacts", {"firstname": None, "email": "max@kunde.example"}, "max@kunde.example"),
        ("contacts", {"lastname": "Muster"}, "Muster"),
    ],
)
def test_what_has_no_name_goes_by_what_else_there_is(
    entity_type: str, properties: dict[str, str | None], name: str
) -> None:
    assert record(entity_type, properties=properties).name == name  # type: ignore[attr-defined]


def test_a_deal_carries_money_stage_and_associations() -> None:
    made = record(
        "deals",
        properties={
            "dealname": "Fleet contract",
            "amount": "75000.50",
            "deal_currency_code": "EUR",
            "dealstage": "contractsent",
            "pipeline": "default",
            "closedate": "2027-01-15T00:00:00.000Z",
            "hubspot_owner_id": "6166860",
            "hs_is_closed": "false",
            "hs_is_closed_won": "false",
        },
        companies=[link("8811")],
        contacts=[link("430001"), link("430002")],
    )

    assert made == Deal(
        name="Fleet contract",
        amount=Decimal("75000.50"),
        currency="EUR",
        status="open",
        stage=Ref("stages", "contractsent"),
        pipeline=Ref("pipelines", "default"),
        closes_on=date(2027, 1, 15),
        company=Ref("companies", "8811"),
        person=Ref("contacts", "430001"),
        owner=Ref("owners", "6166860"),
    )


@pytest.mark.parametrize(
    ("closed", "won", "status"),
    [("false", "false", "open"), ("true", "true", "won"), ("true", "false", "lost")],
)
def test_a_deal_is_open_won_or_lost(closed: str, won: str, status: str) -> None:
    flags = {"hs_is_closed": closed, "hs_is_closed_won": won}

    assert record("deals", properties={"dealname": "D", **flags}) == Deal(name="D", status=status)
