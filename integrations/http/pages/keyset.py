"""The oldest-first walk: always ask again from the last stamp seen.

Page numbers over a list that moves lose rows, and providers cap how far they count. Asking from
the last stamp does neither. The page number grows only while a single stamp fills a page.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from integrations.errors import FatalError
from integrations.http.pages.rows import closed, stamp_of
from integrations.http.pages.stamps import Stamp, earlier, like, order
from integrations.types import Cursor, Entity, EntityType, Position

if TYPE_CHECKING:
    from integrations.http.pages.base import Pages

Ask = Callable[[Stamp, int], Mapping[str, Any]]

FIRST_PAGE = 1
MOST_SEEN_KEPT = 1000
"""Ids of one stamp that travel in a cursor. Beyond, a resumed run reads some rows again."""


class KeySet:
    """One walk; see Pages.keyset.

    Cursor while walking: {"stamp", "page", "seen", "again", "news", "beyond"}; at the end
    {"since"}.
    """

    def __init__(
        self,
        pages: "Pages",
        entity_type: EntityType,
        ask: Ask,
        stamp_path: str,
        size: int,
        first: Stamp,
        then: Callable[[], Cursor] | None,
        overlap: float,
        detailed: bool = False,
    ) -> None:
        self.pages = pages
        self.entity_type = entity_type
        self.ask = ask
        self.stamp_path = stamp_path
        self.size = size
        self.first = first
        self.then = then
        self.overlap = overlap
        self.detailed = detailed

    def walk(self, start: Cursor | None) -> Iterator[Entity]:
        open_walk = dict(start or {})
        kept: Cursor = {"then": open_walk["then"]} if "then" in open_walk else {}
        if self.then is not None and not kept:
            kept = {"then": self.then()}
            yield self._rest(kept)
        began = self._beginning(open_walk)
        stamp: Stamp = open_walk.get("stamp", began)
        page: int = open_walk.get("page", FIRST_PAGE)
        is_again: bool = open_walk.get("again", False)
        has_news = not is_again or bool(open_walk.get("news", False))
        passed = {(source_id, stamp) for source_id in open_walk.get("seen", ())}
        passed |= {(source_id, at) for source_id, at in open_walk.get("beyond", ())}
        while True:
            rows = self.pages.raw_rows(self.pages.send(self.ask(stamp, page)))
            stamped = list(self._stamped(self.pages.entities_of(rows, self.entity_type), stamp))
            fresh = [(one, at) for one, at in stamped if (one.source_id, at) not in passed]
            last = stamped[-1][1] if stamped else stamp
            is_over = len(rows) < self.size
            is_leaving = is_over or last != stamp
            has_news = has_news or any(at == stamp for _, at in fresh)
            # Several pages of one stamp: a row that left it meanwhile moved the others up across
            # a page edge. Walk the stamp again until nothing new turns up.
            is_restart = is_leaving and page > FIRST_PAGE and has_news
            entities = [one for one, _ in fresh]
            if self.detailed:
                here = {**kept, "stamp": stamp, "page": page}
                here |= {"again": True, "news": True} if is_again else {}
                entities = self._each_with_rest(fresh, here, kept, passed, is_restart)
            passed |= {(one.source_id, at) for one, at in fresh}
            if not is_leaving:
                page += 1
            elif is_restart:
                page, is_again, has_news, is_over = FIRST_PAGE, True, False, False
            else:
                stamp, page, is_again, has_news = last, FIRST_PAGE, False, True
                passed = {(source_id, at) for source_id, at in passed if at == stamp}
            if is_over and is_leaving:
                is_unmoved = "stamp" not in open_walk and stamp == began
                since = began if is_unmoved else earlier(stamp, self.overlap)
                yield from closed(entities, self._rest(kept.get("then", {"since": since}), True))
                return
            cursor: Cursor = {**kept, "stamp": stamp, "page": page, **_kept(passed, stamp)}
            if is_again:
                cursor |= {"again": True, "news": has_news}
            yield from closed(entities, self._rest(cursor))

    def _beginning(self, start: Cursor) -> Stamp:
        if "not_before" in start:
            return like(self.first, start["not_before"])
        return start.get("since", self.first)

    def _stamped(self, found: list[Entity], stamp: Stamp) -> Iterator[tuple[Entity, Stamp]]:
        """Each with its stamp; one that cannot be read goes by the row before it."""
        latest = order(stamp)
        for one in found:
            own = stamp_of(one, self.stamp_path)
            at = order(own)
            if at is not None and latest is not None and at < latest:
                raise FatalError(
                    f"{self.pages.http.provider.label} does not sort {self.entity_type.name} by "
                    f"{self.stamp_path}; asking from the last change seen would lose rows."
                )
            if at is not None:
                stamp, latest = own, at
            yield one, stamp

    def _each_with_rest(
        self,
        fresh: list[tuple[Entity, Stamp]],
        here: Cursor,
        kept: Cursor,
        passed: set[tuple[str, Stamp]],
        is_restart: bool,
    ) -> list[Entity]:
        """Each row with a position behind it, from where what came does not come again."""
        passed, stamp, rested = set(passed), here["stamp"], []
        for one, at in fresh:
            if at != stamp and is_restart:
                here = {**here, "page": FIRST_PAGE, "again": True, "news": False}
            elif at != stamp:
                here, stamp = {**kept, "stamp": at, "page": FIRST_PAGE}, at
                passed = {seen for seen in passed if seen[1] == at}
            passed.add((one.source_id, at))
            rest = self._rest({**here, **_kept(passed, stamp)})
            rested.append(replace(one, position=rest.position))
        return rested

    def _rest(self, cursor: Cursor, done: bool = False) -> Entity:
        return Entity.rest(Position(self.pages.scope, cursor, done), self.entity_type.name)


def _kept(passed: set[tuple[str, Stamp]], stamp: Stamp) -> Cursor:
    """What came, for a cursor: ids at the stamp, and beyond it while the stamp is walked again."""
    seen = sorted(source_id for source_id, at in passed if at == stamp)
    beyond = sorted([source_id, at] for source_id, at in passed if at != stamp)
    kept: Cursor = {"seen": seen if len(seen) <= MOST_SEEN_KEPT else []}
    return kept | ({"beyond": beyond} if 0 < len(beyond) <= MOST_SEEN_KEPT else {})
