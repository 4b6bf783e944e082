"""GitHub's lists: which parameters they take, how they are sorted, and the Link header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox.github_shapes import API
from integrations.sandbox.part import RefusalError, Request, Response, json_response
from integrations.sandbox.rows import Row, by_id, joined

DEFAULT_PER_PAGE = 30
MAX_PER_PAGE = 100
DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True, slots=True)
class Listing:
    """What one list may be asked for; the first of each tuple is the default."""

    sorts: tuple[str, ...] = ()
    directions: tuple[str, ...] = ("desc", "asc")
    states: tuple[str, ...] = ()
    has_since: bool = False


ORGANIZATIONS = MEMBERS = Listing()
REPOSITORIES = Listing(
    ("full_name", "created", "updated", "pushed"), ("asc", "desc"), has_since=True
)
ISSUES = Listing(
    ("created", "updated", "comments"), states=("open", "closed", "all"), has_since=True
)
PULLS = Listing(
    ("created", "updated", "popularity", "long-running"), states=("open", "closed", "all")
)


def failed(status: int, message: str, **headers: str) -> Response:
    """An error in GitHub's shape; header names are given with underscores."""
    body: dict[str, Any] = {"message": message, "documentation_url": DOCS, "status": str(status)}
    return json_response(body, status, **headers)


def refuse(status: int, message: str, **headers: str) -> RefusalError:
    return RefusalError(failed(status, message, **headers))


def answer_list(request: Request, rows: Sequence[Row], listing: Listing) -> Response:
    """One page of `rows` as the query asks for them. Unknown parameters are ignored."""
    query = request.query
    found = _sorted(_since(_in_state(list(rows), query, listing), query, listing), query, listing)
    size = min(_whole(query, "per_page", DEFAULT_PER_PAGE), MAX_PER_PAGE) or DEFAULT_PER_PAGE
    number = max(1, _whole(query, "page", 1))
    page = found[(number - 1) * size : number * size]
    response = Response(200, joined(page), rows=len(page))
    last = max(1, -(-len(found) // size))
    places = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
    shown = {"prev": number > 1, "next": number < last, "last": number < last, "first": number > 1}
    path = request.path.removeprefix("/github/api")
    links = [
        f'<{API}{path}?{urlencode({**query, "page": place})}>; rel="{rel}"'
        for rel, place in places.items()
        if shown[rel]
    ]
    if links:
        response.headers["Link"] = ", ".join(links)
    return response


def _in_state(rows: list[Row], query: dict[str, str], listing: Listing) -> list[Row]:
    if not listing.states:
        return rows
    state = _choice(query, "state", listing.states)
    return rows if state == "all" else [row for row in rows if row.data["state"] == state]


def _since(rows: list[Row], query: dict[str, str], listing: Listing) -> list[Row]:
    """What changed at that second or later."""
    if not listing.has_since or "since" not in query:
        return rows
    try:
        moment = datetime.fromisoformat(query["since"])
    except ValueError:
        raise refuse(422, "Validation Failed") from None
    floor = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return [row for row in rows if row.stamp >= floor]


def _sorted(rows: list[Row], query: dict[str, str], listing: Listing) -> list[Row]:
    """Rows with equal values follow each other by id, the newest last in either direction."""
    rows = sorted(rows, key=by_id)
    if not listing.sorts:
        return rows
    by = _choice(query, "sort", listing.sorts)
    default = "asc" if by == "full_name" else "desc"
    is_down = _choice(query, "direction", (default, "asc", "desc")) == "desc"
    field = {"created": "created_at", "updated": "updated_at", "pushed": "pushed_at"}.get(by, by)
    return sorted(rows, key=lambda row: str(row.data.get(field, "")), reverse=is_down)


def _choice(query: dict[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = query.get(name, allowed[0])
    if value not in allowed:
        raise refuse(422, "Validation Failed")
    return value


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isdecimal() else default
