"""What Outlook's items become."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrations.connectors.outlook import OutlookConnector
from integrations.records import Address, Event, Folder, Message, Person
from integrations.types import Entity, Ref


def record_of(entity_type: str, payload: dict[str, Any], scope: str = "") -> Any:
    entity = Entity(entity_type, payload["id"], payload, scope)
    return OutlookConnector(None).transform(entity)


def person(name: str, address: str) -> dict[str, Any]:
    return {"emailAddress": {"name": name, "address": address}}


def test_a_message_has_its_text_its_people_and_its_folder() -> None:
    payload = {
        "id": "AAkM1=",
        "subject": "Angebot",
        "isDraft": False,
        "sentDateTime": "2026-11-01T08:59:58Z",
        "webLink": "https://outlook.office365.com/owa/?ItemID=x",
        "from": person("Max", "max@kunde.example"),
        "toRecipients": [person("Ana", "ana@firma.example")],
        "ccRecipients": [person("Lager", "lager@firma.example")],
        "bccRecipients": [],
        "body": {"contentType": "html", "content": "<p>Guten Tag</p><p>Max &amp; Co</p>"},
    }

    assert record_of("messages", payload, "AQMkA1") == Message(
        subject="Angebot",
        text="Guten Tag\nMax & Co",
        sender="max@kunde.example",
        author_name="Max",
        recipients=("ana@firma.example", "lager@firma.example"),
        channel=Ref("folders", "AQMkA1"),
        sent_at=datetime(2026, 11, 1, 8, 59, 58, tzinfo=UTC),
        url="https://outlook.office365.com/owa/?ItemID=x",
        kind="email",
    )


def test_an_event_has_its_times_in_utc_its_place_and_its_people() -> None:
    payload = {
        "id": "AAkE1=",
        "type": "singleInstance",
        "subject": "Kickoff",
        "start": {"dateTime": "2026-11-05T10:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-05T11:00:00.0000000", "timeZone": "UTC"},
        "isAllDay": False,
        "isCancelled": True,
        "location": {"displayName": "Raum 3"},
        "attendees": [{"type": "required", **person("Max", "max@kunde.example")}],
        "body": {"contentType": "text", "content": "Agenda"},
    }

    assert record_of("events", payload) == Event(
        title="Kickoff",
        description="Agenda",
        kind="singleInstance",
        location="Raum 3",
        starts_at=datetime(2026, 11, 5, 10, tzinfo=UTC),
        ends_at=datetime(2026, 11, 5, 11, tzinfo=UTC),
        is_cancelled=True,
        attendees=("max@kunde.example",),
    )


def test_a_contact_is_a_person_named_by_whatever_there_is() -> None:
    payload = {
        "id": "AAkC1=",
        "displayName": "Max Muster",
        "givenName": "Max",
        "surname": "Muster",
        "companyName": "Kunde AG",
        "jobTitle": "CFO",
        "emailAddresses": [{"name": "Max", "address": "max@kunde.example"}],
        "mobilePhone": "+49 151 1",
        "businessPhones": ["+49 30 1"],
        "businessAddress": {"street": "Hafenweg 1", "city": "Hamburg", "postalCode": "20457"},
    }

    assert record_of("contacts", payload) == Person(
        name="Max Muster",
        first_name="Max",
        last_name="Muster",
        emails=("max@kunde.example",),
        phones=("+49 151 1", "+49 30 1"),
        title="CFO",
        company_name="Kunde AG",
        address=Address(street="Hafenweg 1", city="Hamburg", postal_code="20457"),
    )
    unnamed = {**payload, "displayName": ""}
    assert record_of("contacts", unnamed).name == "max@kunde.example"
    assert record_of("contacts", {"id": "AAkC2=", "displayName": ""}).name == "AAkC2="


def test_a_folder_knows_its_parent_and_how_much_is_in_it() -> None:
    payload = {
        "id": "AQMkA1",
        "displayName": "Kunden",
        "parentFolderId": "AQMkA0",
        "totalItemCount": 12,
    }

    assert record_of("folders", payload) == Folder(
        name="Kunden", parent=Ref("folders", "AQMkA0"), kind="mail", item_count=12
    )
