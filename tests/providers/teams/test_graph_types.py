"""Requests and answers against Microsoft's own description of the types.

It lies in a folder outside the repository (HUB_SHARED, by default `shared` beside it); without it
this lane is skipped and says so. The description holds names, types and which lists have a delta
function; it holds no paths and nothing of organisations.
"""

from __future__ import annotations

import gzip
import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.connectors.teams import TeamsConnector
from integrations.types import Entity
from tests.providers.conftest import Reader

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("HUB_SHARED") or REPOSITORY.parent / "shared")
TYPES = SHARED / "vendors" / "specs" / "msgraph_v1_types_subset.json.gz"
KINDS = {
    "teams": "team",
    "members": "aadUserConversationMember",
    "channels": "channel",
    "messages": "chatMessage",
}
LISTS = {**KINDS, "joinedTeams": "team", "delta": "chatMessage", "replies": "chatMessage"}
PLAIN: dict[str, type | tuple[type, ...]] = {
    "Edm.String": str,
    "Edm.Boolean": bool,
    "Edm.Int32": int,
    "Edm.DateTimeOffset": str,
}
ALLOWED = {
    "messages": [{"$top", "$expand"}, {"$skiptoken"}],
    "delta": [{"$top", "$expand", "$filter"}, {"$skiptoken"}, {"$deltatoken"}],
    "replies": [{"$top"}, {"$skiptoken"}],
}
"""What may be asked of a list, by the last step of its path; nothing of any other."""

pytestmark = pytest.mark.skipif(
    not TYPES.is_file(), reason=f"no description of Graph: {TYPES} is not there (set HUB_SHARED)"
)


@cache
def graph() -> Any:
    return json.loads(gzip.decompress(TYPES.read_bytes()))


@cache
def properties(name: str) -> dict[str, str]:
    """Type by name of property, those of what it is based on and its related lists included."""
    declared = graph()["types"][name]
    above = properties(declared["base"]) if declared.get("base") in graph()["types"] else {}
    own = {key: one["type"] for key, one in declared.get("properties", {}).items()}
    return {**above, **own, **declared.get("navigation", {})}


def problems(value: Any, kind: str) -> list[str]:
    """What is no property of its type, or has another value than its type allows."""
    if value is None:
        return []
    if kind.startswith("Collection("):
        return [said for one in value for said in problems(one, kind[11:-1])]
    if kind in PLAIN:
        return [] if isinstance(value, PLAIN[kind]) else [f"{value!r} is no {kind}"]
    declared = graph()["types"].get(kind)
    if declared is None:
        return [f"{kind} is not described"]
    if declared["kind"] == "EnumType":
        return [] if value in declared["members"] else [f"{value!r} is no {kind}"]
    told = value.get("@odata.type", "").removeprefix("#microsoft.graph.")
    known = properties(told if told in graph()["types"] else kind)
    named = {name: one for name, one in value.items() if "@" not in name}
    unknown = [f"{kind} has no {name}" for name in named if name not in known]
    below = [
        said for name, one in named.items() if name in known for said in problems(one, known[name])
    ]
    return unknown + below


@pytest.fixture
def read(with_channels: Reader) -> Reader:
    """Everything read in full, changed, and read again, a very long thread included."""
    reader = with_channels
    for name in KINDS:
        reader.read(name)
    reply = next(one for one in reader.known("messages") if one.data["replyToId"])
    below = {"channel": reply.scope, "reply_to": reply.data["replyToId"]}
    reader.sandbox.control("add", slug="teams", entity="messages", count=1001, **below)
    for name in KINDS:
        reader.sandbox.control("change", slug="teams", entity=name, count=4)
        if name == "messages":
            reader.sandbox.control("delete", slug="teams", entity=name, count=2)
        reader.read(name, reader.checkpoint(name))
    reader.read("messages", reader.checkpoint("messages"))
    return reader


def called(reader: Reader) -> list[str]:
    """The addresses below Graph's that were asked for, each once."""
    paths = [one["path"] for one in reader.sandbox.own("/_requests?slug=teams")]
    return list(dict.fromkeys(path for path in paths if "/graph/v1.0/" in path))


def last_step(path: str) -> str:
    return urlsplit(path).path.rpartition("/")[2]


def test_what_the_sandbox_shows_are_properties_of_graphs_types(read: Reader) -> None:
    headers = {**TeamsConnector.provider.headers}
    headers["Authorization"] = f"Bearer {read.credentials.access_token}"

    checked = set()
    for path in called(read):
        answer = read.sandbox.http.get(read.sandbox.sandbox.url + path, headers=headers)
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
    """With only the fields Graph names, the records are the same."""
    for name, kind in KINDS.items():
        known = properties(kind)
        for entity in list(read.known(name))[:40]:
            named = {key: value for key, value in entity.data.items() if key in known}
            stripped = Entity(name, entity.source_id, named, entity.scope)
            connector = TeamsConnector(None)
            assert connector.transform(stripped) == connector.transform(entity)
