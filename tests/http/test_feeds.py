"""Feeds whose beginning the provider has forgotten."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from integrations.errors import CheckpointExpiredError, NotFoundError
from integrations.http.pages import CursorPages
from tests.http.lists import THINGS, FakeList


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
