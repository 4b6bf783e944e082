"""Teams: threads with their replies, changes by delta walks, channels that are closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.connectors.teams import TeamsConnector
from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    EntityTypeUnavailableError,
    HubError,
    ParentSkippedError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.types import Checkpoint, Entity, Unreadable
from tests.providers.conftest import Reader

TYPES = ["teams", "members", "channels", "messages"]
FLAT = TYPES[:3]


def a_post(reader: Reader) -> Entity:
    """A post with replies."""
    replies = (one for one in reader.known("messages") if one.data["replyToId"])
    reply = next(replies)
    return reader.stored["messages"][f"{reply.scope}/{reply.data['replyToId']}"]


@pytest.mark.parametrize("entity_type", FLAT)
def test_short_lists_are_read_in_full_each_time(with_channels: Reader, entity_type: str) -> None:
    with_channels.order("add", entity_type, count=2)
    with_channels.order("delete", entity_type, count=1)

    with_channels.again("teams")
    came = with_channels.again(entity_type)

    # What is gone shows by its absence.
    assert {one.source_id for one in came} == with_channels.there(entity_type)


def test_a_later_read_brings_the_threads_of_what_changed_was_added_and_is_gone(
    with_channels: Reader,
) -> None:
    teams = with_channels
    teams.read("messages")
    threads = {one.source_id: _thread(one) for one in teams.known("messages")}
    changed = teams.order("change", "messages", count=5)
    added = teams.order("add", "messages", count=3)
    gone = sorted(teams.there("messages") - {*changed, *added})[7]
    teams.order("delete", "messages", ids=[gone])

    came = {one.source_id: one for one in teams.again("messages")}

    assert {gone, *changed, *added} <= set(came)
    assert came[gone].deleted
    assert teams.ids("messages") == teams.there("messages")
    # Threads come whole; an added post is one of its own.
    threads |= {id: id for id in added}
    moved = {threads[id] for id in (gone, *changed, *added)}
    assert {threads[id] for id in set(came) & set(threads)} == moved


def _thread(message: Entity) -> str:
    return f"{message.scope}/{message.data['replyToId'] or message.data['id']}"


def test_changes_are_asked_for_by_date_once_and_then_by_link(with_channels: Reader) -> None:
    teams = with_channels
    teams.read("messages")
    channels = len(teams.ids("channels")) - len(teams.skipped)

    first = _queries(teams)
    then = _queries(teams)

    earliest = datetime.now(UTC) - timedelta(minutes=7)
    sinces = [query["$filter"][0].rpartition(" ")[2] for query in first if "$filter" in query]
    assert len(sinces) == channels
    assert all(datetime.fromisoformat(since) > earliest for since in sinces)
    assert sum("$deltatoken" in query for query in then) == channels


def _queries(reader: Reader) -> list[dict[str, list[str]]]:
    """What the next read of messages asks for."""
    before = len(reader.asked())
    reader.again("messages")
    return [parse_qs(urlsplit(path).query) for path in reader.asked()[before:]]


def test_a_quiet_organisation_costs_one_call_a_channel(with_channels: Reader) -> None:
    with_channels.read("messages")
    with_channels.again("messages")

    assert with_channels.again("messages") == []
    assert with_channels.calls == len(with_channels.ids("channels"))


def test_a_new_reply_and_an_edited_one_bring_their_thread(with_channels: Reader) -> None:
    teams = with_channels
    teams.read("messages")
    post = a_post(teams)
    place = {"channel": post.scope, "reply_to": post.data["id"]}
    [new] = teams.order("add", "messages", count=1, **place)

    came = teams.again("messages")

    assert new in {one.source_id for one in came}
    assert {_thread(one) for one in came} == {post.source_id}
    assert post.source_id in {one.source_id for one in came}
    reply = teams.stored["messages"][new]
    record = TeamsConnector(None).transform(reply)
    assert record.refs()["thread"].source_id == post.source_id  # type: ignore[union-attr]
    teams.order("change", "messages", ids=[new])
    assert new in {one.source_id for one in teams.again("messages")}
    assert teams.stored["messages"][new].payload != reply.payload


def test_replies_live_on_when_their_post_is_deleted(with_channels: Reader) -> None:
    teams = with_channels
    teams.read("messages")
    post = a_post(teams)
    replies = {
        one.source_id for one in teams.known("messages") if _thread(one) == post.source_id
    } - {post.source_id}
    teams.order("delete", "messages", ids=[post.source_id])

    came = teams.again("messages")

    deleted = {one.source_id: one.deleted for one in came}
    assert deleted == {post.source_id: True} | dict.fromkeys(replies, False)
    assert teams.ids("messages") == teams.there("messages")


def test_what_was_deleted_long_ago_is_no_record(with_channels: Reader) -> None:
    came = with_channels.read("messages")

    gone = {one.source_id for one in came if one.deleted}
    assert len(gone) >= 3
    assert not gone & with_channels.ids("messages")


def test_more_replies_than_come_along_are_asked_for(with_channels: Reader) -> None:
    teams = with_channels
    teams.read("messages")
    post = a_post(teams)
    place = {"channel": post.scope, "reply_to": post.data["id"]}
    teams.order("add", "messages", count=1100, **place)

    came = teams.again("messages")

    assert len({one.source_id for one in came}) > 1100
    assert teams.ids("messages") == teams.there("messages")
    further = [path for path in teams.asked() if "/replies?" in path]
    assert 2 <= len(further) <= 4


def test_stopped_anywhere_it_goes_on_without_loss(with_channels: Reader) -> None:
    teams = with_channels
    since: Checkpoint | None = None
    finished: set[str] = set()
    for _ in range(40):
        came = 0

        def enough(entity: Entity) -> bool:
            nonlocal came
            if entity.position is not None and entity.position.done:
                finished.add(entity.position.scope)
            came += entity.position is not None
            return came >= 3

        teams.read("messages", since, enough)
        since = teams.checkpoint("messages", finished=frozenset(finished))
        if came < 3:
            break

    assert teams.ids("messages") == teams.there("messages")


@pytest.mark.parametrize("status", [403, 404])
def test_one_closed_channel_is_passed_over(with_channels: Reader, status: int) -> None:
    teams = with_channels
    channel = sorted(teams.ids("channels"))[2]
    code = {403: "Forbidden", 404: "NotFound"}[status]
    body = f'{{"error":{{"code":"{code}","message":"…"}}}}'
    path = channel.replace(".", r"\.")
    teams.order("fault", path=path, status=status, body=body, count=None)

    teams.read("messages")

    assert channel in teams.skipped
    others = {one for one in teams.there("messages") if not one.startswith(channel)}
    assert teams.ids("messages") == others


def test_a_private_channel_one_is_no_member_of_is_listed_and_passed_over(
    with_channels: Reader,
) -> None:
    with_channels.read("messages")

    [(closed, code)] = with_channels.skipped.items()
    assert code == "parent_skipped"
    assert with_channels.stored["channels"][closed].data["membershipType"] == "private"


def test_a_channel_that_is_gone_is_passed_over(with_channels: Reader) -> None:
    with_channels.read("messages")
    with_channels.skipped.clear()
    [channel] = with_channels.order("delete", "channels", ids=[sorted(_opened(with_channels))[0]])

    with_channels.again("messages")

    assert with_channels.skipped[channel] == "not_found_at_provider"


def _opened(reader: Reader) -> set[str]:
    return {one.scope for one in reader.known("messages")}


def test_a_forgotten_link_asks_for_everything_again(with_channels: Reader) -> None:
    teams = with_channels
    teams.read("messages")
    teams.again("messages")
    teams.order("expire_cursors")

    with pytest.raises(CheckpointExpiredError):
        teams.again("messages")


def test_a_backfill_date_bounds_the_first_read_as_far_as_changes_reach(
    with_channels: Reader,
) -> None:
    teams = with_channels
    floor = datetime.now(UTC) - timedelta(days=120)

    teams.read("messages", Checkpoint(not_before=floor))

    some = teams.ids("messages")
    assert 0 < len(some) < len(teams.there("messages"))
    recent = {
        one.source_id
        for one in teams.known("messages")
        if one.data["lastModifiedDateTime"] > f"{floor:%Y-%m-%dT%H:%M:%SZ}"
    }
    assert {_thread(teams.stored["messages"][one]) for one in recent} == {
        _thread(one) for one in teams.known("messages")
    }
    assert teams.again("messages") == []


def test_an_older_backfill_date_reads_all_there_is(with_channels: Reader) -> None:
    """Changes are told for eight months only, and the list knows no date."""
    floor = datetime.now(UTC) - timedelta(days=300)

    with_channels.read("messages", Checkpoint(not_before=floor))

    assert with_channels.ids("messages") == with_channels.there("messages")


def test_a_poisoned_reply_is_set_aside_alone(with_channels: Reader) -> None:
    teams = with_channels
    teams.read("messages")
    reply = next(one for one in teams.known("messages") if one.data["replyToId"])
    teams.stored.pop("messages")
    teams.order("poison", "messages", id=reply.source_id, kind="nul")

    read = teams.read("messages")

    unreadable = [one.source_id for one in read if isinstance(one.payload, Unreadable)]
    assert unreadable == [reply.source_id]
    assert teams.ids("messages") == teams.there("messages")


def test_a_poisoned_post_leaves_its_replies(with_channels: Reader) -> None:
    teams = with_channels
    teams.read("messages")
    post = a_post(teams)
    teams.stored.pop("messages")
    teams.order("poison", "messages", id=post.source_id, kind="surrogate")

    read = teams.read("messages")

    unreadable = [one.source_id for one in read if isinstance(one.payload, Unreadable)]
    assert unreadable == [post.source_id]
    assert teams.ids("messages") == teams.there("messages")


def test_looking_once_a_day_is_declared() -> None:
    for declared in TeamsConnector.entity_types:
        assert declared.min_interval == timedelta(days=1)


def test_identity_is_the_organisation(teams: Reader) -> None:
    account = teams.account()

    assert account.id == "7d1f5b0e-2c43-4c0c-8f0a-6b1c3a54e001"
    assert account.label == "Nordlicht GmbH"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "InvalidAuthenticationToken", AccessTokenRefusedError),
        (403, "insufficient_claims", ReauthorizationRequiredError),
        (403, "Forbidden", ParentSkippedError),
        (403, "Authorization_RequestDenied", EntityTypeUnavailableError),
        (400, "syncStateNotFound", CheckpointExpiredError),
        (400, "resyncRequired", CheckpointExpiredError),
        (410, "", CheckpointExpiredError),
        (409, "Conflict", RetryableError),
        (412, "PreconditionFailed", RetryableError),
        (429, "TooManyRequests", RateLimitError),
        (200, "serviceNotAvailable", RetryableError),
    ],
)
def test_a_code_says_whose_turn_it_is(
    teams: Reader, status: int, code: str, error: type[HubError]
) -> None:
    body = {"error": {"code": code, "message": "…"}}

    raised = teams.error_of("teams", status=status, body=body)

    assert type(raised) is error
