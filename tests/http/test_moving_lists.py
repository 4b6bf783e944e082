"""Lists that move while they are read, oldest change first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.errors import FatalError
from integrations.http.answer import Answer
from integrations.http.pages import SinglePage
from integrations.types import Entity, Unreadable
from tests.http.lists import SIZE, THINGS, FakeList, Store, rows


def ask(stamp: int, page: int) -> dict[str, Any]:
    return {"since": stamp, "page": page}


def by_change(
    http: FakeList, start: Any, overlap: float = 0, detailed: bool = False
) -> Iterator[Entity]:
    pages = SinglePage(http, "/changed")  # type: ignore[arg-type]
    return pages.keyset(THINGS, start, ask, "at", SIZE, 0, overlap=overlap, detailed=detailed)


def as_stored(http: FakeList) -> dict[str, Any]:
    return {row["id"]: row for row in http.rows}


STAMPS = st.lists(st.integers(100, 112), max_size=40) | st.lists(st.integers(100, 101), max_size=40)


@given(STAMPS, st.lists(st.integers(1, 12), max_size=10))
def test_any_stamps_and_interruptions_lose_nothing(stamps: list[int], stops: list[int]) -> None:
    """F32: however many rows share a stamp, over however many pages."""
    http = FakeList({"id": f"t{n}", "at": at} for n, at in enumerate(stamps))
    store = Store()

    for stop in [*stops, None]:
        if not store.is_done:
            store.take(by_change(http, orjson.loads(orjson.dumps(store.cursor))), stop)

    assert store.rows == as_stored(http)
    assert store.again == []


@given(STAMPS, st.lists(st.integers(1, 3), max_size=10))
def test_behind_any_row_that_costs_a_call_a_walk_goes_on(
    stamps: list[int], stops: list[int]
) -> None:
    http = FakeList({"id": f"t{n}", "at": at} for n, at in enumerate(stamps))
    store = Store()

    for stop in [*stops, None]:
        if not store.is_done:
            start = orjson.loads(orjson.dumps(store.cursor))
            store.take(by_change(http, start, detailed=True), stop)

    assert store.rows == as_stored(http)


@pytest.mark.parametrize("detailed", [False, True])
def test_what_lies_beyond_a_stamp_of_several_pages_comes_once(detailed: bool) -> None:
    http, store = FakeList({"id": f"t{n}", "at": 100 + n // 9} for n in range(10)), Store()

    while not store.is_done:
        start = orjson.loads(orjson.dumps(store.cursor))
        store.take(by_change(http, start, detailed=detailed), SIZE)

    assert store.rows == as_stored(http)
    assert store.again == []


def test_stopped_behind_every_row_no_row_is_paid_for_twice() -> None:
    http, store = FakeList({"id": f"t{n:02d}", "at": 100 + n // 4} for n in range(23)), Store()

    came = 0
    while not store.is_done:
        came += store.take(by_change(http, store.cursor, detailed=True), 1)

    assert came == 23
    assert store.rows == as_stored(http)


class Moving(FakeList):
    """Between requests rows change (and get a newer stamp), come and go."""

    def __init__(self, stamps: list[int], moves: list[tuple[str, int]]) -> None:
        super().__init__({"id": f"t{n:03d}", "at": at} for n, at in enumerate(stamps))
        self.moves = moves
        self.now = 112
        self.gone: set[str] = set()
        self.before = self.move

    def move(self) -> None:
        if not self.moves:
            return
        kind, number = self.moves.pop()
        self.now += number % 2  # two changes may share a stamp
        if kind == "+":
            self.rows.append({"id": f"n{len(self.moves)}", "at": self.now})
        elif self.rows and kind == "~":
            row = self.rows[number % len(self.rows)]
            row |= {"at": self.now, "version": len(self.moves)}
        elif self.rows:
            self.gone.add(self.rows.pop(number % len(self.rows))["id"])


MOVES = st.lists(st.tuples(st.sampled_from("+~~~-"), st.integers(0, 60)), max_size=25)


@settings(max_examples=300)
@given(STAMPS, MOVES)
def test_what_moves_during_the_walk_is_read_by_it_or_by_the_next(
    stamps: list[int], moves: list[tuple[str, int]]
) -> None:
    """F31. Rows of one stamp over several pages are walked until nothing new turns up."""
    http, store = Moving(stamps, moves), Store()

    store.take(by_change(http, None))
    while http.moves:
        http.move()
    store.take(by_change(http, store.cursor, overlap=1))
    store.take(by_change(http, store.cursor, overlap=1))

    kept = {key: value for key, value in store.rows.items() if key not in http.gone}
    missing = set(as_stored(http)) - set(kept)
    assert not missing
    assert {key: row["at"] for key, row in kept.items()} == {
        row["id"]: row["at"] for row in http.rows
    }


def test_a_row_that_leaves_a_stamp_of_several_pages_takes_no_other_with_it() -> None:
    """It moves the rest up by one, across a page edge that was already passed."""
    http, store = FakeList({"id": f"t{n:02d}", "at": 100} for n in range(15)), Store()

    def change_the_first() -> None:
        if len(http.asked) == 1:
            http.rows[0] |= {"at": 200}

    http.before = change_the_first
    store.take(by_change(http, None))

    assert set(store.rows) == set(as_stored(http))


def test_the_next_run_begins_an_overlap_before_the_last_stamp_and_stays_there() -> None:
    http, store = FakeList(rows(3)), Store()

    for _ in range(3):
        store.take(by_change(http, store.cursor, overlap=2))
        assert store.cursor == {"since": 100}


def test_a_list_that_emptied_does_not_move_the_beginning_back() -> None:
    http, store = FakeList(rows(3)), Store()
    store.take(by_change(http, None, overlap=2))
    http.rows.clear()

    for _ in range(3):
        store.take(by_change(http, store.cursor, overlap=2))

    assert store.cursor == {"since": 100}


def test_nothing_at_all_leaves_the_beginning_where_it_was() -> None:
    store = Store()

    for _ in range(3):
        store.take(by_change(FakeList([]), store.cursor, overlap=300))

    assert store.cursor == {"since": 0}


def test_a_quiet_later_run_costs_one_request() -> None:
    http, store = FakeList(rows(23)), Store()
    store.take(by_change(http, None))
    before = len(http.asked)

    store.take(by_change(http, store.cursor))

    assert len(http.asked) - before == 1


def test_no_page_number_grows_while_stamps_do() -> None:
    http = FakeList(rows(23))

    Store().take(by_change(http, None))

    assert {asked["page"] for _, asked in http.asked} == {1}


@pytest.mark.parametrize("order", [-1, 0])
def test_a_list_that_is_not_sorted_as_asked_is_not_trusted(order: int) -> None:
    class Unsorted(FakeList):
        def answer_changed(self, asked: dict[str, Any], path: str) -> Answer:
            found = super().answer_changed(asked, path)
            key = (lambda row: -row["at"]) if order else (lambda row: row["at"] % 3)
            return Answer(200, {}, sorted(found.body, key=key))

    with pytest.raises(FatalError, match="sort"):
        Store().take(by_change(Unsorted(rows(12)), None))


@pytest.mark.parametrize("bad", [[0], [4], [22], range(5, 16), range(23)])
def test_an_unreadable_row_anywhere_does_not_stop_the_walk(bad: Any) -> None:
    poisoned = {f"t{number:04d}" for number in bad}

    class Poisoned(FakeList):
        def answer_changed(self, asked: dict[str, Any], path: str) -> Answer:
            found = super().answer_changed(asked, path)
            body = [
                Unreadable(orjson.dumps(row), "poisoned") if row["id"] in poisoned else row
                for row in found.body
            ]
            return Answer(200, {}, body)

    http, store = Poisoned(rows(23)), Store()
    store.take(by_change(http, None))

    assert set(store.rows) == set(as_stored(http))


def test_a_backfill_date_is_where_the_first_walk_begins() -> None:
    http = FakeList(rows(3))

    Store().take(by_change(http, {"not_before": "2026-01-01T00:00:00Z"}))

    assert http.asked[0][1]["since"] == 1767225600


def test_times_with_offsets_are_compared_as_moments() -> None:
    class Zoned(FakeList):
        def answer_changed(self, asked: dict[str, Any], path: str) -> Answer:
            page = [
                {"id": "1", "at": "2026-10-31T23:30:00-07:00"},
                {"id": "2", "at": "2026-11-01T01:30:00-07:00"},
                {"id": "3", "at": "2026-11-01T01:15:00-08:00"},
            ]
            return Answer(200, {}, page)

    store = Store()
    pages = SinglePage(Zoned([]), "/changed")  # type: ignore[arg-type]

    store.take(pages.keyset(THINGS, None, ask, "at", 5, "1970-01-01T00:00:00Z", overlap=300))

    assert set(store.rows) == {"1", "2", "3"}
    assert store.cursor == {"since": "2026-11-01T01:10:00-08:00"}
