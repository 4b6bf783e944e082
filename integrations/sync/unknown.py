"""Errors nobody has classed: transient twice, permanent when they come a third time in a row."""

import logging
import traceback
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from hub.database_faults import fault_of
from integrations.errors import HubError, UnknownError
from integrations.models import EntityTypeStatus

T = TypeVar("T")

log = logging.getLogger(__name__)

TIMES = 2  # runs in a row that may end with the same unknown error before it counts as permanent
SOON = timedelta(minutes=1)  # doubled the second time


def unknown(exc: Exception) -> UnknownError:
    """Return `exc`, which nobody expected, as an error with a fingerprint: class and place."""
    frames = traceback.extract_tb(exc.__traceback__)
    place = f"{Path(frames[-1].filename).stem}:{frames[-1].lineno}" if frames else "?"
    name = type(exc).__name__
    return UnknownError(f"Something unexpected happened ({name} in {place}).", f"{name} {place}")


def classed(chunks: Iterable[T]) -> Iterator[T]:
    """The same chunks; what the connector raises without meaning to becomes an UnknownError.

    A MemoryError stays one: like a process that is killed for its memory, the slice has made an
    attempt, and after five without progress the work is parked.
    """
    try:
        yield from chunks
    except (HubError, MemoryError):
        raise
    except Exception as exc:  # a connector's mistake, or an answer it was not written for
        if fault_of(exc) is not None:
            raise
        log.exception("unexpected error while reading")
        raise unknown(exc) from exc


def wait_for(status: EntityTypeStatus, error: UnknownError) -> timedelta | None:
    """Count the error; return when to try again soon, or None once it counts as permanent."""
    is_same = status.unknown_error == error.fingerprint[:200]
    status.unknown_error = error.fingerprint[:200]
    status.unknown_times = status.unknown_times + 1 if is_same else 1
    status.save(update_fields=["unknown_error", "unknown_times"])
    if status.unknown_times > TIMES:
        return None
    return SOON * status.unknown_times


def forget(status: EntityTypeStatus) -> None:
    """The run failed for a known reason: what follows is not in a row with what was before."""
    if status.unknown_times:
        status.unknown_error, status.unknown_times = "", 0
        status.save(update_fields=["unknown_error", "unknown_times"])
