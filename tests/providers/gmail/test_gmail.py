"""Gmail: ids in lists, messages one by one, changes by the history."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.connectors.gmail import GmailConnector
from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    EntityTypeUnavailableError,
    HubError,
    OperatorRequiredError,
    RetryableError,
)
from integrations.records import Message, Option
from integrations.types import Checkpoint, Credentials, Entity, Ref
from tests.providers.conftest import Reader, assert_all_become_records
from tests.sandbox.conftest import CALLBACK, Caller


@pytest.mark.parametrize("entity_type", ["labels", "messages"])
def test_a_full_read_brings_all_but_trash_and_spam(gmail: Reader, entity_type: str) -> None:
    gmail.read(entity_type)

    assert gmail.ids(entity_type) == gmail.there(entity_type)
    assert_all_become_records(gmail, entity_type)


def test_a_full_read_asks_for_where_the_history_stands_before_the_list(gmail: Reader) -> None:
    gmail.read("messages")

    paths = gmail.asked()
    asked = [path for path in paths if "/users/me/" in path]
    assert asked[0].endswith("/profile")
    assert "/messages?maxResults=100" in asked[1]


def test_a_later_read_costs_one_call_and_one_for_each_changed_message(gmail: Reader) -> None:
    gmail.read("messages")
    changed = gmail.order("change", "messages", count=4)
    added = gmail.order("add", "messages", count=2)
    for _ in range(3):
        gmail.order("change", "messages", ids=changed)

    again = gmail.again("messages")

    assert {entity.source_id for entity in again} == {*changed, *added}
    assert gmail.calls == 7
    assert gmail.ids("messages") == gmail.there("messages")


def test_a_quiet_mailbox_costs_one_call(gmail: Reader) -> None:
    gmail.read("messages")

    assert gmail.again("messages") == []
    assert gmail.calls == 1


def test_trash_counts_as_deleted_and_comes_back_when_taken_out(gmail: Reader) -> None:
    gmail.read("messages")
    ids = gmail.order("delete", "messages", count=2)

    gmail.again("messages")
    assert not set(ids) & gmail.ids("messages")

    gmail.order("change", "messages", ids=ids, set={"labelIds": ["INBOX"]})
    gmail.again("messages")
    assert set(ids) <= gmail.ids("messages")


def test_a_message_deleted_for_good_is_gone_without_a_further_call(gmail: Reader) -> None:
    gmail.read("messages")
    [source_id] = gmail.order("delete", "messages", count=1)
    gmail.order("delete", "messages", ids=[source_id])

    [gone] = gmail.again("messages")

    assert (gone.source_id, gone.deleted) == (source_id, True)
    assert gmail.calls == 1


def test_a_message_that_vanishes_while_the_list_is_read_is_gone(gmail: Reader) -> None:
    ids = sorted(gmail.there("messages"))
    body = '{"error":{"code":404,"errors":[{"reason":"notFound"}]}}'
    gmail.order("fault", path=f"messages/{ids[3]}", status=404, body=body)

    read = gmail.read("messages")

    assert [entity.source_id for entity in read if entity.deleted] == [ids[3]]


def test_stopped_anywhere_it_goes_on_and_asks_for_no_message_twice(gmail: Reader) -> None:
    since: Checkpoint | None = None
    for _ in range(40):
        came = 0

        def enough(entity: Entity) -> bool:
            nonlocal came
            came += not entity.is_rest
            return came >= 9

        gmail.read("messages", since, enough)
        since = gmail.checkpoint("messages")
        if came < 9:
            break

    assert gmail.ids("messages") == gmail.there("messages")
    paths = gmail.asked()
    details = [path for path in paths if "format=full" in path]
    assert len(details) == len(set(details))


def test_what_changes_again_while_the_history_is_read_comes_with_the_next(gmail: Reader) -> None:
    gmail.read("messages")
    ids = gmail.order("change", "messages", count=3)
    seen = gmail.read("messages", gmail.checkpoint("messages"), lambda one: not one.is_rest)
    gmail.order("change", "messages", ids=[seen[0].source_id], set={"snippet": "later"})

    gmail.again("messages")
    gmail.again("messages")

    assert gmail.stored["messages"][seen[0].source_id].data["snippet"] == "later"
    assert set(ids) <= gmail.ids("messages")


def test_a_forgotten_history_asks_for_everything_again(gmail: Reader) -> None:
    gmail.read("messages")
    gmail.order("expire_cursors")

    with pytest.raises(CheckpointExpiredError):
        gmail.again("messages")


def test_a_forgotten_page_begins_the_list_again(gmail: Reader) -> None:
    gmail.order("add", "messages", count=120)
    met = 0

    def behind_the_first_page(entity: Entity) -> bool:
        nonlocal met
        met += not entity.is_rest
        return met > 100

    gmail.read("messages", None, behind_the_first_page)
    gmail.order("expire_cursors")
    gmail.again("messages")

    assert gmail.ids("messages") == gmail.there("messages")


def test_a_backfill_date_bounds_the_first_read_to_its_end(gmail: Reader) -> None:
    gmail.read("messages")
    times = sorted(int(one.data["internalDate"]) for one in gmail.known("messages"))
    floor = datetime.fromtimestamp(times[len(times) // 2] // 1000, UTC)
    wanted = {
        one.source_id
        for one in gmail.known("messages")
        if int(one.data["internalDate"]) >= floor.timestamp() * 1000
    }
    gmail.stored.clear()
    gmail.cursors.clear()

    gmail.read("messages", Checkpoint(not_before=floor), lambda entity: not entity.is_rest)
    gmail.read("messages", gmail.checkpoint("messages", not_before=floor))

    assert gmail.ids("messages") == wanted


def test_a_poisoned_message_is_set_aside_alone(gmail: Reader) -> None:
    [poisoned] = gmail.order("poison", "messages", index=5, kind="nul")

    read = gmail.read("messages")

    unreadable = [one.source_id for one in read if not isinstance(one.payload, dict)]
    assert unreadable == [poisoned]
    assert len(read) == len(gmail.there("messages"))


def test_identity_is_the_address(gmail: Reader) -> None:
    account = gmail.account()

    assert account.id == account.label == "kontakt@nordlicht.example"


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (401, "authError", AccessTokenRefusedError),
        (403, "rateLimitExceeded", RetryableError),
        (403, "userRateLimitExceeded", RetryableError),
        (500, "backendError", RetryableError),
        (200, "backendError", RetryableError),
        (403, "insufficientPermissions", EntityTypeUnavailableError),
        (403, "accessNotConfigured", OperatorRequiredError),
        (403, "domainPolicy", OperatorRequiredError),
        (403, "dailyLimitExceeded", RetryableError),
    ],
)
def test_a_reason_says_whose_turn_it_is(
    gmail: Reader, status: int, reason: str, error: type[HubError]
) -> None:
    body = {"error": {"code": status, "errors": [{"reason": reason}]}}

    raised = gmail.error_of("labels", status=status, body=body)

    assert isinstance(raised, error)


def test_more_than_the_quota_is_refused_as_google_refuses_it(gmail: Reader) -> None:
    gmail.order("set", limits=True, limits_scale=0.01)

    with pytest.raises(RetryableError, match="rateLimitExceeded"):
        gmail.read("messages")
    assert gmail.ids("messages")


def test_only_offline_access_brings_a_refresh_token_and_a_refresh_brings_none(
    caller: Caller,
) -> None:
    client = caller.own("/_credentials")["gmail"]["clients"][0]
    for access_type in ("offline", "online"):
        back = caller.consent(
            caller.at("https://accounts.google.com", "/o/oauth2/v2/auth"),
            {
                "client_id": client["client_id"],
                "response_type": "code",
                "scope": "https://www.googleapis.com/auth/gmail.readonly",
                "redirect_uri": CALLBACK,
                "state": "s",
                "access_type": access_type,
            },
        )
        form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK}
        tokens = exchange(caller, client, form)
        assert ("refresh_token" in tokens) == (access_type == "offline")
        if "refresh_token" in tokens:
            form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
            assert "refresh_token" not in exchange(caller, client, form)


def exchange(caller: Caller, client: Any, form: dict[str, str]) -> dict[str, Any]:
    app = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    url = caller.at("https://oauth2.googleapis.com", "/token")
    answer = caller.http.post(url, data={**form, **app})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("messages?maxResults=501", 400),
        ("messages?pageToken=bogus", 400),
        ("messages?limit=10", 400),
        ("messages/0000", 404),
        ("history?startHistoryId=1", 404),
        ("history", 400),
    ],
)
def test_the_sandbox_refuses_what_gmail_refuses(gmail: Reader, path: str, status: int) -> None:
    url = gmail.sandbox.at("https://gmail.googleapis.com", f"/gmail/v1/users/me/{path}")
    headers = {"Authorization": f"Bearer {gmail.credentials.access_token}"}

    assert gmail.sandbox.http.get(url, headers=headers).status_code == status
    gmail.credentials = Credentials("ya29.other")
    headers = {"Authorization": "Bearer ya29.other"}
    assert gmail.sandbox.http.get(url, headers=headers).status_code == 401


def part(kind: str, text: str) -> dict[str, Any]:
    data = urlsafe_b64encode(text.encode()).decode()
    return {"mimeType": kind, "filename": "", "body": {"size": len(text), "data": data}}


HEADERS = {
    "FROM": "Max Muster <max@kunde.example>",
    "To": '"Doe, Ana" <ana@firma.example>',
    "cc": "lager@firma.example, ana@firma.example",
    "Subject": "Angebot 42",
    "Date": "nonsense",
}


def test_a_message_has_its_text_its_people_its_labels_and_its_thread() -> None:
    payload = {
        "id": "19cc0a",
        "threadId": "19cbf9",
        "labelIds": ["INBOX", "Label_7"],
        "historyId": "884190",
        "internalDate": "1767259812000",
        "payload": {
            "mimeType": "multipart/alternative",
            "headers": [{"name": name, "value": value} for name, value in HEADERS.items()],
            "body": {"size": 0},
            "parts": [part("text/plain", "Hallo Ana …"), part("text/html", "<p>Hallo</p>")],
        },
    }

    record = GmailConnector(None).transform(Entity("messages", "19cc0a", payload))

    assert record == Message(
        subject="Angebot 42",
        text="Hallo Ana …",
        sender="max@kunde.example",
        author_name="Max Muster",
        recipients=("ana@firma.example", "lager@firma.example"),
        thread=Ref("messages", "19cbf9"),
        sent_at=datetime(2026, 1, 1, 9, 30, 12, tzinfo=UTC),
        labels=(Ref("labels", "INBOX"), Ref("labels", "Label_7")),
        kind="email",
    )


def test_a_draft_without_headers_is_a_message_too() -> None:
    payload = {
        "id": "19cc0b",
        "threadId": "19cc0b",
        "labelIds": ["DRAFT"],
        "internalDate": "1767259812000",
        "payload": part("text/html", "<p>Hallo <b>Ana</b></p>"),
    }

    record = GmailConnector(None).transform(Entity("messages", "19cc0b", payload))

    assert record == Message(
        subject="",
        text="Hallo Ana",
        sender="",
        author_name="",
        thread=Ref("messages", "19cc0b"),
        sent_at=datetime(2026, 1, 1, 9, 30, 12, tzinfo=UTC),
        labels=(Ref("labels", "DRAFT"),),
        kind="draft",
    )


def test_a_label_is_an_option() -> None:
    payload = {"id": "Label_7", "name": "Kunden", "type": "user"}

    record = GmailConnector(None).transform(Entity("labels", "Label_7", payload))

    assert record == Option(name="Kunden", kind="user")
