"""Slack's envelopes and cursors: short opaque marks of the row that comes next."""

from __future__ import annotations

import base64
import re
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.part import RefusalError, Response, json_response
from integrations.sandbox.rows import Row, joined

_TS = re.compile(r"(\d{1,10})(?:\.(\d{1,6}))?\Z")


@dataclass(frozen=True, slots=True)
class Paging:
    """Page sizes of one method; cursors of an older epoch are refused."""

    default: int
    largest: int
    epoch: int


def failed(error: str, **more: Any) -> Response:
    """Status 200, ok false: how Slack says no."""
    return json_response({"ok": False, "error": error, **more})


def refused(error: str, **more: Any) -> RefusalError:
    return RefusalError(failed(error, **more))


def listed(key: bytes, page: list[Row], tail: bytes) -> Response:
    """`{"ok": true, "<key>": [rows], …tail}`."""
    body = b'{"ok":true,"%s":%s%s}' % (key, joined(page), tail)
    return Response(200, body, rows=len(page))


def metadata(cursor: str) -> bytes:
    return b',"response_metadata":{"next_cursor":"%s"}' % cursor.encode()


def bound(text: str, error: str) -> str:
    """A time stamp as ten digits and six decimals, comparable as text."""
    match = _TS.match(text)
    if match is None:
        raise refused(error)
    return f"{int(match[1]):010d}.{(match[2] or ''):0<6}"


def page_of(
    rows: list[Row], asked: dict[str, str], kind: str, paging: Paging
) -> tuple[list[Row], str]:
    """One page and the cursor of the next one; the cursor is empty when there is none."""
    limit = asked.get("limit") or str(paging.default)
    if not limit.isdecimal() or not 1 <= int(limit) <= paging.largest:
        raise refused("invalid_arguments")
    start, prefix = 0, f"{kind}:{paging.epoch}:"
    if asked.get("cursor"):
        mark = _opened(asked["cursor"], prefix)
        start = next((n for n, row in enumerate(rows) if _reached(row, mark, kind)), len(rows))
    end = start + int(limit)
    if end >= len(rows):
        return rows[start:], ""
    cursor = base64.urlsafe_b64encode(f"{prefix}{_mark(rows[end], kind)}".encode())
    return rows[start:end], cursor.decode()


def _opened(cursor: str, prefix: str) -> str:
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (Base64Error, UnicodeError) as exc:
        raise refused("invalid_cursor") from exc
    if not text.startswith(prefix):
        raise refused("invalid_cursor")
    return text.removeprefix(prefix)


def _mark(row: Row, kind: str) -> str:
    return str(row.data["ts"]) if kind.endswith("_ts") else row.id


def _reached(row: Row, mark: str, kind: str) -> bool:
    """True from the row the cursor names on, also when that row is gone by now."""
    return _mark(row, kind) <= mark if kind == "next_ts" else _mark(row, kind) >= mark
