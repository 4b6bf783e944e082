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
)
from tests.providers.official import needs

KINDS = {"folders": "mailFolder", "messages": "message", "events": "event", "contacts": "contact"}

pytestmark = needs(TYPES)


@pytest.fixture
def read(outlook: Reader) -> Reader:
    """Everything read in full, changed, and read again."""
    for name in KINDS:
        outlook.read(name)
    for name in KINDS:
        outlook.order("change", name, count=4)
        outlook.order("delete", name, count=1)
        outlook.again(name)
    return outlook


def test_what_the_sandbox_shows_are_properties_of_graphs_types(read: Reader) -> None:
    lists = {"mailFolders": "mailFolder", "calendarView": "event"}

    checked = set()
    for request in read.sandbox.own("/_requests?slug=outlook"):
        path = request["path"].partition("?")[0].removeprefix("/outlook/graph/v1.0/me/")
        if "/graph/v1.0/me/" not in request["path"]:
            continue
        answer = read.ask_again(request["path"])
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
    assert_only_described_fields_matter(read, KINDS)
