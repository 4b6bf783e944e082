"""Reads a provider's JSON so that one bad row costs one row, never the page.

orjson reads the page first. If it refuses, or the page could hold something orjson would change
silently or a database would not store, a bracket scanner cuts the page into the elements of its
outermost arrays (the rows) and reads each alone. A row with a NUL or half a surrogate pair in a
string or key, with NaN, Infinity or 1e400, with a number of more than 4,300 digits, nested deeper
than 100, or not JSON at all becomes `Unreadable` in its place; everything else survives.

Whole numbers beyond 64 bits, and fractions that binary floating point cannot hold exactly in rows
with so many digits, are kept as their digits in a str: exact, and storable by everybody.
"""

import json
import re
from decimal import Decimal
from typing import Any, Final, NoReturn

import orjson

from integrations.errors import ProviderUnavailableError
from integrations.types import Unreadable

MAX_DEPTH: Final = 100
MAX_DIGITS: Final = 4300
LONG_RUN: Final = b"0" * 19
"""Fewer digits in a row always fit 64 bits."""

_ENVELOPE_DEPTH: Final = 20
"""Objects around the rows; deeper than this it is taken as one value."""

_DIGITS_TO_ZERO: Final = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|"', re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_SCALAR_END: Final = re.compile(rb"[,\]}]")


def read_json(raw: bytes, rows_at: str | None = "") -> Any:
    """The document; rows that cannot be read are `Unreadable` in their place.

    `rows_at` is the dotted path of the rows where arrays lie around them ("a.b" for
    {"a": [{"b": [row, …]}]}); otherwise the outermost arrays hold the rows. None means that the
    whole document is one row.

    Raises:
        ProviderUnavailableError: the document itself is broken, most likely cut short.
    """
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if not _is_suspicious(raw):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass
    if rows_at is None:
        return _read_whole(raw)
    return _Scanner(raw, rows_at.split(".") if rows_at else []).read()


def read_piece(raw: bytes) -> Any:
    """One row read alone, or `Unreadable` with the reason."""
    if not _is_suspicious(raw):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass
    try:
        if _depth(raw) > MAX_DEPTH:
            raise _FlawError(f"is nested deeper than {MAX_DEPTH}")
        value = json.loads(
            raw.decode(), parse_int=_int, parse_float=_float, parse_constant=_constant
        )
        _refuse_unstorable(value)
    except _FlawError as flaw:
        return Unreadable(raw, flaw.reason)
    except UnicodeDecodeError:
        return Unreadable(raw, "is not UTF-8")
    except (ValueError, RecursionError):
        return Unreadable(raw, "is not JSON")
    return value


def read_members(raw: bytes) -> dict[str, bytes]:
    """The members of the outermost object, each still as it was written.

    Raises:
        ProviderUnavailableError: it is no object, or not a complete one.
    """
    return _Scanner(raw.removeprefix(b"\xef\xbb\xbf"), []).members()


class _FlawError(Exception):
    """Why a row cannot be read, as the rest of a sentence that starts with 'the row'."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _is_suspicious(raw: bytes) -> bool:
    """True where orjson might accept what must not be accepted; may be a false alarm."""
    return (
        b"\\u0000" in raw
        or LONG_RUN in raw.translate(_DIGITS_TO_ZERO)
        or _may_be_deep(raw.translate(_ONE_KIND, _NOT_BRACKETS))
    )


def _may_be_deep(brackets: bytes) -> bool:
    """Each round removes the innermost pairs, so the number of rounds is the depth.

    Brackets inside strings can leave a rest; then nobody knows and the answer is yes.
    """
    for depth in range(MAX_DEPTH + 1):
        if not brackets:
            return False
        fewer = brackets.replace(b"[]", b"")
        if len(fewer) == len(brackets):
            return depth + len(brackets) > MAX_DEPTH
        brackets = fewer
    return True


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for match in _TOKEN.finditer(raw):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"]", b"}"):
            depth -= 1
    return deepest


def _int(digits: str) -> int | str:
    if len(digits) > MAX_DIGITS:
        raise _FlawError(f"holds a number of more than {MAX_DIGITS} digits")
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else digits


def _float(digits: str) -> float | str:
    if len(digits) > MAX_DIGITS:
        raise _FlawError(f"holds a number of more than {MAX_DIGITS} digits")
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _FlawError("holds a number that is not finite")
    return number if Decimal(digits) == Decimal(repr(number)) else digits


def _constant(name: str) -> NoReturn:
    raise _FlawError("holds a number that is not finite")


def _refuse_unstorable(value: Any) -> None:
    """Raise for a NUL or half a surrogate pair in any string or key."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            if "\0" in part:
                raise _FlawError("holds a NUL character")
            if not part.isascii() and any("\ud800" <= char <= "\udfff" for char in part):
                raise _FlawError("holds half a surrogate pair")
        elif isinstance(part, dict):
            left.extend(part.keys())
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)


