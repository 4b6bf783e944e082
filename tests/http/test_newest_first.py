"""Lists read newest first, which move while they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.http.pages import CursorPages, LastIdPages
from integrations.types import Entity
from tests.http.lists import SIZE, THINGS, FakeList, Store, rows


def recent(http: FakeList, start: Any, overlap: float = 0, **more: Any) -> Iterator[Entity]:
    pages = LastIdPages(http, "/recent", "items", param="before", field="at", more="more")  # type: ignore[arg-type]
    return pages.newest_first(THINGS, start, "at", overlap=overlap, **more)


def test_the_high_water_moves_only_when_the_walk_is_complete() -> None:
    http, store = FakeList(rows(12)), Store()

    store.take(recent(http, None), 7)
    assert "high" not in (store.cursor or {})
    store.take(recent(http, store.cursor))

    assert store.cursor == {"high": 111}
    assert set(store.rows) == set({row["id"]: row for row in http.rows})


def test_a_later_walk_stops_at_the_floor() -> None:
    http, store = FakeList(rows(40)), Store()
    store.take(recent(http, None))
    http.rows += [{"id": "new", "at": 200}]
    before = len(http.asked)

    came = store.take(recent(http, store.cursor))

    assert len(http.asked) - before == 1
    assert came == 2  # the new one, and the one at the floor itself
    assert store.cursor == {"high": 200}


def test_the_overlap_reads_again_what_may_have_been_edited() -> None:
    http, store = FakeList(rows(40)), Store()
    store.take(recent(http, None))
    http.rows[-8] |= {"edited": True}

    store.take(recent(http, store.cursor, overlap=10))

    assert store.rows == {row["id"]: row for row in http.rows}


def test_the_floor_is_sent_along_where_the_provider_knows_it() -> None:
    http = FakeList(rows(3))

    Store().take(recent(http, {"high": 101}, overlap=1, floor_param="oldest"))

    assert http.asked[0][1] == {"oldest": 100}


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), max_size=10))
def test_interrupted_walks_lose_nothing_that_was_written_meanwhile(
    stops: list[tuple[int, int]],
) -> None:
    http, store = FakeList(rows(30)), Store()
    now = 500
    for stop, written in stops:
        store.take(recent(http, store.cursor), stop)
        for _ in range(written):
            now += 1
            http.rows.append({"id": f"n{now}", "at": now})

    store.take(recent(http, store.cursor))  # the walk that was begun
    store.take(recent(http, store.cursor))  # and one for what came meanwhile

    assert store.rows == {row["id"]: row for row in http.rows}


def changing(http: FakeList, at: dict[int, int]) -> None:
    """Before request n the oldest row that is left is changed, so that it moves to the top."""

    def change() -> None:
        for _ in range(at.get(len(http.asked), 0)):
            oldest = min(http.rows, key=lambda row: row["at"])
            oldest["at"] = max(row["at"] for row in http.rows) + 1

    http.before = change


@given(st.dictionaries(st.integers(1, 12), st.integers(0, 7)), st.integers(0, 30))
def test_a_walk_over_rows_that_move_up_meets_every_one(at: dict[int, int], overlap: int) -> None:
    """What a full walk did not meet would be taken for deleted."""
    http, store = FakeList(rows(23)), Store()
    changing(http, at)

    store.take(recent(http, None, overlap, moves=True))

    assert set(store.rows) == {row["id"] for row in http.rows}
    assert store.is_done


@given(st.dictionaries(st.integers(1, 12), st.integers(0, 7)), st.lists(st.integers(1, 9)))
def test_a_walk_over_rows_that_move_up_may_be_stopped_anywhere(
    at: dict[int, int], stops: list[int]
) -> None:
    http, store = FakeList(rows(23)), Store()
    changing(http, at)

    for stop in [*stops, None]:
        if not store.is_done:
            store.take(recent(http, store.cursor, moves=True), stop)

    assert set(store.rows) == {row["id"] for row in http.rows}


def test_many_rows_within_the_overlap_are_walked_once_more_and_not_for_ever() -> None:
    http, store = FakeList(rows(23)), Store()

    store.take(recent(http, None, 1_000, moves=True))

    assert len(http.asked) == 10


def threads(count: int) -> FakeList:
    found = rows(count)
    for number, row in enumerate(found):
        below = number % 4 * 2
        row["below"] = [{"id": f"{row['id']}.{n}", "at": 1000 + n} for n in range(below)]
    return FakeList(found)


def with_children(http: FakeList, start: Any) -> Iterator[Entity]:
    def below(parent: Entity, high: Any, cursor: dict[str, Any]) -> Iterator[Entity]:
        asked = {"of": parent.source_id}
        pages = CursorPages(http, "/below", "data.items", params=asked, cursor="meta.next")  # type: ignore[arg-type]
        return pages.entities(THINGS, cursor) if parent.data["below"] else iter(())

    return recent(http, start, children=below)


def everything(http: FakeList) -> set[str]:
    return {row["id"] for row in http.rows} | {
        child["id"] for row in http.rows for child in row.get("below", ())
    }


@pytest.mark.parametrize("k", range(1, 50))
def test_children_stopped_after_any_entity_lose_and_repeat_nothing(k: int) -> None:
    http, store = threads(13), Store()
    store.take(with_children(http, None), k)

    store.take(with_children(http, orjson.loads(orjson.dumps(store.cursor))))

    assert set(store.rows) == everything(http)
    assert store.again == []
    assert store.is_done


def test_children_stopped_after_every_single_entity_come_to_an_end() -> None:
    http, store = threads(9), Store()

    for _ in range(200):
        if store.is_done:
            break
        store.take(with_children(http, store.cursor), SIZE + 3)

    assert store.is_done
    assert set(store.rows) == everything(http)
    assert store.again == []


def test_at_most_one_answer_lies_between_two_positions() -> None:
    http = threads(13)
    answers = 0
    for entity in with_children(http, None):
        if entity.position is not None:
            assert len(http.asked) - answers <= 2  # the page with its rows, and one row's children
            answers = len(http.asked)


def test_a_parent_that_vanished_has_no_children_and_the_walk_goes_on() -> None:
    http, store = threads(6), Store()

    def vanish() -> None:
        if len(http.asked) == 1:
            http.rows = [row for row in http.rows if row["id"] != "t0003"]

    http.before = vanish
    store.take(with_children(http, None))

    assert store.is_done
    assert everything(http) <= set(store.rows)
