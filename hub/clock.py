"""The time all processes agree on: the database's, carried on by a clock that never jumps.

The clock of a machine may be wrong, be set back or forth, or differ from the next machine's. What
one process writes and another judges therefore goes by this one: when access ends, when a run
began and ended, when an entity type was read and is read again.
"""

from datetime import datetime, timedelta
from time import monotonic

from django.db import connection

ASK_AGAIN_SECONDS = 30.0

_told: tuple[datetime, float] | None = None  # what the database said, and when by our stopwatch


def database_now() -> datetime:
    """The time of the database, in UTC. Asks it at most every 30 seconds.

    Raises:
        DatabaseError: it had to be asked, and did not answer.
    """
    global _told
    at = monotonic()
    if _told is None or at - _told[1] >= ASK_AGAIN_SECONDS:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            _told = cursor.fetchone()[0], monotonic()
        at = _told[1]
    return _told[0] + timedelta(seconds=at - _told[1])


def forget() -> None:
    """Ask the database anew the next time."""
    global _told
    _told = None
