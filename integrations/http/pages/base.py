"""What all page styles share: asking for a page, reading it, and three of the four walks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from integrations.errors import (
    CheckpointExpiredError,
    FatalError,
    ListRestartError,
    NotFoundError,
    ProviderUnavailableError,
)
from integrations.http.answer import Answer
from integrations.http.client import ProviderClient
from integrations.http.pages.keyset import Ask, KeySet
from integrations.http.pages.nested import Children, Nest
from integrations.http.pages.rows import (
    closed,
    entity_of,
    has_place_for,
    rows_in,
    stamp_of,
    told_entity,
    value_at,
)
from integrations.http.pages.stamps import Stamp, earlier, like, order
from integrations.types import Cursor, Entity, EntityType, Payload, Position

RowsOf = Callable[[Any], list[tuple[str, Payload, bool]]]
"""For odd envelopes: from a body to (source_id, payload, is deleted)."""

Step = tuple[list[Entity], Any, Any, Answer]
"""One page of a walk: its entities, its token, the token of the next or None, the answer."""


@dataclass
class Pages(ABC):
    """A list at `path`, page by page.

    items: dotted path of the rows in an answer; '' if the answer is the list.
    key: dotted path of a row's id, or a template: "{scope}:{ts}".
    params: sent with every page; in the body if `method` is "post".
    scope: the parent the list belongs to.
    rows: reads an odd envelope instead of `items` and `key`.
    gone: (path, value) that marks a row as a deletion; None for whatever value.
    """

    http: ProviderClient
    path: str
    items: str = ""
    key: str = "id"
    params: Mapping[str, Any] = field(default_factory=dict)
    scope: str = ""
    rows: RowsOf | None = None
    method: Literal["get", "post"] = "get"
    gone: tuple[str, Any] | None = None

    @abstractmethod
    def ask(self, page: Any, extra: Mapping[str, Any]) -> Answer:
        """The answer for page token `page` (None for the first) with `extra` parameters."""

    @abstractmethod
    def following(self, answer: Answer, page: Any, rows: list[Any]) -> Any:
        """The token of the next page, JSON only; None if this was the last."""

    def entities(
        self,
        entity_type: EntityType,
        start: Cursor | None = None,
        then: Callable[[], Cursor] | None = None,
    ) -> Iterator[Entity]:
        """The complete list, from where `start` left it.

        `then` is asked once, before page 1, and becomes the cursor at the end: changes made while
        the list is read are then found by what follows.
        """
        open_walk = dict(start or {})
        kept: Cursor = {"then": open_walk["then"]} if "then" in open_walk else {}
        if then is not None and not kept:
            kept = {"then": then()}
            yield self._rest(entity_type, kept)
        passed = set(open_walk.get("seen", ()))
        for found, _, following, answer in self.walk(entity_type, open_walk.get("page"), {}):
            if following is None:
                rest = self._rest(entity_type, kept.get("then") or self.ending(answer), done=True)
            else:
                rest = self._rest(entity_type, {**kept, "page": following})
            yield from closed([one for one in found if one.source_id not in passed], rest)
            passed.clear()

    def feed(
        self,
        entity_type: EntityType,
        start: Cursor,
        asks: str = "",
        answers: str = "",
        overlap: float = 0,
    ) -> Iterator[Entity]:
        """Changes since `start["feed"]`, sent as parameter `asks`.

        The last page says at path `answers` where the next feed begins, `overlap` seconds earlier
        if that is a time. Without such a value it begins where this one did.

        Raises:
            CheckpointExpiredError: the provider knows nothing of such a beginning (any more).
            NotFoundError: the same inside a parent, which may itself be gone.
        """
        since = start["feed"]
        passed = set(start.get("seen", ()))
        kept: Cursor = {"until": start["until"]} if "until" in start else {}
        first = start.get("page", self.feed_page(since))
        walked = self.walk(entity_type, first, {asks: since} if asks else {})
        for found, page, following, answer in self._remembered(walked):
            fresh = [one for one in found if one.source_id not in passed]
            if following is None:
                began = value_at(answer, answers) if answers else None
                until = self.ending(answer) or {"feed": earlier(began, overlap) or since}
                if fresh and not kept:
                    # Stopped inside it, this page is found grown: what is passed over then may
                    # have changed again. The next feed begins where this answer ended.
                    kept = {"until": until}
                    yield self._rest(entity_type, {"feed": since, "page": page, **kept})
                rest = self._rest(entity_type, kept.get("until", until), done=True)
            else:
                rest = self._rest(entity_type, {"feed": since, "page": following, **kept})
            yield from closed(fresh, rest)
            passed.clear()

    def newest_first(
        self,
        entity_type: EntityType,
        start: Cursor | None,
        stamp: str,
        floor_param: str | None = None,
        overlap: float = 0,
        children: Children | None = None,
        first: Stamp = "",
        detailed: bool = False,
        moves: bool = False,
    ) -> Iterator[Entity]:
        """Rows from the newest down to the high-water of the last complete walk.

        `stamp` is the path of what the list is sorted by. The floor lies `overlap` seconds below
        the high-water and is sent as `floor_param` if the provider knows such a parameter. The
        high-water moves only when the walk is complete. `children` walks what lies below a row,
        with a cursor of its own and the high-water to decide what is new. `first` shows how the
        provider writes a stamp, so that a backfill date can be the first floor. With `detailed`
        the rows of page 1 cost calls of their own, so a position that fixes the high-water comes
        before them. `moves`: a row that changes moves up, out of what is still to be read, so a
        walk of several pages is followed by one over what changed meanwhile.
        """
        start = start or {}
        kept: Cursor = {key: start[key] for key in ("high", "not_before") if key in start}
        high: Stamp = kept.get("high")
        open_walk: Cursor = dict(start.get("walk", {}))
        newest: Stamp = open_walk.get("high")
        floor = earlier(high, overlap)
        if floor is None and "not_before" in kept:
            floor = like(first, kept["not_before"])
        passed = {*open_walk.get("seen", ()), *start.get("seen", ())}
        extra = {floor_param: floor} if floor_param and floor is not None else {}
        for found, page, following, _ in self.walk(entity_type, open_walk.get("page"), extra):
            above, is_below = _above(found, stamp, floor)
            if newest is None:
                newest = _newest(above, stamp, high)
            if detailed and "walk" not in start and page is None:
                cursor = {**kept, "walk": {"page": None, "high": newest}}
                yield self._rest(entity_type, cursor)
            fresh = [one for one in above if one.source_id not in passed]
            if children is not None:
                here: Cursor = {"page": page, "high": newest, "seen": sorted(passed)}
                nest = Nest(self.scope, children, high, kept)
                yield from nest.walk(fresh, here, open_walk)
                fresh = []
            if is_below or following is None:
                cursor = kept if newest is None else {"high": newest}
                is_long = page is not None or "walk" in start
                may_have_missed = moves and is_long and _is_later(newest, high)
                rest = self._rest(entity_type, cursor, done=not may_have_missed)
                yield from closed(fresh, rest)
                if may_have_missed:
                    how = floor_param, overlap, children, first, detailed, moves
                    yield from self.newest_first(entity_type, cursor, stamp, *how)
                return
            cursor = {**kept, "walk": {"page": following, "high": newest}}
            yield from closed(fresh, self._rest(entity_type, cursor))
            passed.clear()
            open_walk.clear()

    def keyset(
        self,
        entity_type: EntityType,
        start: Cursor | None,
        ask: Ask,
        stamp: str,
        size: int,
        first: Stamp,
        then: Callable[[], Cursor] | None = None,
        overlap: float = 300,
        detailed: bool = False,
    ) -> Iterator[Entity]:
        """Rows from the oldest change to the newest, asked for by the last stamp seen.

        `ask(stamp, page)` gives the parameters for rows changed at `stamp` or later, page 1
        being the first; pages hold `size` rows; `first` is the stamp before all others. The next
        run begins `overlap` seconds before the last stamp (or with `then`): providers commit
        late, and change a row twice within one stamp. With `detailed` the rows cost calls of
        their own, so each carries a position.
        """
        keyset = KeySet(self, entity_type, ask, stamp, size, first, then, overlap, detailed)
        return keyset.walk(start)

    def walk(self, entity_type: EntityType, page: Any, extra: Mapping[str, Any]) -> Iterator[Step]:
        """One step after the other, from page token `page` on.

        A list the provider has lost is begun again from its first page, once.

        Raises:
            FatalError: a page leads back to one this walk has already seen.
        """
        seen = {_fingerprint(page)}
        may_restart = True
        while True:
            try:
                answer = self.ask(page, extra)
            except ListRestartError:
                if page is None or not may_restart:
                    raise
                page, may_restart, seen = None, False, {_fingerprint(None)}
                continue
            rows = self.raw_rows(answer)
            following = self.following(answer, page, rows)
            if following is not None:
                mark = _fingerprint(following)
                if mark in seen:
                    raise FatalError(
                        f"{self.http.provider.label} leads in a circle: the list of "
                        f"{entity_type.name} names the same next page twice."
                    )
                seen.add(mark)
            yield self.entities_of(rows, entity_type), page, following, answer
            if following is None:
                return
            page = following

    def entities_of(self, rows: list[Any], entity_type: EntityType) -> list[Entity]:
        """What `raw_rows` gave as entities, without positions."""
        if self.rows is not None:
            return [told_entity(row, entity_type, self.scope) for row in rows]
        return [entity_of(row, entity_type, self.key, self.scope, self.gone) for row in rows]

    def raw_rows(self, answer: Answer) -> list[Any]:
        """The rows of an answer as they came.

        Raises:
            ProviderUnavailableError: the place where rows belong is missing. Taken for an empty
                list, that would delete everything the provider did not mention.
        """
        if self.rows is not None:
            return list(self.rows(answer.body))
        if not has_place_for(answer.body, self.items):
            raise ProviderUnavailableError(
                f"{self.http.provider.label} sent an answer without "
                f"{self.items or 'a list'}, which is not taken for an empty one."
            )
        return rows_in(answer.body, self.items)

    def send(self, extra: Mapping[str, Any], path: str | None = None) -> Answer:
        """One request with this list's parameters and `extra`."""
        asked = {**self.params, **extra}
        if self.method == "post":
            return self.http.post(path or self.path, asked, rows_at=self.items)
        return self.http.get(path or self.path, asked, rows_at=self.items)

    def feed_page(self, since: Any) -> Any:
        """The page a feed begins with; None unless the feed is an address."""
        return None

    def ending(self, answer: Answer) -> Cursor:
        """The cursor a complete list leaves behind where `then` says nothing."""
        return {}

    def _remembered(self, walked: Iterator[Step]) -> Iterator[Step]:
        try:
            yield from walked
        except NotFoundError as error:
            if self.scope:
                raise
            raise CheckpointExpiredError(
                f"{self.http.provider.label} no longer knows where the last read ended; "
                "everything is read again."
            ) from error

    def _rest(self, entity_type: EntityType, cursor: Cursor, done: bool = False) -> Entity:
        return Entity.rest(Position(self.scope, cursor, done), entity_type.name)


def _above(found: list[Entity], stamp: str, floor: Stamp) -> tuple[list[Entity], bool]:
    """The entities not below the floor, and whether the list has gone below it."""
    lowest = order(floor) if floor is not None else None
    if lowest is None:
        return found, False
    for index, one in enumerate(found):
        at = order(stamp_of(one, stamp))
        if at is not None and at < lowest:
            return found[:index], True
    return found, False


def _newest(found: list[Entity], stamp: str, at_least: Stamp) -> Stamp:
    newest = at_least
    for one in found:
        seen = stamp_of(one, stamp)
        if _is_later(seen, newest):
            newest = seen
    return newest


def _is_later(stamp: Stamp, than: Stamp) -> bool:
    at, best = order(stamp), order(than)
    return at is not None and (best is None or at > best)


def _fingerprint(page: Any) -> bytes:
    return orjson.dumps(page, option=orjson.OPT_SORT_KEYS)
