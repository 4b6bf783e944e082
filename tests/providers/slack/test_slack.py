"""Slack: cursors, histories newest first, replies below them, errors under status 200."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.fields import uuid7
from integrations.connectors.slack import SlackConnector
from integrations.errors import (
    AccessTokenRefusedError,
    EntityTypeUnavailableError,
    ReauthorizationRequiredError,
)
from integrations.models import Connection
from integrations.records import Channel, Message, User
from integrations.resilience.clock import SystemClock
from integrations.sync.guards import guard_for
from integrations.types import Checkpoint, Credentials, Entity, Ref
from tests.providers.conftest import Reader, assert_all_become_records


@pytest.fixture
def with_channels(slack: Reader) -> Reader:
    slack.read("channels")
    return slack


def test_all_messages_and_replies_are_read_and_forbidden_channels_skipped(
    with_channels: Reader,
) -> None:
    slack = with_channels

    slack.read("messages")

    assert slack.ids("messages") == slack.there("messages")
    assert_all_become_records(slack, "messages")
    channels = slack.stored["channels"].values()
    closed = {one.source_id for one in channels if not one.data["is_member"]}
    assert closed
    assert slack.skipped == dict.fromkeys(closed, "parent_skipped")


def test_a_later_read_brings_new_messages_and_new_replies(with_channels: Reader) -> None:
    slack = with_channels
    slack.read("messages")
    full = slack.calls
    channel = next(one for one in slack.stored["channels"].values() if one.data["is_member"])
    new = slack.order("add", "messages", count=2, set={"channel": channel.source_id})

    again = slack.again("messages")

    assert set(new) <= {entity.source_id for entity in again}
    assert slack.ids("messages") == slack.there("messages")
    assert slack.calls < full / 2


def test_stopped_after_any_position_nothing_is_lost_or_read_again(with_channels: Reader) -> None:
    slack = with_channels
    since: Checkpoint | None = None
    finished: set[str] = set()
    for _ in range(400):
        stop = 0

        def at_third_position(entity: Entity) -> bool:
            nonlocal stop
            stop += entity.position is not None
            if entity.position is not None and entity.position.done:
                finished.add(entity.position.scope)
            return stop >= 3

        before = slack.ids("messages")
        seen = slack.read("messages", since, at_third_position)
        assert not before & {entity.source_id for entity in seen if not _is_broadcast(entity)}
        since = slack.checkpoint("messages", finished=frozenset(finished | set(slack.skipped)))
        if stop < 3:
            break

    assert slack.ids("messages") == slack.there("messages")


def _is_broadcast(entity: Entity) -> bool:
    """Such a reply stands in the channel as well and is listed twice."""
    return entity.data.get("subtype") == "thread_broadcast"


def test_a_cursor_slack_has_forgotten_begins_the_list_again(slack: Reader) -> None:
    slack.read("users", None, lambda entity: entity.position is not None)
    since = slack.checkpoint("users")
    slack.order("expire_cursors")

    slack.read("users", since)

    assert slack.ids("users") == slack.there("users")


def test_identity_is_the_workspace(slack: Reader) -> None:
    account = slack.account()

    assert (account.id, account.label) == ("T0NORDLICH", "Nordlicht GmbH")


def test_a_dead_token_needs_a_person_though_the_status_is_200(slack: Reader) -> None:
    slack.credentials = Credentials("xoxb-gone")

    with pytest.raises(ReauthorizationRequiredError):
        slack.read("users")


def test_an_expired_token_asks_for_a_refresh(slack: Reader) -> None:
    slack.order("set", rotation=True, token_lifetime=3600)
    slack.credentials = Credentials(slack.sandbox.slack_install()["access_token"])
    slack.order("expire_tokens")

    with pytest.raises(AccessTokenRefusedError):
        slack.read("users")


def test_a_missing_scope_makes_one_entity_type_unavailable(slack: Reader) -> None:
    install = slack.sandbox.slack_install(scope="channels:read")
    slack.credentials = Credentials(install["access_token"])

    with pytest.raises(EntityTypeUnavailableError):
        slack.read("users")


def test_a_backfill_date_is_the_floor_of_the_first_walk(with_channels: Reader) -> None:
    slack = with_channels
    rows = sorted(row["stamp"] for row in slack.sandbox.truth("slack", "messages").values())
    floor = datetime.fromtimestamp(rows[len(rows) // 2], UTC)

    slack.read("messages", Checkpoint(not_before=floor))

    sent = [float(one.data["ts"]) for one in slack.known("messages") if _is_root(one)]
    assert sent
    assert min(sent) >= int(floor.timestamp())


def _is_root(entity: Entity) -> bool:
    return entity.data.get("thread_ts", entity.data["ts"]) == entity.data["ts"]


def test_a_reply_names_its_thread_and_keeps_its_microseconds() -> None:
    payload = {
        "type": "message",
        "user": "U0USER001",
        "text": "Hallo",
        "ts": "1762419600.000100",
        "thread_ts": "1762419500.000200",
        "edited": {"user": "U0USER001", "ts": "1762419700.000000"},
    }

    record = SlackConnector(None).transform(
        Entity("messages", "C1:1762419600.000100", payload, "C1")
    )

    assert record == Message(
        text="Hallo",
        author=Ref("users", "U0USER001"),
        channel=Ref("channels", "C1"),
        thread=Ref("messages", "C1:1762419500.000200"),
        sent_at=datetime(2025, 11, 6, 9, 0, 0, 100, UTC),
        edited_at=datetime(2025, 11, 6, 9, 1, 40, tzinfo=UTC),
    )


def test_users_and_channels_become_their_records() -> None:
    connector = SlackConnector(None)
    user = {"id": "U1", "name": "ana", "deleted": True, "profile": {"email": "a@firma.example"}}
    channel = {"id": "C1", "name": "allgemein", "is_archived": True, "topic": {"value": ""}}

    assert connector.transform(Entity("users", "U1", user)) == User(
        name="ana", email="a@firma.example", is_active=False
    )
    assert connector.transform(Entity("channels", "C1", channel)) == Channel(
        name="allgemein", kind="channel", is_archived=True
    )


@pytest.mark.django_db
def test_each_method_is_counted_by_itself_for_its_workspace(settings: Any) -> None:
    settings.HUB_LIMITS_FACTOR = 1
    row = Connection(
        id=uuid7(), provider="slack", source_system="slack:T0TEAM001", auth_kind="oauth2"
    )
    provider = SlackConnector.provider
    gate = guard_for(row, provider, base_url=provider.base_url, clock=SystemClock())

    def counted(path: str) -> set[tuple[str, int]]:
        budgets = [each for each in gate._applying(path) if each.scope != "tenant"]
        return {(each.name, each.limit.requests) for each in budgets if each.limit}

    [history], [replies], [users], [others] = (
        counted(path)
        for path in (
            "/conversations.history",
            "/conversations.replies",
            "/users.list",
            "/conversations.list",
        )
    )
    assert len({history[0], replies[0], users[0], others[0]}) == 4
    assert (history[1], replies[1], users[1], others[1]) == (50, 50, 20, 20)
    assert all("slack:T0TEAM001" in name for name, _ in (history, replies, users, others))
