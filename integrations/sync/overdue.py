"""What ends a whole run early: its deadline, or somebody who asks for it."""

from datetime import datetime, timedelta

from django.conf import settings

from hub.clock import database_now
from integrations.errors import CancelledError, StalledError
from integrations.models import SyncRun
from integrations.resilience.run_limit import RunLimit


def stop_if_stalled(run: SyncRun) -> None:
    """Raise StalledError for a run that is too old and gets nowhere.

    Called at the beginning of a slice: the run then fails, the next begins at the last position.
    """
    if is_stalled(run.started_at or run.created_at, run.progress_at):
        raise StalledError(
            f"The run has gone on for more than {settings.HUB_RUN_HOURS:g} hours and nothing has "
            f"arrived for {settings.HUB_RUN_STALL_MINUTES:g} minutes. The next run goes on where "
            "this one stopped; if that happens again, look at what it waited for."
        )


def is_stalled(started_at: datetime, progress_at: datetime | None) -> bool:
    """Whether a run that began and last got on at these times is too old and gets nowhere."""
    limit = RunLimit(
        longest=timedelta(hours=settings.HUB_RUN_HOURS),
        stall=timedelta(minutes=settings.HUB_RUN_STALL_MINUTES),
    )
    return limit.is_over(database_now(), started_at, progress_at)


def stop_if_asked(run: SyncRun) -> None:
    """Raise CancelledError if somebody cancelled the run or paused the connection."""
    asked = SyncRun.objects.values_list("cancel_asked_at", "connection__status").get(pk=run.pk)
    if asked[0] is not None:
        raise CancelledError("Somebody cancelled the run.")
    if asked[1] not in ("active", "limited"):
        raise CancelledError(f"The connection is {asked[1]} now.")
