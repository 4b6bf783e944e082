"""Rows with others below them: some come along in the same answer, some cost calls of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from integrations.errors import NotFoundError
from integrations.http.answer import Answer
from integrations.http.pages import CursorPages, UrlPages, with_children
from integrations.types import Cursor, Entity
from tests.http.lists import SIZE, THINGS, FakeList, Store, rows

COUNT = 13


class Threads(FakeList):
    """Of four rows one has 2 below it and one 7; an answer brings 3, the others are asked for."""

    def __init__(self) -> None:
        found = rows(COUNT)
        for number, row in enumerate(found):
            ids = [f"{row['id']}.{n}" for n in range((0, 2, 7, 0)[number % 4])]
            row["below"] = [{"id": id, "at": 1000} for id in ids]
        super().__init__(found)

    def answer_threads(self, asked: dict[str, Any], path: str) -> Answer:
        begin = int(path.partition("?from=")[2] or 0)
        page = [{**row, "below": row["below"][:3]} for row in self.rows[begin : begin + SIZE]]
        end = begin + SIZE
        following = {"next": f"/threads?from={end}"} if end < len(self.rows) else {"delta": "/new"}
        return Answer(200, {}, {"value": page, **following})

    def answer_more(self, asked: dict[str, Any], path: str) -> Answer:
        below = next(row["below"] for row in self.rows if row["id"] == asked["of"])
        begin = asked.get("cursor", 3)
        page, end = below[begin : begin + 2], begin + 2
        return Answer(200, {}, {"value": page, "next": end if end < len(below) else ""})

    def everything(self) -> set[str]:
        return {one["id"] for row in self.rows for one in (row, *row["below"])}


def walk(http: Any, start: Cursor | None) -> Iterator[Entity]:
    pages = UrlPages(http, "/threads", "value", next="next", delta="delta")

    def below(row: Entity, cursor: Cursor) -> Iterator[Entity]:
        more = CursorPages(http, "/more", "value", params={"of": row.source_id}, cursor="next")
        if not cursor:
            yield from more.entities_of(row.data["below"], THINGS)
        if len(row.data["below"]) == 3:
            yield from more.entities(THINGS, cursor)

    return with_children(pages.entities(THINGS, start), below, start)


def test_rows_that_came_along_and_rows_asked_for_follow_their_row() -> None:
    http, store = Threads(), Store()

    came = [entity.source_id for entity in walk(http, None) if not entity.is_rest]

    assert set(came) == http.everything()
    assert came == sorted(came)
    store.take(walk(http, None))
    assert store.is_done
    assert store.cursor == {"feed": "/new"}


@pytest.mark.parametrize("k", range(1, 40))
def test_stopped_after_any_entity_nothing_is_lost_or_comes_again(k: int) -> None:
    http, store = Threads(), Store()
    store.take(walk(http, None), k)

    store.take(walk(http, orjson.loads(orjson.dumps(store.cursor))))

    assert set(store.rows) == http.everything()
    assert store.again == []
    assert store.is_done


def test_at_most_a_page_and_a_call_below_it_lie_between_two_positions() -> None:
    http = Threads()
    answers = positions = 0
    for entity in walk(http, None):
        if entity.position is not None:
            assert len(http.asked) - answers <= 2
            answers, positions = len(http.asked), positions + 1
    # A page each; and of each row with more below it one inside and one behind it.
    assert positions == 3 + 2 * 3


def test_what_came_along_takes_no_position_of_its_own() -> None:
    http = Threads()
    http.rows = [row for row in http.rows if len(row["below"]) < 3]

    positions = [entity.position for entity in walk(http, None) if entity.position]

    assert len(positions) == 2
    assert all("open" not in one.cursor for one in positions)


def test_a_row_that_vanished_has_nothing_below_it_and_the_walk_goes_on() -> None:
    class Vanishing(Threads):
        def answer_more(self, asked: dict[str, Any], path: str) -> Answer:
            if asked["of"] == "t0002":
                raise NotFoundError("gone")
            return super().answer_more(asked, path)

    http, store = Vanishing(), Store()
    store.take(walk(http, None))

    assert store.is_done
    assert http.everything() - set(store.rows) == {f"t0002.{n}" for n in range(3, 7)}
