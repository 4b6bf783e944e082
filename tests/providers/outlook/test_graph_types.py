"""Requests and answers against Microsoft's own description of the types.

It lies in a folder outside the repository (HUB_SHARED, by default `shared` beside it); without it
this lane is skipped and says so. The description holds names, types and which lists have a delta
function; it holds no paths.
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

from integrations.connectors.outlook import OutlookConnector
from integrations.types import Entity
from tests.providers.conftest import Reader

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("HUB_SHARED") or REPOSITORY.parent / "shared")
TYPES = SHARED / "vendors" / "specs" / "msgraph_v1_types_subset.json.gz"
KINDS = {"folders": "mailFolder", "messages": "message", "events": "event", "contacts": "contact"}
PLAIN: dict[str, type | tuple[type, ...]] = {
    "Edm.String": str,
    "Edm.Boolean": bool,
    "Edm.Int32": int,
    "Edm.DateTimeOffset": str,
    "Edm.Double": (int, float),
}

pytestmark = pytest.mark.skipif(
    not TYPES.is_file(), reason=f"no description of Graph: {TYPES} is not there (set HUB_SHARED)"
)


@cache
def graph() -> Any:
    return json.loads(gzip.decompress(TYPES.read_bytes()))


@cache
def properties(name: str) -> dict[str, Any]:
    declared = graph()["types"][name]
    above = properties(declared["base"]) if declared.get("base") in graph()["types"] else {}
    return {**above, **declared.get("properties", {})}


def problems(value: Any, kind: str) -> list[str]:
    """What is no property of its type, or has another value than its type allows."""
    if value is None:
        return []
    if kind.startswith("Collection("):
        return [said for one in value for said in problems(one, kind[11:-1])]
    if kind in PLAIN:
        return [] if isinstance(value, PLAIN[kind]) else [f"{value!r} is no {kind}"]
    declared = graph()["types"].get(kind.removeprefix("graph."))
    if declared is None:
        return []
    if declared["kind"] == "EnumType":
        return [] if value in declared["members"] else [f"{value!r} is no {kind}"]
    known = properties(kind.removeprefix("graph."))
    named = {name: one for name, one in value.items() if not name.startswith("@")}
    unknown = [f"{kind} has no {name}" for name in named if name not in known]
    below = [
        said
        for name, one in named.items()
        if name in known
        for said in problems(one, known[name]["type"])
    ]
    return unknown + below


@pytest.fixture
def read(outlook: Reader) -> Reader:
    """Everything read in full, changed, and read again."""
    for name in KINDS:
        outlook.read(name)
    for name in KINDS:
        outlook.sandbox.control("change", slug="outlook", entity=name, count=4)
        outlook.sandbox.control("delete", slug="outlook", entity=name, count=1)
        outlook.read(name, outlook.checkpoint(name))
    return outlook


def test_what_the_sandbox_shows_are_properties_of_graphs_types(read: Reader) -> None:
    headers = {**OutlookConnector.provider.headers}
    headers["Authorization"] = f"Bearer {read.credentials.access_token}"
    lists = {"mailFolders": "mailFolder", "calendarView": "event"}

    checked = set()
    for request in read.sandbox.own("/_requests?slug=outlook"):
        path = request["path"].partition("?")[0].removeprefix("/outlook/graph/v1.0/me/")
        if "/graph/v1.0/me/" not in request["path"]:
            continue
        answer = read.sandbox.http.get(read.sandbox.sandbox.url + request["path"], headers=headers)
        if answer.status_code == 404:
            continue
        body = answer.json()
        name = path.split("/")[-2]
        kind = lists.get(name) or name.removesuffix("s")
        for item in body.get("value", [body]):
            assert not problems(item, kind), (path, problems(item, kind)[:3])
            assert item["id"]
        checked.add(kind)
    assert checked == set(KINDS.values())


def test_only_lists_with_a_delta_function_are_asked_for_changes(read: Reader) -> None:
    bound = {one["bound_to"] for one in graph()["delta_functions"]}

    for kind in KINDS.values():
        assert f"Collection({kind})" in bound
    for request in read.sandbox.own("/_requests?slug=outlook"):
        parts = urlsplit(request["path"])
        asked = set(parse_qs(parts.query))
        allowed = [set(), {"$skiptoken"}, {"$deltatoken"}, {"startDateTime", "endDateTime"}]
        assert asked in allowed or "/graph/" not in parts.path, request["path"]


def test_every_field_a_record_is_made_of_exists(read: Reader) -> None:
    """With only the fields Graph names, the records are the same."""
    for name, kind in KINDS.items():
        known = properties(kind)
        for entity in list(read.known(name))[:20]:
            named = {key: value for key, value in entity.data.items() if key in known}
            stripped = Entity(name, entity.source_id, named, entity.scope)
            connector = OutlookConnector(None)
            assert connector.transform(stripped) == connector.transform(entity)
