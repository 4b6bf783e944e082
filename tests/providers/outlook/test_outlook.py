"""Outlook: delta walks, partial changes, and links that are forgotten."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from integrations.connectors.outlook import OutlookConnector
from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    EntityTypeUnavailableError,
    HubError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.types import Checkpoint, Entity
from tests.providers.conftest import Reader
from tests.sandbox.conftest import CALLBACK, Caller

TYPES = ["folders", "messages", "events", "contacts"]


@pytest.fixture
def with_folders(outlook: Reader) -> Reader:
    outlook.read("folders")
    return outlook


@pytest.mark.parametrize("entity_type", TYPES)
def test_a_later_read_brings_what_changed_was_added_and_is_gone(
    with_folders: Reader, entity_type: str
) -> None:
    outlook = with_folders
    outlook.read(entity_type)
    changed = outlook.order("change", entity_type, count=3)
    added = outlook.order("add", entity_type, count=2)
    gone = max(outlook.there(entity_type) - {*changed, *added})
    outlook.order("delete", entity_type, ids=[gone])

    came = outlook.again(entity_type)

    assert {one.source_id for one in came} == {*changed, *added, gone}
    assert [one.source_id for one in came if one.deleted] == [gone]
    assert outlook.ids(entity_type) == outlook.there(entity_type)


def test_a_quiet_mailbox_costs_one_call_a_folder(with_folders: Reader) -> None:
    with_folders.read("messages")

    assert with_folders.again("messages") == []
    assert with_folders.calls == len(with_folders.ids("folders"))


def test_a_change_that_shows_only_itself_is_asked_for_whole(with_folders: Reader) -> None:
    outlook = with_folders
    outlook.read("messages")
    [source_id] = outlook.order("change", "messages", count=1)

    [changed] = outlook.again("messages")

    assert outlook.calls == len(outlook.ids("folders")) + 1
    assert changed.data["body"]
    full = OutlookConnector(None).transform(changed)
    outlook.cursors.clear()
    outlook.read("messages")
    assert OutlookConnector(None).transform(outlook.stored["messages"][source_id]) == full


def test_each_occurrence_of_a_series_is_asked_for_whole(outlook: Reader) -> None:
    outlook.read("events")

    occurrences = [one for one in outlook.known("events") if one.data["type"] == "occurrence"]
    assert occurrences
    assert all(one.data["subject"] for one in occurrences)
    asked = outlook.asked()
    details = [path for path in asked if "/me/events/" in path]
    assert len(details) == len(occurrences)


def test_events_are_read_within_a_year_of_the_run(outlook: Reader) -> None:
    far = {"start": {"dateTime": "2020-01-01T10:00:00.0000000", "timeZone": "UTC"}}
    [old] = outlook.order("add", "events", count=1, set=far)

    outlook.read("events")

    assert old in outlook.there("events")
    assert outlook.ids("events") == outlook.there("events") - {old}


@pytest.mark.parametrize("entity_type", ["messages", "events"])
def test_stopped_anywhere_it_goes_on_and_asks_for_no_item_twice(
    with_folders: Reader, entity_type: str
) -> None:
    outlook = with_folders
    since: Checkpoint | None = None
    finished: set[str] = set()
    for _ in range(60):
        came = 0

        def enough(entity: Entity) -> bool:
            nonlocal came
            if entity.position is not None and entity.position.done:
                finished.add(entity.position.scope)
            came += entity.position is not None
            return came >= 3

        outlook.read(entity_type, since, enough)
        since = outlook.checkpoint(entity_type, finished=frozenset(finished))
        if came < 3:
            break

    assert outlook.ids(entity_type) == outlook.there(entity_type)
    asked = outlook.asked()
    details = [path for path in asked if f"/me/{entity_type}/" in path]
    assert len(details) == len(set(details))


def test_a_folder_that_is_gone_is_passed_over(with_folders: Reader) -> None:
    outlook = with_folders
    outlook.read("messages")
    [folder] = outlook.order("delete", "folders", ids=[max(outlook.ids("folders"))])

    outlook.again("messages")

    assert outlook.skipped == {folder: "not_found_at_provider"}


def test_a_moved_message_keeps_its_id_and_is_gone_from_its_old_folder_only(
    with_folders: Reader,
) -> None:
    """A tombstone names the folder it was seen in: one that comes late harms no other."""
    outlook = with_folders
    outlook.read("messages")
    moved = next(outlook.known("messages"))
    folder = next(id for id in sorted(outlook.ids("folders")) if id != moved.scope)
    outlook.order("change", "messages", ids=[moved.source_id], set={"parentFolderId": folder})

    came = outlook.again("messages")

    assert {one.source_id for one in came} == {moved.source_id}
    assert {one.scope: one.deleted for one in came} == {moved.scope: True, folder: False}


@pytest.mark.parametrize("entity_type", TYPES)
def test_a_forgotten_link_asks_for_everything_again(with_folders: Reader, entity_type: str) -> None:
    with_folders.read(entity_type)
    with_folders.order("expire_cursors")

    with pytest.raises(CheckpointExpiredError):
        with_folders.again(entity_type)


def test_a_backfill_date_bounds_the_first_read(with_folders: Reader) -> None:
    outlook = with_folders
    rows = outlook.sandbox.truth("outlook", "messages")
    floor = datetime.fromtimestamp(sorted(row["stamp"] for row in rows.values())[120], UTC)

    outlook.read("messages", Checkpoint(not_before=floor))

    received = [one.data["receivedDateTime"] for one in outlook.known("messages")]
    assert 0 < len(received) < len(rows)
    assert min(received) >= f"{floor:%Y-%m-%dT%H:%M:%SZ}"


def test_a_poisoned_row_is_set_aside_alone(with_folders: Reader) -> None:
    [poisoned] = with_folders.order("poison", "messages", index=7, kind="surrogate")

    read = with_folders.read("messages")

    unreadable = [one.source_id for one in read if not isinstance(one.payload, dict)]
    assert unreadable == [poisoned]
    assert len(read) == len(with_folders.there("messages"))


def test_ids_that_survive_moves_are_asked_for(outlook: Reader) -> None:
    prefer = OutlookConnector.provider.headers["Prefer"]
    assert 'IdType="ImmutableId"' in prefer

    url = outlook.sandbox.at("https://graph.microsoft.com", "/v1.0/me/contacts/delta")
    headers = {"Authorization": f"Bearer {outlook.credentials.access_token}"}
    assert outlook.sandbox.http.get(url, headers=headers).status_code == 400
    answer = outlook.sandbox.http.get(url, headers={**headers, "Prefer": prefer})
    assert answer.headers["Preference-Applied"] == "odata.maxpagesize=100"


def test_identity_is_the_user(outlook: Reader) -> None:
    account = outlook.account()

    assert account.id == "48d31887-5fad-4d73-a9f5-3c356e68a001"
    assert account.label == "office@nordlicht.example"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "InvalidAuthenticationToken", AccessTokenRefusedError),
        (403, "insufficient_claims", ReauthorizationRequiredError),
        (403, "ErrorAccessDenied", EntityTypeUnavailableError),
        (403, "Authorization_RequestDenied", EntityTypeUnavailableError),
        (404, "MailboxNotEnabledForRESTAPI", EntityTypeUnavailableError),
        (400, "syncStateNotFound", CheckpointExpiredError),
        (400, "resyncRequired", CheckpointExpiredError),
        (410, "", CheckpointExpiredError),
        (429, "TooManyRequests", RateLimitError),
        (200, "serviceNotAvailable", RetryableError),
    ],
)
def test_a_code_says_whose_turn_it_is(
    outlook: Reader, status: int, code: str, error: type[HubError]
) -> None:
    body = {"error": {"code": code, "message": "…"}}

    raised = outlook.error_of("folders", status=status, body=body)

    assert isinstance(raised, error)


def test_a_throttled_mailbox_says_how_long_to_wait(outlook: Reader) -> None:
    outlook.order("set", limits_scale=0.0)

    with pytest.raises(RateLimitError) as throttled:
        outlook.read("folders")

    assert throttled.value.retry_after == 30


def test_every_refresh_brings_a_new_refresh_token(caller: Caller) -> None:
    client = caller.own("/_credentials")["outlook"]["clients"][0]
    app = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    login = "https://login.microsoftonline.com/common"
    back = caller.consent(
        caller.at(login, "/oauth2/v2.0/authorize"),
        {
            "client_id": client["client_id"],
            "response_type": "code",
            "scope": "User.Read offline_access",
            "redirect_uri": CALLBACK,
            "state": "s",
        },
    )
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK}
    url = caller.at(login, "/oauth2/v2.0/token")
    first = caller.http.post(url, data={**form, **app}).json()

    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = caller.http.post(url, data={**again, **app}).json()

    assert first["scope"] == "User.Read"
    assert second["refresh_token"] != first["refresh_token"]
    gone = caller.http.post(url, data={**again, **app, "refresh_token": "0.AXother"})
    assert (gone.status_code, gone.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("calendarView/delta", 400),
        ("contacts/delta?$top=5", 400),
        ("contacts/delta?$deltatoken=bogus", 400),
        ("mailFolders/none/messages/delta", 404),
        ("messages/none", 404),
    ],
)
def test_the_sandbox_refuses_what_graph_refuses(outlook: Reader, path: str, status: int) -> None:
    url = outlook.sandbox.at("https://graph.microsoft.com", f"/v1.0/me/{quote(path, '/?$=')}")
    headers = {**OutlookConnector.provider.headers}
    headers["Authorization"] = f"Bearer {outlook.credentials.access_token}"

    assert outlook.sandbox.http.get(url, headers=headers).status_code == status
    headers["Authorization"] = "Bearer other"
    assert outlook.sandbox.http.get(url, headers=headers).status_code == 401
