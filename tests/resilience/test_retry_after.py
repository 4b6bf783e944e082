"""F16: what a Retry-After header may say, and how long that makes us wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.resilience.retry_after import parse_retry_after

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        ("0", 1),
        ("1", 1),
        ("1.5", 1.5),
        ("0.2", 1),
        (" 7 ", 7),
        ("007", 7),
        ("3600", 3600),
        ("3601", 3600),
        ("100000000000", 3600),
        ("9" * 20, 3600),
        ("5, 7", 7),
        ("7,5", 7),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 1),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 3600),
        ("Friday, 20-Nov-26 12:00:30 GMT", 30),
        ("Fri Nov 20 12:00:30 2026", 30),
        ("Fri, 20 Nov 2026 13:00:30 +0100", 30),
    ],
)
def test_seconds_and_dates_are_honoured_between_a_second_and_an_hour(
    header: str, seconds: float
) -> None:
    assert parse_retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "   ",
        "abc",
        "-1",
        "-5",
        "+5",
        "1e3",
        "0x10",
        "inf",
        "nan",
        "NaN",
        "1.",
        ".5",
        "1.5.2",
        "5 s",
        "5s",
        "5;",
        ",",
        "5,",
        "5, soon",
        "٣",
        "½",
        "9" * 400,
        "1 2",
        "Fri, 20 Nov 2026 25:00:00 GMT",
        "Fri, 32 Nov 2026 12:00:00 GMT",
        "Fri, 20 Nov 99999 12:00:00 GMT",
        "tomorrow",
        "\x00",
        "null",
        "{}",
    ],
)
def test_what_means_nothing_leaves_the_wait_to_the_back_off(header: str | None) -> None:
    assert parse_retry_after(header, NOW) is None


@given(st.text())
def test_no_text_breaks_it_or_leaves_the_bounds(header: str) -> None:
    wait = parse_retry_after(header, NOW)

    assert wait is None or 1 <= wait <= 3600


@given(st.integers(min_value=1, max_value=3600))
def test_a_date_never_asks_too_early(seconds: int) -> None:
    header = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert parse_retry_after(header, NOW) == seconds
