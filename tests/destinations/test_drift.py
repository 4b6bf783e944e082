"""F39 at both destinations: whatever the provider sends differently, rows there stay right."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database

from integrations.models import Connection, Destination, Record, RejectedRecord, Route
from tests.destinations.conftest import Base, follow
from tests.engine.acme_provider import Server, company
from tests.engine.conftest import connected, server, work

__all__ = ["server"]

pytestmark = pytest.mark.django_db

NAMES = ["Company 0", "Company 1", "Company 2"]


@pytest.fixture
def synced(
    base: Base,
    destination: Destination,
    route: Callable[..., Route],
    server: Server,
) -> Connection:
    """Three companies are in PostgreSQL and in Airtable, with fields that no column takes."""
    server.rows = {"companies": [sent(n) for n in range(3)], "people": []}
    connection = connected()
    route("company")
    work(connection)
    follow(destination)
    assert in_airtable(base) == in_the_view() == NAMES
    return connection


def sent(number: int) -> dict[str, Any]:
    return company(number, stage="open", size=number)


def in_the_view() -> list[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT name FROM company ORDER BY source_id")
        return [name for (name,) in cursor.fetchall()]


def in_airtable(base: Base) -> list[str]:
    return sorted(row["Name"] for row in base.rows("Companies").values())


@pytest.mark.parametrize(
    ("drifted", "kept"),
    [
        (lambda row: {**row, "vip": True}, True),
        (lambda row: {name: row[name] for name in row if name != "size"}, True),
        (lambda row: {"headcount" if name == "size" else name: row[name] for name in row}, True),
        (lambda row: {**row, "size": [str(row["size"])]}, True),
        (lambda row: {**row, "size": None}, True),
        (lambda row: {**row, "stage": "stalled"}, True),
        (lambda row: {**row, "name": {"text": row["name"]}}, False),
        (lambda row: {**row, "name": None}, False),
        (lambda row: {name: row[name] for name in row if name != "name"}, False),
    ],
    ids=[
        *("new", "gone", "renamed", "type", "null", "enum"),
        *("type of a column", "null in a column", "column gone"),
    ],
)
def test_rows_stay_right_and_what_was_sent_is_kept(
    drifted: Any,
    kept: bool,
    synced: Connection,
    destination: Destination,
    base: Base,
    server: Server,
) -> None:
    row = drifted(sent(1))
    server.rows["companies"][1] = row

    assert work(synced).state == "succeeded"
    follow(destination)

    assert in_airtable(base) == in_the_view() == NAMES
    if kept:
        assert Record.objects.get(source_id="c1").raw == row
        assert not RejectedRecord.objects.exists()
    else:  # set aside; the row stays what it was
        assert Record.objects.get(source_id="c1").raw == sent(1)
        assert b"c1" in bytes(RejectedRecord.objects.get().raw)