def _read_whole(raw: bytes) -> Any:
    scanner = _Scanner(raw, [])
    scanner.expect_only(scanner.end_of_value(scanner.start))
    return read_piece(raw.strip())


class _Scanner:
    """Walks the envelope and cuts out what lies in it, without trusting any of it."""

    def __init__(self, raw: bytes, rows_at: list[str]) -> None:
        self.raw = raw
        self.rows_at = rows_at
        self.start = self._skip_space(0)

    def read(self) -> Any:
        value, end = self._value(self.start, [])
        self.expect_only(end)
        if isinstance(value, Unreadable):
            raise _broken()
        return value

    def members(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        at = self.start
        if self.raw[at : at + 1] != b"{":
            raise _broken()
        at, is_last = self._skip_space(at + 1), False
        if self.raw[at : at + 1] == b"}":
            at, is_last = at + 1, True
        while not is_last:
            key, at = self._key(at)
            end = self.end_of_value(at)
            found[key] = self.raw[at:end].strip()
            at, is_last = self._next(end, b"}")
        self.expect_only(at)
        return found

    def expect_only(self, end: int) -> None:
        if self._skip_space(end) != len(self.raw):
            raise _broken()

    def _value(self, at: int, path: list[str]) -> tuple[Any, int]:
        opening = self.raw[at : at + 1]
        if opening == b"{" and len(path) < _ENVELOPE_DEPTH:
            return self._object(at, path)
        if opening == b"[":
            return self._array(at, path)
        end = self.end_of_value(at)
        return read_piece(self.raw[at:end].strip()), end

    def _object(self, at: int, path: list[str]) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at = self._skip_space(at + 1)
        if self.raw[at : at + 1] == b"}":
            return members, at + 1
        while True:
            key, at = self._key(at)
            members[key], at = self._value(at, [*path, key])
            at, is_last = self._next(at, b"}")
            if is_last:
                return members, at

    def _key(self, at: int) -> tuple[str, int]:
        """A member's name, and where its value begins."""
        end = self.end_of_value(at)
        key = read_piece(self.raw[at:end].strip())
        at = self._skip_space(end)
        if not isinstance(key, str) or self.raw[at : at + 1] != b":":
            raise _broken()
        return key, self._skip_space(at + 1)

    def _array(self, at: int, path: list[str]) -> tuple[list[Any], int]:
        is_on_the_way = len(path) < len(self.rows_at) and path == self.rows_at[: len(path)]
        elements: list[Any] = []
        at = self._skip_space(at + 1)
        if self.raw[at : at + 1] == b"]":
            return elements, at + 1
        while True:
            if is_on_the_way:
                element, at = self._value(at, path)
            else:
                end = self.end_of_value(at)
                element, at = read_piece(self.raw[at:end].strip()), end
            elements.append(element)
            at, is_last = self._next(at, b"]")
            if is_last:
                return elements, at

    def _next(self, at: int, closing: bytes) -> tuple[int, bool]:
        """Where the next element begins, or the end of the container."""
        at = self._skip_space(at)
        mark = self.raw[at : at + 1]
        if mark == closing:
            return at + 1, True
        if mark != b",":
            raise _broken()
        return self._skip_space(at + 1), False

    def end_of_value(self, at: int) -> int:
        """Just behind the value that begins at `at`, by its brackets and quotes alone."""
        opening = self.raw[at : at + 1]
        if opening not in (b"[", b"{", b'"'):
            match = _SCALAR_END.search(self.raw, at)
            end = match.start() if match else len(self.raw)
            if not self.raw[at:end].strip():
                raise _broken()
            return end
        depth = 0
        for match in _TOKEN.finditer(self.raw, at):
            token = match[0]
            if token in (b"[", b"{"):
                depth += 1
            elif token in (b"]", b"}"):
                depth -= 1
            elif token == b'"':
                break
            if depth == 0:
                return match.end()
        raise _broken()

    def _skip_space(self, at: int) -> int:
        match = _SPACE.match(self.raw, at)
        return match.end() if match else at


def _broken() -> ProviderUnavailableError:
    return ProviderUnavailableError("The answer is not complete JSON; it may have been cut short.")
