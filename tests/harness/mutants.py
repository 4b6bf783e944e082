"""Rules of the engine taken out of this process, to see whether the checker notices.

Only processes that `forks` makes for one order do this; nothing in the product knows of it.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections, transaction

from hub.fleet import claims
from integrations.destinations import postgres
from integrations.sync import credentials
from tenants.context import current_tenant, in_tenant
from tests.harness.apps import replace

LOST_ROW = "c7"


def without_fence() -> None:
    """A batch is written whoever holds the lease now."""
    replace(postgres, hold_fence=lambda due_id, fence: None)


def without_lock() -> None:
    """Access is renewed without holding the connection's row; it is only read again.

    However long another one takes meanwhile, there is time for the call.
    """
    replace(credentials, _lock=credentials._read_again, CALL_SECONDS=600.0)


def without_same_transaction() -> None:
    """The checkpoint is committed by itself, before the records it speaks of."""
    write = postgres.PostgresDestination._checkpoint

    def apart(self: Any, batch: Any, now: Any) -> None:
        inner: Any = connections["default"]
        tenant = current_tenant()
        other: Any = connections.create_connection("default")
        connections["default"] = other
        try:
            with in_tenant(tenant), transaction.atomic():
                write(self, batch, now)
        finally:
            connections["default"] = inner
            other.close()

    replace(postgres.PostgresDestination, _checkpoint=apart)


def without_attempts() -> None:
    """Of a worker that gave no further sign nobody says anything."""
    replace(claims, audit_failed=lambda due, **said: None)


def without_a_row() -> None:
    """One row is lost on its way to the table."""
    line = postgres._copy_line
    replace(
        postgres,
        _copy_line=lambda at, row: b"" if row.source_id == LOST_ROW else line(at, row),
    )


RULES: dict[str, Callable[[], None]] = {
    "fence": without_fence,
    "lock": without_lock,
    "same transaction": without_same_transaction,
    "attempts": without_attempts,
    "row": without_a_row,
}


def take_out(rules: Iterable[str]) -> None:
    for rule in rules:
        RULES[rule]()
