"""What PandaDoc's members, contacts, templates and documents become."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from integrations.connectors.pandadoc import PandaDocConnector
from integrations.records import Address, Document, Person, Template, User
from integrations.types import Entity, Ref


def test_a_document_has_its_amount_its_people_and_its_times() -> None:
    payload = {
        "id": "Nq3bVxYk7ZsW2mTrPd8LhA",
        "name": "Maintenance contract 2026",
        "status": "document.completed",
        "date_created": "2026-06-02T08:10:00.120000Z",
        "date_modified": "2026-06-04T11:45:09.003100Z",
        "date_sent": "2026-06-03T09:00:00.000000Z",
        "date_completed": "2026-06-04T11:45:08.900000Z",
        "expiration_date": None,
        "created_by": {"id": "FA5Qx", "email": "ida@nordlicht.example", "membership_id": "RyMN"},
        "template": {"id": "gZRVx", "name": "Maintenance"},
        "pricing": {},
        "recipients": [
            {"id": "8KAZ", "email": "jo@kunde.example", "type": "recipient"},
            {
                "id": "9KAZ",
                "type": "recipient_group",
                "members": [{"email": "al@kunde.example"}, {"email": None}],
            },
        ],
        "grand_total": {"amount": "1200.00", "currency": "EUR"},
    }

    record = PandaDocConnector(None).transform(Entity("documents", payload["id"], payload))

    assert record == Document(
        name="Maintenance contract 2026",
        status="completed",
        amount=Decimal("1200.00"),
        currency="EUR",
        template=Ref("templates", "gZRVx"),
        owner=Ref("members", "FA5Qx"),
        recipients=("jo@kunde.example", "al@kunde.example"),
        sent_at=datetime(2026, 6, 3, 9, tzinfo=UTC),
        completed_at=datetime(2026, 6, 4, 11, 45, 8, 900_000, tzinfo=UTC),
    )


def test_a_document_as_listed_is_a_document_too() -> None:
    payload = {"id": "a", "name": "Angebot", "status": "document.uploaded", "expiration_date": None}

    record = PandaDocConnector(None).transform(Entity("documents", "a", payload))

    assert record == Document(name="Angebot", status="uploaded")


def test_a_contact_is_a_person_with_an_address() -> None:
    payload = {
        "id": "kQDL",
        "email": "jo@kunde.example",
        "first_name": "Jo",
        "last_name": "Sand",
        "company": "Kunde AG",
        "job_title": None,
        "phone": "+4942155501",
        "country": "DE",
        "state": "",
        "street_address": "",
        "city": "Bremen",
        "postal_code": "",
    }

    record = PandaDocConnector(None).transform(Entity("contacts", "kQDL", payload))

    assert record == Person(
        name="Jo Sand",
        first_name="Jo",
        last_name="Sand",
        emails=("jo@kunde.example",),
        phones=("+4942155501",),
        company_name="Kunde AG",
        address=Address("", "Bremen", "", "", "DE"),
    )


@pytest.mark.parametrize(("email", "name"), [("x@kunde.example", "x@kunde.example"), (None, "k")])
def test_a_contact_without_a_name_goes_by_what_there_is(email: str | None, name: str) -> None:
    payload = {"id": "k", "email": email, "first_name": None, "last_name": None}

    record = PandaDocConnector(None).transform(Entity("contacts", "k", payload))

    assert isinstance(record, Person)
    assert record.name == name


def test_a_member_is_a_user_and_a_template_a_template() -> None:
    member = {"first_name": "Ida", "last_name": "", "email": "ida@nordlicht.example"}
    member |= {"role": "Admin", "is_active": False}

    connector = PandaDocConnector(None)

    assert connector.transform(Entity("members", "FA5Q", member)) == User(
        name="Ida", email="ida@nordlicht.example", title="Admin", is_active=False
    )
    assert connector.transform(Entity("templates", "iMym", {"name": "NDA"})) == Template("NDA")
