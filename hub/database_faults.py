"""Faults of the hub's own database that pass: which they are, and what then is right.

PostgreSQL names each by a code of five characters (SQLSTATE). Whatever is named here costs time
only: a transaction that was rolled back for sure is tried again on the spot, a slice of work goes
back and waits, and whoever asked is told 503 and how long to wait. A table or column
that is missing counts among them: the code of a release may run before a tenant is migrated, which
concerns that tenant alone. Errors that are not named here (a value does not fit) stay as long as
nobody acts, so they are ours.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import psycopg
from django.db import Error, InterfaceError, OperationalError, connection

from integrations.errors import HubUnavailableError

REPEATS = 2  # so that one transaction is tried three times
PAUSE_SECONDS = 0.1  # before the first repeat; doubles

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happened, in a sentence for whoever asked, and after how many seconds to ask again.

    `is_undone`: nothing of the transaction is left, and trying it again may help at once.
    """

    name: str
    sentence: str
    wait: float
    is_undone: bool = False


CONFLICT: Final = Fault(
    "conflict", "Somebody else was changing the same thing; please try again.", 2, is_undone=True
)
LOCKED: Final = Fault(
    "locked", "Somebody else is working on the same thing; please try again.", 5, is_undone=True
)
SLOW: Final = Fault("slow", "The hub's database took too long; please try again.", 15)
AWAY: Final = Fault("away", "The hub's database does not answer; please try again soon.", 5)
FULL: Final = Fault(
    "full",
    "The hub's database has no room left, so nothing can be stored now; please try again later.",
    30,
)
BEHIND: Final = Fault(
    "behind", "The tables are being brought up to date; please try again in a minute.", 30
)

# By the whole code, or else by its class, the first two characters.
_BY_CODE: Final = {
    "40001": CONFLICT,  # serialization failure
    "40P01": CONFLICT,  # deadlock
    "55P03": LOCKED,  # lock timeout
    "57014": SLOW,  # statement timeout, or somebody cancelled it
    "25P03": SLOW,  # stood still in a transaction
    "25P04": SLOW,  # transaction timeout
    "53100": FULL,  # disk full
    "53200": AWAY,  # out of memory
    "53300": AWAY,  # too many connections
    "57P01": AWAY,  # shutting down, crashed, starting up, idle for too long
    "57P02": AWAY,
    "57P03": AWAY,
    "57P05": AWAY,
    "42P01": BEHIND,  # no such table
    "42703": BEHIND,  # no such column
    "08": AWAY,  # the connection broke
}
_CUT: Final = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


def fault_of(exc: BaseException | None) -> Fault | None:
    """Return the fault that `exc` tells of; None if it is no error of the database or stays."""
    if not isinstance(exc, Error | psycopg.Error):
        return None
    code = code_of(exc)
    if code:
        return _BY_CODE.get(code) or _BY_CODE.get(code[:2])
    # Without a code the server has said nothing: there was no connection, or it ended.
    return AWAY if any(isinstance(each, _CUT) for each in _causes(exc)) else None


def code_of(exc: BaseException) -> str:
    """The SQLSTATE of a database error, '' if the server has not said any."""
    codes = (each.sqlstate for each in _causes(exc) if isinstance(each, psycopg.Error))
    return next(filter(None, codes), "")


def unavailable(exc: BaseException | None) -> HubUnavailableError | None:
    """Return what to tell whoever asked, if `exc` is a fault that passes."""
    fault = fault_of(exc)
    return HubUnavailableError(fault.sentence, fault.wait) if fault else None


def repeated(transaction: Callable[[], T]) -> T:
    """Return what one whole transaction returns, tried three times at most.

    Only where the server has undone it and trying again may help at once. A commit whose answer
    was lost is not repeated: whoever reads where things stand finds it. Inside an open transaction
    nothing is repeated, as its beginning is lost with it.

    Raises:
        Error: as the last try did.
    """
    for number in range(REPEATS):
        try:
            return transaction()
        except (Error, psycopg.Error) as exc:
            fault = fault_of(exc)
            if connection.in_atomic_block or fault is None or not fault.is_undone:
                raise
            log.warning("transaction tried again", extra={"sqlstate": code_of(exc)})
        time.sleep(PAUSE_SECONDS * 2**number * random.uniform(0.5, 1.5))
    return transaction()


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from, as far as it is the database's."""
    while isinstance(exc, Error | psycopg.Error):
        yield exc
        exc = exc.__cause__
