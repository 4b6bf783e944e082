"""Feeds: where the next one begins, and beginnings the provider has forgotten."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from integrations.errors import CheckpointExpiredError, NotFoundError
from integrations.http.answer import Answer
from integrations.http.pages import CursorPages, SinglePage
from tests.http.lists import THINGS, FakeList, Store, rows


class Forgotten(FakeList):
    def answer_feed(self, asked: dict[str, Any], path: str) -> NoReturn:
        raise NotFoundError("gone")


def test_a_forgotten_beginning_makes_the_checkpoint_expire() -> None:
    http: Any = Forgotten([])
    pages = CursorPages(http, "/feed", "items", cursor="next")

    with pytest.raises(CheckpointExpiredError, match="everything is read again"):
        list(pages.feed(THINGS, {"feed": "99"}, "since", "now"))


def test_inside_a_parent_it_may_be_the_parent_that_is_gone() -> None:
    http: Any = Forgotten([])
    pages = CursorPages(http, "/feed", "items", cursor="next", scope="p1")

    with pytest.raises(NotFoundError):
        list(pages.feed(THINGS, {"feed": "99"}, "since", "now"))


class Changes(FakeList):
    """The rows are changes, each numbered; one page, which grows."""

    def answer_feed(self, asked: dict[str, Any], path: str) -> Answer:
        changed = [row for row in self.rows if row["at"] > int(asked["since"])]
        return Answer(200, {}, {"items": changed, "now": str(self.rows[-1]["at"])})


def test_what_changes_again_while_the_walk_rests_is_brought_by_the_next() -> None:
    changes, store = Changes(rows(3)), Store()
    http: Any = changes
    pages = CursorPages(http, "/feed", "items", cursor="next")
    walk = pages.feed(THINGS, {"feed": "99"}, "since", "now")
    store.take(walk, 1)
    store.cursor = {**(store.cursor or {}), "seen": ["t0000"]}
    changes.rows.append({"id": "t0000", "at": 200})

    store.take(pages.feed(THINGS, store.cursor, "since", "now"))
    assert store.cursor == {"feed": "102"}
    store.take(pages.feed(THINGS, store.cursor, "since", "now"))

    assert store.rows["t0000"] == {"id": "t0000", "at": 200}
    assert store.cursor == {"feed": "200"}


@pytest.mark.parametrize(
    ("mark", "gone"), [(("removed", None), ["a", "b"]), (("removed.why", "moved"), ["b"])]
)
def test_a_mark_says_which_rows_are_deletions(mark: tuple[str, Any], gone: list[str]) -> None:
    listed: list[dict[str, Any]] = [
        {"id": "a", "removed": {"why": "deleted"}},
        {"id": "b", "removed": {"why": "moved"}},
        {"id": "c"},
    ]
    http: Any = FakeList(listed)

    found = list(SinglePage(http, "/single", gone=mark).entities(THINGS))

    assert [one.source_id for one in found if one.deleted] == gone
