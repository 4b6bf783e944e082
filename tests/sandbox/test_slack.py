"""Slack in the sandbox: cursors, channels the bot cannot read, refusals with status 200."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Caller


def walk(caller: Caller, token: str, method: str, items: str, **params: str) -> list[Any]:
    rows: list[Any] = []
    for _ in range(100):
        page = caller.slack(token, method, **params).json()
        assert page["ok"], page
        rows += page[items]
        params["cursor"] = page.get("response_metadata", {}).get("next_cursor", "")
        if not params["cursor"]:
            return rows
    raise AssertionError("the list does not end")


def channels_of(caller: Caller, token: str) -> list[Any]:
    types = "public_channel,private_channel"
    return walk(caller, token, "conversations.list", "channels", types=types, limit="5")


def test_users_are_paged_to_the_end(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]

    users = walk(caller, token, "users.list", "members", limit="7")

    assert [user["id"] for user in users] == sorted(caller.truth("slack", "users"))
    assert any(user["deleted"] for user in users)
    assert any(user["is_bot"] for user in users)


def test_a_hidden_channel_is_not_listed(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]
    truth = caller.truth("slack", "channels")

    listed = {channel["id"] for channel in channels_of(caller, token)}

    assert len(truth) == 12
    assert listed == {id for id, row in truth.items() if row["visible"]}
    hidden = (set(truth) - listed).pop()
    answer = caller.slack(token, "conversations.history", channel=hidden)
    assert (answer.status_code, answer.json()["error"]) == (200, "channel_not_found")


def test_a_public_channel_without_the_bot_cannot_be_read(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]

    [foreign] = [row for row in channels_of(caller, token) if not row["is_member"]]
    answer = caller.slack(token, "conversations.history", channel=foreign["id"]).json()

    assert answer == {"ok": False, "error": "not_in_channel"}


def test_archived_channels_can_be_left_out(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]

    usual = walk(caller, token, "conversations.list", "channels")
    without = walk(caller, token, "conversations.list", "channels", exclude_archived="true")

    assert {row["id"] for row in usual if not row["is_archived"]} == {row["id"] for row in without}
    assert len(usual) == len(without) + 1


def test_history_and_replies_together_are_every_message_once(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]
    found: set[str] = set()
    for channel in channels_of(caller, token):
        if not channel["is_member"]:
            continue
        id = channel["id"]
        roots = walk(caller, token, "conversations.history", "messages", channel=id, limit="40")
        stamps = [root["ts"] for root in roots]
        assert stamps == sorted(stamps, reverse=True)
        found |= {f"{id}:{ts}" for ts in stamps}
        for root in roots:
            if root.get("reply_count"):
                thread = walk(
                    caller,
                    token,
                    "conversations.replies",
                    "messages",
                    channel=id,
                    ts=root["ts"],
                    limit="3",
                )
                assert thread[0]["ts"] == root["ts"]
                assert len(thread) == 1 + root["reply_count"]
                assert thread[-1]["ts"] == root["latest_reply"]
                found |= {f"{id}:{reply['ts']}" for reply in thread}

    truth = caller.truth("slack", "messages")
    assert found == {id for id, row in truth.items() if row["visible"]}
    assert 800 <= len(truth) <= 1000


def test_messages_have_edits_files_emoji_and_broadcasts(caller: Caller) -> None:
    part = caller.sandbox.world.parts["slack"]
    table = part.table(next(iter(part.accounts.values())), "messages")
    messages = [row.data for row in table]

    assert any("edited" in message for message in messages)
    assert any(message.get("files") for message in messages)
    assert any("☀️" in message["text"] for message in messages)
    assert any(message.get("subtype") == "thread_broadcast" for message in messages)
    assert any("user" not in message and "bot_id" in message for message in messages)


def test_the_ends_of_a_window_are_excluded_unless_inclusive(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]
    id = channels_of(caller, token)[0]["id"]
    rows = walk(caller, token, "conversations.history", "messages", channel=id)
    window = {"channel": id, "latest": rows[2]["ts"], "oldest": rows[6]["ts"]}

    exclusive = caller.slack(token, "conversations.history", **window).json()
    inclusive = caller.slack(token, "conversations.history", **window, inclusive="true").json()

    assert exclusive["messages"] == rows[3:6]
    assert inclusive["messages"] == rows[2:7]
    assert exclusive["has_more"] is False


def test_a_cursor_survives_new_messages_but_not_its_expiry(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]
    id = channels_of(caller, token)[0]["id"]
    whole = walk(caller, token, "conversations.history", "messages", channel=id)
    asked = {"channel": id, "limit": "3"}
    first = caller.slack(token, "conversations.history", **asked).json()
    cursor = first["response_metadata"]["next_cursor"]
    caller.control("add", slug="slack", entity="messages", count=2, channel=id)

    second = caller.slack(token, "conversations.history", **asked, cursor=cursor).json()
    caller.control("expire_cursors", slug="slack")
    third = caller.slack(token, "conversations.history", **asked, cursor=cursor).json()

    assert first["messages"] + second["messages"] == whole[:6]
    assert third == {"ok": False, "error": "invalid_cursor"}


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"limit": "0"}, "invalid_arguments"),
        ({"limit": "1000"}, "invalid_arguments"),
        ({"oldest": "yesterday"}, "invalid_ts_oldest"),
        ({"latest": "1.2.3"}, "invalid_ts_latest"),
        ({"cursor": "bm9uc2Vuc2U="}, "invalid_cursor"),
        ({"channel": "C0NOWHERE"}, "channel_not_found"),
    ],
)
def test_arguments_that_mean_nothing_are_refused_with_status_200(
    caller: Caller, params: dict[str, str], error: str
) -> None:
    token = caller.slack_install()["access_token"]
    id = channels_of(caller, token)[0]["id"]

    answer = caller.slack(token, "conversations.history", **{"channel": id, **params})

    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})


def test_a_missing_scope_is_named(caller: Caller) -> None:
    token = caller.slack_install(scope="channels:read,users:read")["access_token"]

    refused = caller.slack(token, "conversations.list", types="private_channel").json()
    members = caller.slack(token, "users.list", limit="5").json()["members"]

    assert refused == {
        "ok": False,
        "error": "missing_scope",
        "needed": "groups:read",
        "provided": "channels:read,users:read",
    }
    assert all("email" not in member["profile"] for member in members)


def test_tokens_are_refused_with_status_200(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]

    assert caller.slack("xoxb-unknown", "auth.test").json()["error"] == "invalid_auth"
    assert caller.http.get(caller.at("https://slack.com", "/api/auth.test")).json() == {
        "ok": False,
        "error": "not_authed",
    }
    assert caller.slack(token, "auth.revoke", test="1").json() == {"ok": True, "revoked": False}
    assert caller.slack(token, "auth.revoke").json() == {"ok": True, "revoked": True}
    assert caller.slack(token, "auth.test").json()["error"] == "token_revoked"


def test_an_unknown_method_is_refused(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]

    assert caller.slack(token, "chat.postMessage").json()["error"] == "unknown_method"


def test_the_workspace_says_who_it_is(caller: Caller) -> None:
    token = caller.slack_install(1)["access_token"]

    assert caller.slack(token, "auth.test").json()["team"] == "Harbour & Vale Ltd"
    assert caller.slack(token, "team.info").json()["team"]["id"] == "T0HARBOURV"


def test_a_burst_is_tolerated_and_then_each_method_waits_on_its_own(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]
    caller.fill_slowly("users.list")
    answers = [caller.slack(token, "users.list", limit="1") for _ in range(120)]

    assert {answer.status_code for answer in answers[:100]} == {200}
    assert answers[-1].status_code == 429
    assert answers[-1].json() == {"ok": False, "error": "ratelimited"}
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert caller.slack(token, "conversations.list").status_code == 200


def test_deleting_a_reply_lowers_the_count_and_a_parent_leaves_a_tombstone(caller: Caller) -> None:
    token = caller.slack_install()["access_token"]
    id = channels_of(caller, token)[0]["id"]
    roots = walk(caller, token, "conversations.history", "messages", channel=id)
    parent = next(root for root in roots if root.get("reply_count"))
    [added] = caller.control(
        "add", slug="slack", entity="messages", channel=id, thread_ts=parent["ts"]
    )["ids"]

    def thread() -> list[Any]:
        params = {"channel": id, "ts": parent["ts"]}
        return walk(caller, token, "conversations.replies", "messages", **params)

    assert thread()[0]["reply_count"] == parent["reply_count"] + 1
    caller.control("delete", slug="slack", entity="messages", ids=[added])
    assert thread()[0]["reply_count"] == parent["reply_count"]
    caller.control("delete", slug="slack", entity="messages", ids=[f"{id}:{parent['ts']}"])
    assert thread()[0]["subtype"] == "tombstone"
