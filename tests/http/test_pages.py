"""Lists walked page by page, stopped anywhere, and gone on with."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import (
    CheckpointExpiredError,
    FatalError,
    ListRestartError,
    ProviderUnavailableError,
)
from integrations.http.answer import Answer
from integrations.http.pages import (
    CursorPages,
    LastIdPages,
    NumberPages,
    SinglePage,
    UrlPages,
    first_of_each,
    in_pages,
    only,
)
from integrations.types import Entity
from tests.http.lists import SIZE, STYLES, THINGS, FakeList, Store, rows, styles


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in found]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 23])
def test_every_style_reads_the_whole_list_once_in_order(style: str, count: int) -> None:
    http = FakeList(rows(count))

    came = list(styles(http)[style].entities(THINGS))

    assert [one.source_id for one in came if not one.is_rest] == ids(http.rows)
    last = came[-1].position
    assert last is not None
    assert last.done
    assert sum(one.position is not None for one in came) == len(http.asked)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("k", range(1, 23))
def test_stopped_after_any_entity_it_resumes_at_the_first_page_not_committed(
    style: str, k: int
) -> None:
    http, store = FakeList(rows(23)), Store()
    store.take(styles(http)[style].entities(THINGS), k)
    committed = len(store.rows)
    before = len(http.asked)

    came = store.take(styles(http)[style].entities(THINGS, store.cursor))

    assert sorted(store.rows) == ids(http.rows)
    assert store.again == []
    assert came == 23 - committed
    assert store.is_done
    if style != "single":
        pages_left = -(-(23 - committed) // SIZE)
        assert len(http.asked) - before == pages_left


@given(st.integers(0, 40), st.lists(st.integers(1, 12), max_size=12), st.sampled_from(STYLES))
def test_any_series_of_interruptions_loses_and_repeats_nothing(
    count: int, stops: list[int], style: str
) -> None:
    http, store = FakeList(rows(count)), Store()

    for stop in [*stops, None]:
        if store.is_done:
            break
        cursor = orjson.loads(orjson.dumps(store.cursor))
        store.take(styles(http)[style].entities(THINGS, cursor), stop)

    assert sorted(store.rows) == ids(http.rows)
    assert store.again == []


@pytest.mark.parametrize("style", STYLES)
def test_ids_passed_over_in_the_open_page_are_not_read_by_count(style: str) -> None:
    """A row deleted above would shift a count."""
    http = FakeList(rows(4))
    first = [one for one in styles(http)[style].entities(THINGS) if not one.is_rest][:2]
    start = {"seen": [one.source_id for one in first]}
    del http.rows[0]

    came = [one.source_id for one in styles(http)[style].entities(THINGS, start) if not one.is_rest]

    assert came == ["t0002", "t0003"]


def test_what_then_said_before_the_first_page_is_the_cursor_at_the_end() -> None:
    http = FakeList(rows(12))
    asked: list[int] = []

    def then() -> dict[str, Any]:
        asked.append(len(http.asked))
        return {"feed": "h1"}

    store = Store()
    store.take(styles(http)["cursor"].entities(THINGS, None, then), 7)
    assert store.cursor is not None
    assert store.cursor["then"] == {"feed": "h1"}
    store.take(styles(http)["cursor"].entities(THINGS, store.cursor, then))

    assert store.cursor == {"feed": "h1"}
    assert asked == [0]


def test_the_answer_of_then_is_a_position_of_its_own_before_anything_is_read() -> None:
    """Otherwise a run stopped on page 1 would ask again, later, and miss what changed between."""
    http = FakeList(rows(3))

    first = next(iter(styles(http)["cursor"].entities(THINGS, None, lambda: {"feed": "h1"})))

    assert first.is_rest
    assert first.position is not None
    assert first.position.cursor == {"then": {"feed": "h1"}}
    assert http.asked == []


@given(
    st.lists(st.tuples(st.sampled_from("+-"), st.integers(0, 60)), max_size=12),
    st.sampled_from(["cursor", "last"]),
)
def test_rows_that_stay_are_read_whatever_comes_and_goes_between_pages(
    moves: list[tuple[str, int]], style: str
) -> None:
    """F31."""
    http, store = FakeList(rows(30)), Store()
    removed: set[str] = set()
    left = list(moves)

    def move() -> None:
        if left:
            kind, number = left.pop()
            source_id = f"t{number:04d}"
            if kind == "-":
                removed.add(source_id)
                http.rows = [row for row in http.rows if row["id"] != source_id]
            elif source_id not in ids(http.rows):
                http.rows.append({"id": source_id, "at": 1})

    http.before = move
    store.take(styles(http)[style].entities(THINGS))

    assert set(ids(rows(30))) - removed <= set(store.rows)


@pytest.mark.parametrize("loop", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]])
def test_a_page_that_leads_back_ends_the_walk(loop: list[str]) -> None:
    """F30."""

    class Circle(FakeList):
        def answer_circle(self, asked: dict[str, Any], path: str) -> Answer:
            return Answer(200, {}, {"items": rows(1), "next": loop[len(self.asked) - 1]})

    pages = CursorPages(Circle([]), "/circle", "items", cursor="next")  # type: ignore[arg-type]

    with pytest.raises(FatalError, match="circle"):
        list(pages.entities(THINGS))


@pytest.mark.parametrize("body", [{}, {"other": []}, [], None, "text", {"error": []}])
def test_an_answer_without_its_place_for_rows_is_never_an_empty_list(body: Any) -> None:
    class Odd(FakeList):
        def answer_odd(self, asked: dict[str, Any], path: str) -> Answer:
            return Answer(200, {}, body)

    pages = SinglePage(Odd([]), "/odd", "items")  # type: ignore[arg-type]

    with pytest.raises(ProviderUnavailableError):
        list(pages.entities(THINGS))


def test_a_list_the_provider_lost_is_begun_again_once() -> None:
    class Forgetful(FakeList):
        def answer_cursor(self, asked: dict[str, Any], path: str) -> Answer:
            if asked.get("cursor") == "stale":
                raise ListRestartError("forgotten")
            return super().answer_cursor(asked, path)

    http, store = Forgetful(rows(7)), Store()
    store.take(styles(http)["cursor"].entities(THINGS, {"page": "stale"}))

    assert sorted(store.rows) == ids(http.rows)


def test_an_exact_multiple_needs_no_empty_page_where_the_total_is_known() -> None:
    http = FakeList(rows(10))

    list(styles(http)["counted"].entities(THINGS))
    counted = len(http.asked)
    list(styles(http)["number"].entities(THINGS))

    assert (counted, len(http.asked) - counted) == (2, 3)


def test_as_many_changes_as_can_be_reported_means_too_many() -> None:
    http = FakeList(rows(5))

    list(SinglePage(http, "/single", cap=6).entities(THINGS))  # type: ignore[arg-type]
    with pytest.raises(CheckpointExpiredError):
        list(SinglePage(http, "/single", cap=5).entities(THINGS))  # type: ignore[arg-type]


def test_more_without_a_single_row_is_no_end_of_the_list() -> None:
    class Odd(FakeList):
        def answer_last(self, asked: dict[str, Any], path: str) -> Answer:
            return Answer(200, {}, {"items": [], "has_more": True})

    with pytest.raises(ProviderUnavailableError):
        list(styles(Odd([]))["last"].entities(THINGS))


# Feeds.


class Feed(FakeList):
    """Changes are numbered; a page holds SIZE, the last one says where the next feed begins."""

    def answer_feed(self, asked: dict[str, Any], path: str) -> Answer:
        changed = [row for row in self.rows if row["at"] > int(asked["since"])]
        start = int(asked.get("cursor", 0))
        page = changed[start : start + SIZE]
        more = str(start + SIZE) if start + SIZE < len(changed) else ""
        newest = str(max(row["at"] for row in self.rows))
        return Answer(200, {}, {"items": page, "next": more, "now": newest})


@pytest.mark.parametrize("k", [1, 4, 5, 6, 11, 13])
def test_a_feed_stopped_anywhere_loses_nothing_and_moves_on_at_its_end(k: int) -> None:
    http, store = Feed(rows(13)), Store()
    pages = CursorPages(http, "/feed", "items", cursor="next")  # type: ignore[arg-type]
    store.cursor = {"feed": "99"}
    store.take(pages.feed(THINGS, store.cursor, "since", "now"), k)
    assert store.cursor["feed"] == ("99" if k < 13 else "112")

    store.take(pages.feed(THINGS, store.cursor, "since", "now"))

    assert sorted(store.rows) == ids(http.rows)
    assert store.cursor == {"feed": "112"}


def test_a_quiet_feed_still_hands_on_its_new_beginning() -> None:
    http, store = Feed(rows(3)), Store()
    pages = CursorPages(http, "/feed", "items", cursor="next")  # type: ignore[arg-type]

    store.take(pages.feed(THINGS, {"feed": "500"}, "since", "now"))

    assert (store.rows, store.cursor, store.is_done) == ({}, {"feed": "102"}, True)


def test_a_feed_may_be_an_address_the_list_left_behind() -> None:
    class Delta(FakeList):
        def answer_delta(self, asked: dict[str, Any], path: str) -> Answer:
            return Answer(200, {}, {"value": self.rows[:1], "@odata.deltaLink": "/delta?page=2"})

    http, store = Delta(rows(7)), Store()
    pages = UrlPages(  # type: ignore[call-arg]
        http,
        "/url",
        "value",
        next="@odata.nextLink",
        delta="@odata.deltaLink",  # type: ignore[arg-type]
    )
    store.take(pages.entities(THINGS))
    assert store.cursor == {"feed": "/delta?page=1"}

    store.take(pages.feed(THINGS, store.cursor))

    assert store.cursor == {"feed": "/delta?page=2"}
    assert http.asked[-1][0] == "/delta?page=1"


def test_posted_searches_carry_the_page_in_the_body() -> None:
    http = FakeList(rows(6))
    pages = NumberPages(
        http,
        "/number",
        params={"sort": "id"},
        method="post",
        size=SIZE,
        size_param="per_page",  # type: ignore[arg-type]
    )

    list(pages.entities(THINGS))

    assert [asked for _, asked in http.asked] == [
        {"sort": "id", "page": 1, "per_page": 5},
        {"sort": "id", "page": 2, "per_page": 5},
    ]


def test_the_last_id_may_be_another_field_than_the_key() -> None:
    class Times(FakeList):
        def answer_times(self, asked: dict[str, Any], path: str) -> Answer:
            return Answer(200, {}, {"items": [{"ts": "5"}], "more": "latest" not in asked})

    http = Times([])
    pages = LastIdPages(
        http,
        "/times",
        "items",
        "{scope}:{ts}",
        scope="C",
        param="latest",
        field="ts",
        more="more",  # type: ignore[arg-type]
    )

    list(pages.entities(THINGS))

    assert http.asked[1][1] == {"latest": "5"}


def test_what_is_left_out_of_a_walk_leaves_its_positions_behind() -> None:
    http = FakeList(rows(12))
    unwanted = {http.rows[0]["id"], http.rows[SIZE - 1]["id"], http.rows[-1]["id"]}
    whole = list(styles(http)["number"].entities(THINGS))

    came = list(only(whole, lambda one: one.source_id not in unwanted))

    kept = [one.source_id for one in came if not one.is_rest]
    assert kept == [id for id in ids(http.rows) if id not in unwanted]
    assert [one.position for one in came if one.position] == [
        one.position for one in whole if one.position
    ]


def test_of_several_changes_the_first_is_taken_and_no_position_is_lost() -> None:
    http = FakeList([{"id": f"t{number % 4}", "at": number} for number in range(12)])
    whole = list(styles(http)["number"].entities(THINGS))

    came = list(first_of_each(whole))

    kept = [(one.source_id, one.data["at"]) for one in came if not one.is_rest]
    assert kept == [("t0", 0), ("t1", 1), ("t2", 2), ("t3", 3)]
    assert sum(one.position is not None for one in came) == 3


def test_what_lies_between_two_positions_can_be_completed_together() -> None:
    whole = list(styles(FakeList(rows(12)))["number"].entities(THINGS))

    pages = list(in_pages(whole))

    assert [one for page in pages for one in page] == whole
    assert [len(page) for page in pages] == [5, 5, 2]
    assert all(page[-1].position is not None for page in pages)


def test_a_walk_whose_rows_cost_calls_can_rest_before_the_first_of_them() -> None:
    http = FakeList(sorted(rows(8), key=lambda row: -row["at"]))

    def walk(start: dict[str, Any]) -> list[Entity]:
        return list(styles(http)["number"].newest_first(THINGS, start, "at", detailed=True))

    first = walk({"high": 90})[0]
    assert first.is_rest
    assert first.position is not None
    begun = first.position.cursor
    http.rows.insert(0, {"id": "t9999", "at": 999})

    came = walk({**begun, "seen": ["t0007"]})

    assert [one.source_id for one in came][:3] == ["t9999", "t0006", "t0005"]
    assert came[-1].position is not None
    assert came[-1].position.cursor == {"high": 107}
