"""What becomes of what Teams sends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrations.connectors.teams import TeamsConnector
from integrations.records import Channel, Message, Team, User
from integrations.types import Entity, Ref

TEAM = "172b0cce-0001-44ce-9a49-91d9f2e80001"
CHANNEL = "19:4a95f7d8db4c4e7fae857bcebe060001@thread.tacv2"
USER = "8ea0e38b-0001-4757-924a-5f94061c0001"
POST: dict[str, Any] = {
    "id": "1762419600123",
    "replyToId": None,
    "etag": "1762419700456",
    "messageType": "message",
    "createdDateTime": "2025-11-06T09:00:00.123Z",
    "lastModifiedDateTime": "2025-11-06T09:01:40.456Z",
    "lastEditedDateTime": None,
    "deletedDateTime": None,
    "subject": None,
    "webUrl": "https://teams.microsoft.com/l/message/19%3A4a/1762419600123",
    "from": {
        "application": None,
        "device": None,
        "user": {"id": USER, "displayName": "Ana Beispiel", "userIdentityType": "aadUser"},
    },
    "body": {"contentType": "html", "content": "<p>Guten Morgen</p><p>Lager &amp; Versand</p>"},
    "channelIdentity": {"teamId": TEAM, "channelId": CHANNEL},
    "attachments": [],
    "mentions": [],
    "reactions": [],
}


def record_of(entity_type: str, payload: dict[str, Any], scope: str = "") -> Any:
    source_id = f"{scope}/{payload['id']}" if scope else payload["id"]
    return TeamsConnector(None).transform(Entity(entity_type, source_id, payload, scope))


def test_a_team_has_a_name() -> None:
    payload = {"id": TEAM, "displayName": "Vertrieb", "description": "Sales"}

    assert record_of("teams", payload) == Team(name="Vertrieb", description="Sales")


def test_a_channel_is_in_its_team_and_private_unless_it_is_a_standard_one() -> None:
    payload = {
        "id": CHANNEL,
        "displayName": "Preise",
        "description": None,
        "membershipType": "private",
        "isArchived": True,
    }

    private = record_of("channels", payload, TEAM)

    assert private == Channel(
        name="Preise", kind="channel", team=Ref("teams", TEAM), is_private=True, is_archived=True
    )
    standard = {**payload, "membershipType": "standard", "isArchived": False, "description": "EU"}
    assert record_of("channels", standard, TEAM) == Channel(
        name="Preise", topic="EU", kind="channel", team=Ref("teams", TEAM)
    )


def test_a_member_is_a_user_named_by_whatever_there_is() -> None:
    payload = {
        "@odata.type": "#microsoft.graph.aadUserConversationMember",
        "id": "MCMj",
        "roles": ["owner"],
        "displayName": "Ana",
        "userId": USER,
        "email": "ana@firma.example",
    }

    assert record_of("members", payload, TEAM) == User(name="Ana", email="ana@firma.example")
    nameless = {**payload, "displayName": None, "email": None}
    assert record_of("members", nameless, TEAM) == User(name=f"{TEAM}/MCMj")


def test_a_post_has_its_text_its_author_and_its_channel() -> None:
    assert record_of("messages", POST, CHANNEL) == Message(
        text="Guten Morgen\nLager & Versand",
        author=Ref("members", f"{TEAM}/{USER}"),
        author_name="Ana Beispiel",
        channel=Ref("channels", CHANNEL),
        sent_at=datetime(2025, 11, 6, 9, 0, 0, 123000, tzinfo=UTC),
        url="https://teams.microsoft.com/l/message/19%3A4a/1762419600123",
        kind="post",
    )


def test_a_reply_knows_its_post_and_plain_text_stays_as_it_is() -> None:
    payload = {
        **POST,
        "id": "1762419999000",
        "replyToId": "1762419600123",
        "lastEditedDateTime": "2025-11-06T10:00:00.5Z",
        "body": {"contentType": "text", "content": "3 < 5 & mehr"},
    }

    reply = record_of("messages", payload, CHANNEL)

    assert reply.kind == "reply"
    assert reply.thread == Ref("messages", f"{CHANNEL}/1762419600123")
    assert reply.text == "3 < 5 & mehr"
    assert reply.edited_at == datetime(2025, 11, 6, 10, 0, 0, 500000, tzinfo=UTC)


def test_an_app_has_a_name_and_is_no_member() -> None:
    app = {"id": "203a1e2c", "displayName": "Build Bot"}
    payload = {**POST, "from": {"application": app, "device": None, "user": None}}

    post = record_of("messages", payload, CHANNEL)

    assert (post.author, post.author_name) == (None, "Build Bot")


def test_an_event_of_the_system_is_by_nobody() -> None:
    payload = {
        **POST,
        "from": None,
        "messageType": "systemEventMessage",
        "eventDetail": {"@odata.type": "#microsoft.graph.membersAddedEventMessageDetail"},
        "body": {"contentType": "html", "content": "<systemEventMessage/>"},
    }

    event = record_of("messages", payload, CHANNEL)

    assert (event.kind, event.author, event.author_name) == ("event", None, None)
    assert not event.text
