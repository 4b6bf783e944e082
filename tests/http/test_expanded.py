"""Rows that bring the rows below them along in the same answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from integrations.http.answer import Answer
from integrations.http.json_reader import read_json
from integrations.http.pages import ExpandedPages
from integrations.types import Cursor, Entity, Unreadable
from tests.http.lists import THINGS, Store

ROWS: list[dict[str, Any]] = [
    {"id": "p1", "at": 1, "replies": []},
    {
        "id": "p2",
        "at": 2,
        "replies@odata.context": "…",
        "replies": [{"id": "r1", "at": 3}, {"id": "r2", "at": 4, "gone": "2026-11-01T00:00:00Z"}],
    },
    {"id": "p3", "at": 5, "gone": "2026-11-01T00:00:00Z", "replies": [{"id": "r3", "at": 6}]},
    {"id": "p4", "at": 7},
    {"id": "p5", "at": 8, "replies": [{"id": "r4", "at": 9}], "replies@odata.nextLink": "/more"},
    {"id": "p6", "at": 10, "replies": None},
]


class Posts:
    """One page of posts, and two of the replies below p5."""

    provider: Any = None

    def __init__(self, body: bytes = b"") -> None:
        self.body = body or orjson.dumps({"value": ROWS, "@odata.deltaLink": "/changes"})
        self.asked: list[str] = []

    def get(self, path: str, params: Any = None, *, rows_at: str | None = "") -> Answer:
        self.asked.append(path)
        if path == "/more":
            return Answer(
                200, {}, {"value": [{"id": "r5", "at": 9}], "@odata.nextLink": "/evenmore"}
            )
        if path == "/evenmore":
            return Answer(200, {}, {"value": [{"id": "r6", "at": 9}]})
        return Answer(200, {}, read_json(self.body, rows_at))


def pages(posts: Any) -> ExpandedPages:
    return ExpandedPages(
        posts,
        "/posts",
        "value",
        key="{scope}/{id}",
        scope="c",
        gone=("gone", None),
        next="@odata.nextLink",
        delta="@odata.deltaLink",
        below="replies",
    )


def read(posts: Posts, start: Cursor | None = None) -> dict[str, Entity]:
    walk = pages(posts).feed(THINGS, start) if start else pages(posts).entities(THINGS)
    return {entity.source_id: entity for entity in walk if not entity.is_rest}


@pytest.mark.parametrize("start", [None, {"feed": "/changes"}], ids=["list", "feed"])
def test_every_row_is_an_entity_and_shows_nothing_of_those_below_it(start: Cursor | None) -> None:
    came = read(Posts(), start)

    assert list(came) == [
        *("c/p1", "c/p2", "c/r1", "c/r2", "c/p3", "c/r3", "c/p4"),
        *("c/p5", "c/r4", "c/r5", "c/r6", "c/p6"),
    ]
    assert came["c/p2"].data == {"id": "p2", "at": 2}
    assert came["c/p5"].data == {"id": "p5", "at": 8}
    assert {entity.scope for entity in came.values()} == {"c"}


def test_what_is_deleted_does_not_take_along_what_lies_below_it() -> None:
    came = read(Posts())

    assert [id for id, entity in came.items() if entity.deleted] == ["c/r2", "c/p3"]


def test_a_row_below_that_cannot_be_read_costs_itself_alone() -> None:
    body = orjson.dumps({"value": ROWS}).replace(b'"at":3', b'"at":NaN')

    came = read(Posts(body))

    assert set(came) == set(read(Posts()))
    spoilt = [id for id, entity in came.items() if isinstance(entity.payload, Unreadable)]
    assert spoilt == ["c/r1"]
    assert came["c/p2"].data == {"id": "p2", "at": 2}


@pytest.mark.parametrize("flaw", [b'{"deep":[NaN]}', b'"\\u0000"'])
def test_a_row_that_cannot_be_read_leaves_those_below_it(flaw: bytes) -> None:
    body = orjson.dumps({"value": ROWS}).replace(b'"at":2', b'"at":' + flaw)

    came = read(Posts(body))

    assert set(came) == set(read(Posts()))
    spoilt = [id for id, entity in came.items() if isinstance(entity.payload, Unreadable)]
    assert spoilt == ["c/p2"]


def test_rows_that_are_no_objects_are_set_aside() -> None:
    [odd] = read(Posts(b'{"value": ["odd"]}')).values()

    assert isinstance(odd.payload, Unreadable)


@pytest.mark.parametrize("k", range(1, 12))
def test_stopped_after_any_entity_nothing_is_lost_or_comes_again(k: int) -> None:
    posts, store = Posts(), Store()
    store.take(pages(posts).entities(THINGS, None), k)

    start = orjson.loads(orjson.dumps(store.cursor))
    store.take(pages(posts).entities(THINGS, start))

    assert set(store.rows) == set(read(Posts())) - {"c/r2", "c/p3"}
    assert store.again == []
    assert store.cursor == {"feed": "/changes"}
