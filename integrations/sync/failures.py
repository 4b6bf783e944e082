"""What fails one entity type and no other: the rest of the run goes on without it."""

from typing import Any

from hub.fleet.models import Due
from integrations.errors import (
    BudgetSpentError,
    CircuitOpenError,
    FatalError,
    HubError,
    HubUnavailableError,
    NotFoundError,
    RetryableError,
    UnknownError,
)
from integrations.models import EntityTypeStatus, SyncRun
from integrations.sync import unknown

TRIES = 8  # waits in a row without progress; then what is waited for has failed
REASON = 300  # characters
# So no failure of the provider.
NOT_ASKED = (BudgetSpentError, CircuitOpenError, HubUnavailableError)

Line = dict[str, Any]


def is_of_its_type(exc: HubError, due: Due) -> bool:
    """Whether the error says nothing of other types: they may be read all the same.

    One that may pass is waited for first. What stops all of them is none.
    """
    if isinstance(exc, RetryableError):
        return due.failures >= TRIES and not isinstance(exc, NOT_ASKED)
    return isinstance(exc, FatalError | NotFoundError | UnknownError)


def reason_of(exc: HubError, status: EntityTypeStatus) -> Line:
    """What the line of a type that failed says: {"error_code": "fatal", "reason": "…"}.

    With "again_in", seconds, where trying again soon may help.
    """
    line: Line = {"error_code": exc.code, "reason": str(exc)[:REASON]}
    if not isinstance(exc, UnknownError):
        unknown.forget(status)
    elif soon := unknown.wait_for(status, exc):
        line["again_in"] = soon.total_seconds()
    return line


def failed_types(run: SyncRun) -> dict[str, Line]:
    """The lines of the types that failed in the run, by name."""
    return {name: line for name, line in run.counts.items() if line.get("state") == "failed"}
