"""T30, M19: one bad row costs one row, never the page."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.errors import ProviderUnavailableError
from integrations.http.json_reader import read_json, read_members
from integrations.types import Unreadable

EXAMPLES = int(os.environ.get("EXAMPLES", "80"))
"""Of documents with a bad row; `make soak` takes more."""

DEEP = b"[" * 101 + b"]" * 101
BAD = {
    b'{"id": 2, "name": "a\\u0000b"}': "holds a NUL character",
    b'{"id": 2, "a\\u0000b": 1}': "holds a NUL character",
    b'{"id": 2, "deep": {"list": ["\\u0000"]}}': "holds a NUL character",
    b'{"id": 2, "name": "\\ud800"}': "holds half a surrogate pair",
    b'{"id": 2, "name": "\\udc00 \\ud800"}': "holds half a surrogate pair",
    b'{"id": 2, "\\ud83d": 1}': "holds half a surrogate pair",
    b'{"id": 2, "price": NaN}': "holds a number that is not finite",
    b'{"id": 2, "price": Infinity}': "holds a number that is not finite",
    b'{"id": 2, "price": -Infinity}': "holds a number that is not finite",
    b'{"id": 2, "price": 1e400}': "holds a number that is not finite",
    b'{"id": 2, "price": -1e999}': "holds a number that is not finite",
    b'{"id": 2, "n": ' + b"9" * 4301 + b"}": "holds a number of more than 4300 digits",
    b'{"id": 2, "n": 0.' + b"9" * 4301 + b"}": "holds a number of more than 4300 digits",
    b'{"id": 2, "deep": ' + DEEP + b"}": "is nested deeper than 100",
    b'{"id": 2, "deep": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001: "is nested deeper than 100",
    b'{"id": 2, "name": "\xff"}': "is not UTF-8",
    b'{"id": 2, "name": "\xed\xa0\x80"}': "is not UTF-8",
    b'{"id": 2, "name": "a\x00b"}': "is not JSON",
    b'{"id": 2, "name": "a\nb"}': "is not JSON",
    b'{"id": 2, "n": 01}': "is not JSON",
    b"{'id': 2}": "is not JSON",
    b'{"id": 2 "n": 1}': "is not JSON",
    b"undefined": "is not JSON",
}
ENVELOPES = [
    (b"[%s]", lambda body: body),
    (b' \n[ %s ]\r\n', lambda body: body),
    (b"\xef\xbb\xbf[%s]", lambda body: body),
    (b'{"ok": true, "items": [%s], "next": "c_9"}', lambda body: body["items"]),
    (b'{"QueryResponse": {"Item": [%s], "startPosition": 1}, "time": "now"}',
     lambda body: body["QueryResponse"]["Item"]),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "reason"), BAD.items(), ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "mid", "last"])
@pytest.mark.parametrize(("envelope", "rows_of"), ENVELOPES, ids=range(len(ENVELOPES)))
def test_a_bad_row_is_set_aside_in_its_place_with_its_bytes(
    bad: bytes, reason: str, place: int, envelope: bytes, rows_of: Any
) -> None:
    rows = [b'{"id": 1, "text": "[}\\" ,{"}', b'{"id": 3, "list": [[], {}]}']
    rows.insert(place, bad)

    read = rows_of(read_json(envelope % b", ".join(rows)))

    assert read[place] == Unreadable(bad, reason)
    assert [row["id"] for row in read if not isinstance(row, Unreadable)] == [1, 3]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("9223372036854775807", 9223372036854775807),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775808", -9223372036854775808),
        ("-9223372036854775809", "-9223372036854775809"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1234567890123456789012.5", "1234567890123456789012.5"),
        ("0.5000000000000000000000", 0.5),
        ("12.50", 12.5),
        ("1e-7", 1e-7),
    ],
)
def test_numbers_are_kept_exactly(written: str, read: Any) -> None:
    value = read_json(f'[{{"n": {written}}}]'.encode())[0]["n"]

    assert value == read
    assert type(value) is type(read)


def test_long_digits_in_text_stay_text() -> None:
    assert read_json(b'[{"id": "12345678901234567890123"}]') == [{"id": "12345678901234567890123"}]


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert read_json(b'[{"path": "C:\\\\u0000"}]') == [{"path": "C:\\u0000"}]


def test_a_hundred_levels_are_read_and_one_more_is_not() -> None:
    fine = b'{"d": ' + b"[" * 99 + b"]" * 99 + b"}"
    deeper = b'{"d": ' + b"[" * 100 + b"]" * 100 + b"}"

    read = read_json(b"[%s, %s]" % (fine, deeper))

    assert isinstance(read[0], dict)
    assert isinstance(read[1], Unreadable)


def test_rows_below_another_array_are_found_by_their_path() -> None:
    page = (
        b'{"CDCResponse": [{"QueryResponse": [{"Invoice": [{"Id": "1"}, {"Id": "2", "x": NaN}, '
        b'{"Id": "3"}]}, {}]}], "time": "now"}'
    )

    read = read_json(page, "CDCResponse.QueryResponse.Invoice")
    rows = read["CDCResponse"][0]["QueryResponse"][0]["Invoice"]

    assert [type(row) for row in rows] == [dict, Unreadable, dict]


def test_without_rows_the_whole_document_is_one() -> None:
    bad = b' {"id": 1, "lines": [{"text": "\\u0000"}]} '

    assert read_json(bad, None) == Unreadable(bad.strip(), "holds a NUL character")


def test_a_bad_value_in_the_envelope_costs_only_itself() -> None:
    read = read_json(b'{"items": [{"id": 1}], "note": "\\u0000", "ok": true}')

    assert read["items"] == [{"id": 1}]
    assert read["ok"] is True
    assert read["note"] == Unreadable(b'"\\u0000"', "holds a NUL character")


WHOLE = b'{"items": [{"id": 1, "name": "N\xc3\xb6"}, {"id": 2, "x": [1, {"y": null}]}], "n": "c"}'


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_document_cut_short_anywhere_is_no_page(cut: int) -> None:
    """F15."""
    with pytest.raises(ProviderUnavailableError):
        read_json(WHOLE[:cut])


@pytest.mark.parametrize(
    "raw",
    [b"", b" ", b"[1,]", b"[,1]", b"undefined", b"00", b"{1: 2}", b"[1]]", b"[}", b'{"a" 1}',
     b'{"a": }', b"[1] x", b'{"a": 1,}', b'["a]'],
)  # fmt: skip
def test_a_broken_skeleton_is_no_page(raw: bytes) -> None:
    with pytest.raises(ProviderUnavailableError):
        read_json(raw)


def test_thousands_of_brackets_in_texts_are_no_depth() -> None:
    rows = [{"id": n, "text": "[" * 50} for n in range(100)]

    assert read_json(orjson.dumps(rows)) == rows


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SAFE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
ROWS = st.lists(st.dictionaries(TEXT, SAFE, max_size=5), max_size=8)


@given(ROWS)
def test_good_rows_are_read_as_json_reads_them(rows: list[Any]) -> None:
    assert read_json(orjson.dumps(rows)) == rows
    assert read_json(json.dumps({"items": rows}, indent=2).encode()) == {"items": rows}


@settings(max_examples=EXAMPLES)
@given(ROWS, st.integers(0, 8), st.sampled_from(list(BAD)))
def test_good_rows_are_the_same_with_a_bad_one_among_them(
    rows: list[Any], place: int, bad: bytes
) -> None:
    texts = [orjson.dumps(row) for row in rows]
    texts.insert(min(place, len(rows)), bad)

    read = read_json(b"[%s]" % b",".join(texts))

    assert [row for row in read if not isinstance(row, Unreadable)] == rows
    assert len(read) == len(rows) + 1


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_no_bytes_break_it(raw: bytes) -> None:
    with contextlib.suppress(ProviderUnavailableError):
        read_json(raw)


@settings(max_examples=300)
@given(st.text('[]{}",:\\u0d8NaN1e. ', max_size=60))
def test_nothing_that_looks_like_json_breaks_it(text: str) -> None:
    try:
        read = read_json(text.encode())
    except ProviderUnavailableError:
        return
    orjson.dumps(read, default=str)


def test_members_of_an_object_come_as_they_were_written() -> None:
    raw = (
        b'\xef\xbb\xbf { "data" : {"id": 12345678901234567890, "a": "}"} ,"status":200, "x":null}\n'
    )

    assert read_members(raw) == {
        "data": b'{"id": 12345678901234567890, "a": "}"}',
        "status": b"200",
        "x": b"null",
    }
    assert read_members(b"{}") == {}


@pytest.mark.parametrize("raw", [b"", b"[]", b'"a"', b"{", b'{"a": 1', b'{"a": 1} x', b"<html>"])
def test_what_is_no_whole_object_has_no_members(raw: bytes) -> None:
    with pytest.raises(ProviderUnavailableError):
        read_members(raw)


@settings(max_examples=200)
@given(st.text('[]{}",:\\u0d8NaN1e. ', max_size=60))
def test_no_text_breaks_the_reading_of_members(text: str) -> None:
    with contextlib.suppress(ProviderUnavailableError):
        read_members(text.encode())
