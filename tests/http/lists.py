"""A provider's list that can be asked for in every page style and moves while it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from integrations.errors import NotFoundError
from integrations.http.answer import Answer
from integrations.http.pages import (
    CursorPages,
    LastIdPages,
    LinkPages,
    NumberPages,
    OffsetPages,
    Pages,
    SinglePage,
    UrlPages,
)
from integrations.records import Option
from integrations.types import Entity, EntityType

THINGS = EntityType("things", becomes=Option, changed_at="at")
SIZE = 5


class Label:
    label = "Acme"


class FakeList:
    """Stands where the client stands; `before` runs ahead of each request and may change rows."""

    provider: ClassVar[Any] = Label()

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self.rows = list(rows)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[], None] = lambda: None

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, rows_at: Any = ""
    ) -> Answer:
        return self.answer(path, dict(params or {}))

    def post(self, path: str, body: Mapping[str, Any], *, rows_at: Any = "") -> Answer:
        return self.answer(path, dict(body))

    def answer(self, path: str, asked: dict[str, Any]) -> Answer:
        self.before()
        self.asked.append((path, asked))
        style = getattr(self, f"answer_{path.strip('/').partition('?')[0]}")
        found: Answer = style(asked, path)
        return found

    # One method per style; all pages hold SIZE rows.

    def answer_single(self, asked: dict[str, Any], path: str) -> Answer:
        return Answer(200, {}, list(self.rows))

    def answer_cursor(self, asked: dict[str, Any], path: str) -> Answer:
        """The cursor names the id after which the page begins, in id order."""
        page, more = self._after(asked.get("cursor"))
        following = page[-1]["id"] if more else ""
        return Answer(200, {}, {"data": {"items": page}, "meta": {"next": following}})

    def answer_number(self, asked: dict[str, Any], path: str) -> Answer:
        start = (asked["page"] - 1) * asked["per_page"]
        page = self.rows[start : start + asked["per_page"]]
        return Answer(200, {"x-total": str(len(self.rows))}, page)

    def answer_offset(self, asked: dict[str, Any], path: str) -> Answer:
        start = asked["offset"]
        return Answer(200, {}, {"items": self.rows[start : start + asked["limit"]]})

    def answer_link(self, asked: dict[str, Any], path: str) -> Answer:
        number = int(path.partition("?page=")[2] or 1)
        page = self.rows[(number - 1) * SIZE : number * SIZE]
        links = ['<https://api.acme.example/link?page=1>; rel="first"']
        if number * SIZE < len(self.rows):
            links.append(f'</link?page={number + 1}>; rel="next"')
        return Answer(200, {"link": ", ".join(links)}, page)

    def answer_url(self, asked: dict[str, Any], path: str) -> Answer:
        number = int(path.partition("?page=")[2] or 1)
        body: dict[str, Any] = {"value": self.rows[(number - 1) * SIZE : number * SIZE]}
        if number * SIZE < len(self.rows):
            body["@odata.nextLink"] = f"/url?page={number + 1}"
        else:
            body["@odata.deltaLink"] = "/delta?page=1"
        return Answer(200, {}, body)

    def answer_last(self, asked: dict[str, Any], path: str) -> Answer:
        page, more = self._after(asked.get("starting_after"))
        return Answer(200, {}, {"items": page, "has_more": more})

    def answer_changed(self, asked: dict[str, Any], path: str) -> Answer:
        """Rows stamped `since` or later, oldest first; equal stamps follow the id."""
        rows = sorted(self.rows, key=lambda row: (row["at"], row["id"]))
        rows = [row for row in rows if row["at"] >= asked["since"]]
        start = (asked["page"] - 1) * SIZE
        return Answer(200, {}, [dict(row) for row in rows[start : start + SIZE]])

    def answer_recent(self, asked: dict[str, Any], path: str) -> Answer:
        """Newest first, below `before`, above `oldest`."""
        rows = sorted(self.rows, key=lambda row: -row["at"])
        rows = [row for row in rows if row["at"] < asked.get("before", 10**9)]
        rows = [row for row in rows if row["at"] > asked.get("oldest", -1)]
        return Answer(200, {}, {"items": rows[:SIZE], "more": len(rows) > SIZE})

    def answer_below(self, asked: dict[str, Any], path: str) -> Answer:
        parent = next((row for row in self.rows if row["id"] == asked["of"]), None)
        if parent is None:
            raise NotFoundError("gone")
        below = [row for row in parent.get("below", ()) if row["id"] > asked.get("cursor", "")]
        following = below[1]["id"] if len(below) > 2 else ""
        return Answer(200, {}, {"data": {"items": below[:2]}, "meta": {"next": following}})

    def _after(self, last: str | None) -> tuple[list[dict[str, Any]], bool]:
        rows = sorted(self.rows, key=lambda row: str(row["id"]))
        rows = [row for row in rows if last is None or row["id"] > last]
        return rows[:SIZE], len(rows) > SIZE


def styles(http: Any) -> dict[str, Pages]:
    """Every page style over the same list."""
    return {
        "single": SinglePage(http, "/single"),
        "cursor": CursorPages(http, "/cursor", "data.items", cursor="meta.next"),
        "number": NumberPages(http, "/number", size=SIZE, size_param="per_page"),
        "counted": NumberPages(
            http, "/number", size=SIZE, size_param="per_page", total_header="X-Total"
        ),
        "offset": OffsetPages(http, "/offset", "items", size=SIZE),
        "link": LinkPages(http, "/link"),
        "url": UrlPages(http, "/url", "value", next="@odata.nextLink", delta="@odata.deltaLink"),
        "last": LastIdPages(http, "/last", "items", param="starting_after", more="has_more"),
    }


STYLES = list(styles(None))


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"t{number:04d}", "at": 100 + number} for number in range(count)]


class Store:
    """What an engine would hold: entities up to the last position, and that position."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.cursor: dict[str, Any] | None = None
        self.is_done = False
        self.again: list[str] = []

    def take(self, walk: Iterable[Entity], entities: int | None = None) -> int:
        """Read until that many entities came; commit up to the last position. Returns how many."""
        waiting: list[Entity] = []
        came = 0
        for entity in walk:
            waiting.append(entity)
            came += not entity.is_rest
            if entity.position is not None:
                self._commit(waiting)
                waiting = []
                self.cursor, self.is_done = entity.position.cursor, entity.position.done
            if entities is not None and came >= entities:
                break
        return came

    def _commit(self, waiting: list[Entity]) -> None:
        for entity in waiting:
            if entity.is_rest:
                continue
            if entity.deleted:
                self.rows.pop(entity.source_id, None)
                continue
            if self.rows.get(entity.source_id) == entity.payload:
                self.again.append(entity.source_id)
            self.rows[entity.source_id] = entity.payload
