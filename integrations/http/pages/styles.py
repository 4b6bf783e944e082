"""The page styles themselves: each says how to ask for a page and what the next one is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.errors import CheckpointExpiredError, FatalError, ProviderUnavailableError
from integrations.http.answer import Answer
from integrations.http.pages.base import Pages
from integrations.http.pages.rows import guessed_id, value_at
from integrations.records import dig
from integrations.types import Cursor, Unreadable

_NEXT_LINK = re.compile(r'<([^>]*)>\s*;[^,]*?\brel\s*=\s*"?next"?', re.IGNORECASE)


@dataclass
class SinglePage(Pages):
    """Everything in one answer. With `cap` rows or more the provider may have left some out."""

    cap: int | None = None

    def ask(self, page: Any, extra: Mapping[str, Any]) -> Answer:
        return self.send(extra)

    def following(self, answer: Answer, page: Any, rows: list[Any]) -> None:
        if self.cap is not None and len(rows) >= self.cap:
            raise CheckpointExpiredError(
                f"{self.http.provider.label} reports at most {self.cap} changes at once "
                "and there are more; everything is read again."
            )


@dataclass(kw_only=True)
class CursorPages(Pages):
    """The answer holds a mark at `cursor`, sent back as `param`; '' or none ends the list."""

    cursor: str
    param: str = "cursor"

    def ask(self, page: Any, extra: Mapping[str, Any]) -> Answer:
        return self.send(extra if page is None else {**extra, self.param: page})

    def following(self, answer: Answer, page: Any, rows: list[Any]) -> Any:
        return value_at(answer, self.cursor) or None


@dataclass(kw_only=True)
class NumberPages(Pages):
    """Pages are counted from `first`; a short page ends the list, or a total in a header.

    For lists that stand still; one that moves is read by key set or it loses rows.
    """

    size: int
    param: str = "page"
    size_param: str = ""
    first: int = 1
    total_header: str = ""

    def ask(self, page: Any, extra: Mapping[str, Any]) -> Answer:
        asked = {self.param: self.first if page is None else page}
        if self.size_param:
            asked[self.size_param] = self.size
        return self.send({**extra, **asked})

    def following(self, answer: Answer, page: Any, rows: list[Any]) -> int | None:
        number = self.first if page is None else int(page)
        total = (answer.header(self.total_header) or "") if self.total_header else ""
        is_all = total.isdecimal() and (number - self.first + 1) * self.size >= int(total)
        return None if is_all or len(rows) < self.size else number + 1


@dataclass(kw_only=True)
class OffsetPages(Pages):
    """Pages begin after a count of rows; a short page ends the list. For lists that stand still."""

    size: int
    param: str = "offset"
    size_param: str = "limit"

    def ask(self, page: Any, extra: Mapping[str, Any]) -> Answer:
        return self.send({**extra, self.param: page or 0, self.size_param: self.size})

    def following(self, answer: Answer, page: Any, rows: list[Any]) -> int | None:
        return None if len(rows) < self.size else int(page or 0) + len(rows)


@dataclass
class LinkPages(Pages):
    """The Link header names the next page (RFC 8288, rel="next")."""

    def ask(self, page: Any, extra: Mapping[str, Any]) -> Answer:
        return self.send(extra) if page is None else self.http.get(page, rows_at=self.items)

    def following(self, answer: Answer, page: Any, rows: list[Any]) -> str | None:
        match = _NEXT_LINK.search(answer.header("link") or "")
        return match[1] if match else None


@dataclass(kw_only=True)
class UrlPages(Pages):
    """The answer holds the next page's address at `next`, and at its end one for changes."""

    next: str
    delta: str = ""

    def ask(self, page: Any, extra: Mapping[str, Any]) -> Answer:
        return self.send(extra) if page is None else self.http.get(page, rows_at=self.items)

    def following(self, answer: Answer, page: Any, rows: list[Any]) -> str | None:
        found = _member(answer, self.next)
        if found is not None and not isinstance(found, str):
            raise FatalError(f"{self.http.provider.label} names a next page that is no address.")
        return found or None

    def feed_page(self, since: Any) -> Any:
        return since if self.delta else None

    def ending(self, answer: Answer) -> Cursor:
        found = _member(answer, self.delta) if self.delta else None
        return {"feed": found} if found else {}


@dataclass(kw_only=True)
class LastIdPages(Pages):
    """The next page begins after the last row, whose `field` (or key) is sent as `param`.

    `more` is the path of the answer's own word on whether anything follows; without it a page of
    fewer than `size` rows ends the list.
    """

    param: str
    field: str = ""
    more: str = ""
    size: int = 0

    def ask(self, page: Any, extra: Mapping[str, Any]) -> Answer:
        return self.send(extra if page is None else {**extra, self.param: page})

    def following(self, answer: Answer, page: Any, rows: list[Any]) -> Any:
        goes_on = bool(value_at(answer, self.more)) if self.more else len(rows) >= self.size > 0
        if not goes_on:
            return None
        if not rows:
            raise ProviderUnavailableError(
                f"{self.http.provider.label} says that more follows, but sent nothing."
            )
        return self._last(rows[-1])

    def _last(self, row: Any) -> Any:
        path = self.field or self.key
        if isinstance(row, Unreadable):
            found: Any = guessed_id(row.raw, path, self.scope)
        else:
            found = dig(row, path)
        if not found:
            raise FatalError(f"{self.http.provider.label} sent a last row without {path}.")
        return found


def _member(answer: Answer, name: str) -> Any:
    """A top-level member whose name may hold dots ("@odata.nextLink"), else a dotted path."""
    if isinstance(answer.body, dict) and name in answer.body:
        return answer.body[name]
    return value_at(answer, name)
