"""What Salesforce's rows become."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from integrations.connectors.salesforce import SalesforceConnector
from integrations.records import Address, Company, Deal, NormalizedRecord, Option, Person, User
from integrations.types import Entity, Ref

ACCOUNT = "001xx000003DGb2AAG"
OWNER = "005xx000001SwiAAAS"


def record(entity_type: str, **payload: object) -> NormalizedRecord:
    return SalesforceConnector(None).transform(Entity(entity_type, "1", payload))


def test_a_user_is_a_colleague_who_may_have_left() -> None:
    made = record("users", Name="Ana Beispiel", Email="ana@firma.example", IsActive=False)

    assert made == User(name="Ana Beispiel", email="ana@firma.example", is_active=False)


def test_a_stage_is_an_option_known_by_its_name() -> None:
    made = record(
        "stages", ApiName="Prospecting", MasterLabel="Akquise", SortOrder=1, IsActive=True
    )

    assert made == Option(name="Akquise", kind="stages", rank=1)


def test_an_account_is_a_company_with_its_billing_address() -> None:
    made = record(
        "accounts",
        Name="Kunde AG",
        Website="https://www.Kunde.example/start",
        Phone="+49 30 1",
        ParentId=ACCOUNT,
        OwnerId=OWNER,
        BillingStreet="Hafenweg 1",
        BillingCity="Hamburg",
        BillingState=None,
        BillingPostalCode="20457",
        BillingCountry="DE",
    )

    assert made == Company(
        name="Kunde AG",
        domain="kunde.example",
        phones=("+49 30 1",),
        parent=Ref("accounts", ACCOUNT),
        owner=Ref("users", OWNER),
        address=Address("Hafenweg 1", "Hamburg", None, "20457", "DE"),
    )


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("kunde.example", "kunde.example"),
        ("HTTP://www.kunde.example:8080", "kunde.example"),
        ("www.kunde.example?x=1", "kunde.example"),
        ("https://[broken", "[broken"),
        ("", None),
        (None, None),
    ],
)
def test_a_website_is_free_text(website: str | None, domain: str | None) -> None:
    made = record("accounts", Name="Kunde AG", Website=website)

    assert made == Company(name="Kunde AG", domain=domain)


def test_a_contact_is_a_person_with_both_phones() -> None:
    made = record(
        "contacts",
        Name="Max Muster",
        FirstName="Max",
        LastName="Muster",
        Email="max@kunde.example",
        Phone=None,
        MobilePhone="+49 151 1",
        Title="CFO",
        AccountId=ACCOUNT,
        OwnerId=OWNER,
        MailingCity="Köln",
    )

    assert made == Person(
        name="Max Muster",
        first_name="Max",
        last_name="Muster",
        emails=("max@kunde.example",),
        phones=("+49 151 1",),
        title="CFO",
        company=Ref("accounts", ACCOUNT),
        owner=Ref("users", OWNER),
        address=Address(city="Köln"),
    )


def test_an_opportunity_is_a_deal_with_money_and_stage() -> None:
    made = record(
        "opportunities",
        Name="Fleet contract",
        Amount=75000.5,
        CurrencyIsoCode="EUR",
        StageName="Negotiation/Review",
        Probability=85.0,
        CloseDate="2027-01-15",
        IsClosed=False,
        IsWon=False,
        AccountId=ACCOUNT,
        OwnerId=OWNER,
    )

    assert made == Deal(
        name="Fleet contract",
        amount=Decimal("75000.5"),
        currency="EUR",
        status="open",
        stage=Ref("stages", "Negotiation/Review"),
        probability=Decimal(85),
        closes_on=date(2027, 1, 15),
        company=Ref("accounts", ACCOUNT),
        owner=Ref("users", OWNER),
    )


@pytest.mark.parametrize(
    ("is_closed", "is_won", "status"),
    [(False, False, "open"), (True, True, "won"), (True, False, "lost")],
)
def test_a_deal_is_open_won_or_lost(is_closed: bool, is_won: bool, status: str) -> None:
    made = record("opportunities", Name="Deal", IsClosed=is_closed, IsWon=is_won)

    assert made == Deal(name="Deal", status=status)
