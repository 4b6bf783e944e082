"""Whether something between us and PostgreSQL mixes its clients up.

A tenant's schema is the search_path of a connection. A pooler that gives one server connection to
several clients in turn, and does not carry search_path with them, would show one tenant the rows of
another. Nothing may start behind such a pooler.
"""

from collections.abc import Callable
from typing import Any

import psycopg

MARK = "hub_pooler_check"  # no schema of this name exists, and none is needed
MIXED = (
    "A connection pooler in front of PostgreSQL mixes its clients' search_path up; use session "
    "pooling, or PgBouncer 1.20 or newer with track_extra_parameters=search_path."
)


def mixes_clients(connect: Callable[[], psycopg.Connection[Any]]) -> bool:
    """Return whether one client's search_path reaches another, or is lost between statements."""
    with connect() as first, connect() as second:
        first.autocommit = second.autocommit = True
        first.execute(f"SET search_path TO public, {MARK}")
        try:
            return MARK in _search_path(second) or MARK not in _search_path(first)
        finally:
            for client in (second, first):
                client.execute("RESET search_path")


def _search_path(client: psycopg.Connection[Any]) -> str:
    return str(client.execute("SHOW search_path").fetchone())
