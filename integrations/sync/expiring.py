"""When access ends: by the database's clock, and by the provider's where it was heard.

No process goes by its own clock: it may be an hour off. What the provider says is measured with
its own Date, so that neither clock has to be right, and either may be set while a token lives.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from hub.clock import database_now
from integrations.models import Connection
from integrations.resilience.provider_clock import provider_now

LONGEST_MARGIN = timedelta(minutes=15)

KEPT = ("lifetime", "ends_at")  # of a token, sealed beside it


def kept_of(connection: Connection, expires_at: datetime) -> dict[str, int]:
    """What is sealed of the end: {"lifetime": 3600, "ends_at": 1772450000}.

    `ends_at` is by the provider's clock, left out if this process has not heard it.
    """
    now = database_now()
    lifetime = max(0, round((expires_at - now).total_seconds()))
    theirs = provider_now(connection.provider, ours=now)
    return {"lifetime": lifetime} | (
        {} if theirs is None else {"ends_at": round(theirs.timestamp()) + lifetime}
    )


def has_ended(connection: Connection, secrets: Mapping[str, Any], *, early: bool = False) -> bool:
    """Whether the access has ended by either clock; `early` if it can be renewed ahead of that.

    Early by half of its lifetime, 15 minutes at most. A renewal too many costs one call.
    """
    ends_at = connection.access_expires_at
    if ends_at is None:
        return False
    margin = timedelta(0)
    if early:
        margin = min(LONGEST_MARGIN, timedelta(seconds=secrets.get("lifetime", 3600)) / 2)
    now = database_now()
    if now >= ends_at - margin:
        return True
    theirs = provider_now(connection.provider, ours=now)
    if theirs is None or "ends_at" not in secrets:
        return False
    return bool(theirs.timestamp() >= secrets["ends_at"] - margin.total_seconds())
