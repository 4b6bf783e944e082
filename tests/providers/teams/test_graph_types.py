"""Requests and answers against Microsoft's own description of the types."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.providers.conftest import Reader
from tests.providers.graph import (
    TYPES,
    assert_only_described_fields_matter,
    graph,
    problems,
    properties,
)
from tests.providers.official import needs

KINDS = {
    "teams": "team",
    "members": "aadUserConversationMember",
    "channels": "channel",
    "messages": "chatMessage",
}
LISTS = {**KINDS, "joinedTeams": "team", "delta": "chatMessage", "replies": "chatMessage"}
ALLOWED = {
    "messages": [{"$top", "$expand"}, {"$skiptoken"}],
    "delta": [{"$top", "$expand", "$filter"}, {"$skiptoken"}, {"$deltatoken"}],
    "replies": [{"$top"}, {"$skiptoken"}],
}
"""What may be asked of a list, by the last step of its path; nothing of any other."""

pytestmark = needs(TYPES)


@pytest.fixture
def read(with_channels: Reader) -> Reader:
    """Everything read in full, changed, and read again, a very long thread included."""
    reader = with_channels
    for name in KINDS:
        reader.read(name)
    reply = next(one for one in reader.known("messages") if one.data["replyToId"])
    below = {"channel": reply.scope, "reply_to": reply.data["replyToId"]}
    reader.order("add", "messages", count=1001, **below)
    for name in KINDS:
        reader.order("change", name, count=4)
        if name == "messages":
            reader.order("delete", name, count=2)
        reader.again(name)
    reader.again("messages")
    return reader


def called(reader: Reader) -> list[str]:
    """The addresses below Graph's that were asked for, each once."""
    paths = reader.asked()
    return list(dict.fromkeys(path for path in paths if "/graph/v1.0/" in path))


def last_step(path: str) -> str:
    return urlsplit(path).path.rpartition("/")[2]


def test_what_the_sandbox_shows_are_properties_of_graphs_types(read: Reader) -> None:
    checked = set()
    for path in called(read):
        answer = read.ask_again(path)
        if answer.status_code == 403:
            continue
        kind = LISTS[last_step(path)]
        for item in answer.json()["value"]:
            assert not problems(item, kind), (path, problems(item, kind)[:3])
            assert item["id"]
        checked.add(last_step(path))
    assert checked == {"joinedTeams", "members", "channels", "messages", "delta", "replies"}


def test_nothing_is_asked_that_a_list_does_not_know(read: Reader) -> None:
    assert "Collection(chatMessage)" in {one["bound_to"] for one in graph()["delta_functions"]}
    assert "replies" in properties("chatMessage")
    assert "lastModifiedDateTime" in properties("chatMessage")

    seen = set()
    for path in called(read):
        asked = parse_qs(urlsplit(path).query)
        allowed = ALLOWED.get(last_step(path), [set()])
        assert set(asked) in allowed, path
        assert asked.get("$top", ["50"]) == ["50"]
        assert asked.get("$expand", ["replies"]) == ["replies"]
        seen |= set(asked)
    assert seen == {"$top", "$expand", "$filter", "$skiptoken", "$deltatoken"}


def test_every_field_a_record_is_made_of_exists(read: Reader) -> None:
    assert_only_described_fields_matter(read, KINDS)
