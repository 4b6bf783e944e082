"""Page styles: how providers cut lists into pages, and how each is walked so that it can resume.

A walk yields entities; at the end of each page one carries the position from which a later run
may go on once everything before is committed. On resuming, the open page is fetched again and
what was committed from it is passed over by id, never by count: a row deleted meanwhile shifts a
count. Walks for a complete list, a feed of changes and a list newest first are in `base`; the
oldest-first walk by key set, which neither drifts nor meets a cap, is in `keyset`.
"""

from integrations.http.pages.base import Pages, RowsOf
from integrations.http.pages.expanded import ExpandedPages
from integrations.http.pages.nested import with_children
from integrations.http.pages.rows import first_of_each, in_pages, only
from integrations.http.pages.styles import (
    CursorPages,
    LastIdPages,
    LinkPages,
    NumberPages,
    OffsetPages,
    SinglePage,
    UrlPages,
)

__all__ = [
    "CursorPages",
    "ExpandedPages",
    "LastIdPages",
    "LinkPages",
    "NumberPages",
    "OffsetPages",
    "Pages",
    "RowsOf",
    "SinglePage",
    "UrlPages",
    "first_of_each",
    "in_pages",
    "only",
    "with_children",
]
