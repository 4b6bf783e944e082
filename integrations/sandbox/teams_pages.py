"""Lists of channel messages: what may be asked, links that remember a place, whole threads."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from urllib.parse import parse_qs

import orjson

from integrations.sandbox.microsoft import refused
from integrations.sandbox.part import Json, Request, Response
from integrations.sandbox.rows import Row

GRAPH = "https://graph.microsoft.com/v1.0"
DEFAULT_PAGE, LARGEST_PAGE, REPLIES_INLINE = 20, 50, 1000
REACH_SECONDS = 240 * 86_400
"""Changes are told for eight months."""

_SINCE = re.compile(r"lastModifiedDateTime gt (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)\Z")
_LINKED = ("$skiptoken", "$deltatoken")


@dataclass(frozen=True, slots=True)
class Thread:
    """A post, deleted or not, and what was answered, oldest first; `number` counts changes."""

    post: Row
    replies: list[Row]
    number: int

    @property
    def stamp(self) -> float:
        return max(row.stamp for row in (self.post, *self.replies))


@dataclass(frozen=True, slots=True)
class Mark:
    """What a link remembers: the list, its size and depth, and where it stands.

    A walk of changes begins at the time `low` or behind change `since`; it ends at `until`.
    `last` is what came last.
    """

    epoch: int
    channel: str
    top: int = DEFAULT_PAGE
    expand: bool = False
    low: float = 0
    since: int = 0
    until: int = 0
    last: str = ""

    def text(self) -> str:
        return urlsafe_b64encode(orjson.dumps(list(asdict(self).values()))).decode().rstrip("=")


def mark_of(request: Request, channel: str, epoch: int, now: float, options: set[str]) -> Mark:
    """From a link's token, or from the `options` a list knows; the rest is refused."""
    asked = {name: values[-1] for name, values in parse_qs(request.query_string).items()}
    token = next((asked.pop(name) for name in _LINKED if name in asked), "")
    if token:
        try:
            mark = Mark(*orjson.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4))))
        except (TypeError, ValueError):
            raise refused(400, "BadRequest", "Badly formed token.") from None
        if asked or mark.channel != channel:
            raise refused(400, "BadRequest", "Follow the link as it is.")
        if mark.epoch != epoch and "$filter" in options:
            raise refused(410, "syncStateNotFound", "The sync state is gone.")
        return mark
    if unknown := set(asked) - options:
        raise refused(400, "BadRequest", f"{', '.join(unknown)} is not supported here.")
    top = asked.get("$top", str(DEFAULT_PAGE))
    if not top.isdecimal() or not 1 <= int(top) <= LARGEST_PAGE:
        raise refused(400, "BadRequest", f"$top must be between 1 and {LARGEST_PAGE}.")
    if asked.get("$expand", "replies") != "replies":
        raise refused(400, "BadRequest", "Only replies can be expanded.")
    mark = Mark(epoch, channel, int(top), "$expand" in asked, now - REACH_SECONDS)
    if "$filter" not in asked:
        return mark
    match = _SINCE.match(asked["$filter"])
    if match is None:
        raise refused(400, "BadRequest", "Filter by lastModifiedDateTime with gt only.")
    since = datetime.fromisoformat(match[1]).timestamp()
    return replace(mark, low=max(since, mark.low))


def changed_page(
    mark: Mark, threads: Iterable[Thread], number: int
) -> tuple[list[Thread], str, Mark]:
    """Threads, the name of the link that follows, and what that link remembers.

    `number` is that of the last change of all.
    """
    mark = replace(mark, until=mark.until or number)
    if mark.since:
        found = [one for one in threads if int(mark.last or mark.since) < one.number <= mark.until]
        found.sort(key=lambda one: one.number)
    else:
        found = [one for one in threads if one.stamp > mark.low and one.post.id > mark.last]
        found.sort(key=lambda one: one.post.id)
    page = found[: mark.top]
    if len(found) > mark.top:
        last = str(page[-1].number) if mark.since else page[-1].post.id
        return page, "@odata.nextLink", replace(mark, last=last)
    return page, "@odata.deltaLink", replace(mark, since=mark.until, until=0, last="")


def older_page(mark: Mark, rows: Iterable[Row]) -> tuple[list[Row], Mark | None]:
    """Rows from the newest to the oldest."""
    found = [row for row in rows if not mark.last or row.id < mark.last]
    found.sort(key=lambda row: row.id, reverse=True)
    page = found[: mark.top]
    return page, replace(mark, last=page[-1].id) if len(found) > mark.top else None


def expanded(thread: Thread, mark: Mark, path: str) -> bytes:
    """The post with its newest replies in it, and a link to older ones where they are too many."""
    inside = replace(mark, top=REPLIES_INLINE, last="")
    replies, older = older_page(inside, thread.replies)
    extra: Json = {"replies@odata.context": f"{GRAPH}/$metadata#Collection(chatMessage)"}
    if older is not None:
        rest = replace(older, top=LARGEST_PAGE)
        extra["replies@odata.nextLink"] = link(f"{path}/{thread.post.data['id']}/replies", rest)
    below = b",".join([row.encoded() for row in replies])
    return b"%s,%s,%s" % (
        thread.post.encoded()[:-1],
        orjson.dumps(extra)[1:-1],
        b'"replies":[%s]}' % below,
    )


def link(path: str, mark: Mark, name: str = "$skiptoken") -> str:
    return f"{GRAPH}{path}?{name}={mark.text()}"


def listing(items: list[bytes], **links: str) -> Response:
    """The envelope of a list; `links` are given as next or delta."""
    said: Json = {"@odata.context": f"{GRAPH}/$metadata#Collection", "@odata.count": len(items)}
    said |= {f"@odata.{name}Link": address for name, address in links.items() if address}
    body = b'%s,"value":[%s]}' % (orjson.dumps(said)[:-1], b",".join(items))
    return Response(200, body, rows=len(items))
