"""Rows of one account at one provider: kept encoded, kept in order, changed through one place."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

POISONS: dict[str, bytes] = {
    "nul": b'"before\\u0000after"',
    "surrogate": b'"\\ud800"',
    "nan": b"NaN",
    "huge_int": b"9" * 5_000,
    "deep": b"[" * 6_000 + b"]" * 6_000,
    "infinite": b"1e400",
}
"""What a poisoned row carries in its poisoned field, byte for byte."""


class Row:
    """One thing a provider holds. `stamp` is when it last changed, in epoch seconds."""

    __slots__ = ("_encoded", "data", "id", "poison", "scope", "stamp", "visible")

    def __init__(
        self, id: str, stamp: float, data: dict[str, Any], *, scope: str = "", visible: bool = True
    ) -> None:
        self.id = id
        self.stamp = stamp
        self.data = data
        self.scope = scope
        self.visible = visible
        self.poison: tuple[str, str] | None = None
        self._encoded: bytes | None = None

    def encoded(self) -> bytes:
        """The JSON object as it is sent, poison included."""
        if self._encoded is None:
            body = orjson.dumps(self.data)
            if self.poison is not None:
                field, kind = self.poison
                body = body[:-1] + b"," + orjson.dumps(field) + b":" + POISONS[kind] + b"}"
            self._encoded = body
        return self._encoded

    def forget_encoding(self) -> None:
        """Encode anew when next sent."""
        self._encoded = None

    def truth(self) -> dict[str, Any]:
        """What a checker compares: the hash is over the row with sorted keys, without poison."""
        digest = hashlib.sha256(orjson.dumps(self.data, option=orjson.OPT_SORT_KEYS))
        return {
            "id": self.id,
            "stamp": self.stamp,
            "sha256": digest.hexdigest(),
            "scope": self.scope,
            "visible": self.visible,
            "poison": self.poison[1] if self.poison else None,
        }


def by_id(row: Row) -> tuple[int, str]:
    """Orders decimal ids as numbers and all others as text of one length."""
    return len(row.id), row.id


class Table:
    """All rows of one entity of one account, with the ids that were deleted and when."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = {row.id: row for row in rows}
        self.deleted: dict[str, float] = {}
        self._orders: dict[object, list[Row]] = {}
        self._stamps: list[float] | None = None
        self._scopes: dict[str, list[Row]] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def find(self, id: str) -> Row | None:
        """The row with this id, or None."""
        return self._rows.get(id)

    def ordered(
        self, name: str, key: Callable[[Row], Any], *, descending: bool = False
    ) -> list[Row]:
        """All rows sorted by `key`, equal ones by id; remembered under `name` until a change."""
        order = self._orders.get((name, descending))
        if order is None:
            order = sorted(self._rows.values(), key=by_id)
            order.sort(key=key, reverse=descending)
            self._orders[(name, descending)] = order
        return order

    def changed_between(self, low: float | None, high: float | None) -> list[Row]:
        """Rows with low ≤ stamp ≤ high, oldest change first."""
        order = self.ordered("stamp", _stamp)
        if self._stamps is None:
            self._stamps = [row.stamp for row in order]
        first = 0 if low is None else bisect_left(self._stamps, low)
        last = len(order) if high is None else bisect_right(self._stamps, high)
        return order[first:last]

    def in_scope(self, scope: str) -> list[Row]:
        """Rows of one parent, by id; remembered until a change."""
        if self._scopes is None:
            self._scopes = {}
            for row in self.ordered("id", by_id):
                self._scopes.setdefault(row.scope, []).append(row)
        return self._scopes.get(scope, [])

    def put(self, row: Row) -> None:
        """Add `row`, or take note that it changed."""
        row.forget_encoding()
        self._rows[row.id] = row
        self.deleted.pop(row.id, None)
        self._forget_orders()

    def remove(self, id: str, stamp: float) -> None:
        """Take the row away and remember when."""
        del self._rows[id]
        self.deleted[id] = stamp
        self._forget_orders()

    def _forget_orders(self) -> None:
        self._orders.clear()
        self._stamps = None
        self._scopes = None


def _stamp(row: Row) -> float:
    return row.stamp


def joined(rows: Iterable[Row]) -> bytes:
    """A JSON array of the rows as sent."""
    return b"[" + b",".join([row.encoded() for row in rows]) + b"]"
