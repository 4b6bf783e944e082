"""The deadline of a whole run; calls and slices have their own."""

from datetime import timedelta

from django.conf import settings

from hub.clock import database_now
from integrations.errors import StalledError
from integrations.models import SyncRun
from integrations.resilience.run_limit import RunLimit


def stop_if_stalled(run: SyncRun) -> None:
    """Raise StalledError for a run that is too old and gets nowhere.

    Called at the beginning of a slice: the run then fails, the next begins at the last position.
    """
    limit = RunLimit(
        longest=timedelta(hours=settings.HUB_RUN_HOURS),
        stall=timedelta(minutes=settings.HUB_RUN_STALL_MINUTES),
    )
    started_at = run.started_at or run.created_at
    if limit.is_over(database_now(), started_at, run.progress_at):
        raise StalledError(
            f"The run has gone on for more than {settings.HUB_RUN_HOURS:g} hours and nothing has "
            f"arrived for {settings.HUB_RUN_STALL_MINUTES:g} minutes. The next run goes on where "
            "this one stopped; if that happens again, look at what it waited for."
        )
