"""A run may take as long as it gets anywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.errors import StalledError
from integrations.resilience.run_limit import RunLimit
from integrations.sync.overdue import stop_if_stalled
from tests.factories import SyncRunFactory

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMIT = RunLimit(longest=timedelta(hours=24), stall=timedelta(minutes=30))


@pytest.mark.parametrize(
    ("age_hours", "quiet_minutes", "is_over"),
    [
        (1, 59, False),  # young, however quiet
        (23.9, 1_000, False),
        (25, 29, False),  # old, but it gets on
        (25, 31, True),
        (25, None, True),  # it never got anywhere
        (900, 1, False),  # a first read of weeks
    ],
)
def test_only_an_old_run_that_gets_nowhere_is_over(
    age_hours: float, quiet_minutes: float | None, is_over: bool
) -> None:
    started_at = NOW - timedelta(hours=age_hours)
    progress_at = None if quiet_minutes is None else NOW - timedelta(minutes=quiet_minutes)

    assert LIMIT.is_over(NOW, started_at, progress_at) is is_over


@pytest.mark.django_db
def test_the_limits_are_settings_and_the_sentence_names_them(settings) -> None:
    settings.HUB_RUN_HOURS, settings.HUB_RUN_STALL_MINUTES = 2, 5
    begun = timezone.now() - timedelta(hours=3)
    run = SyncRunFactory(state="running", started_at=begun, ended_at=None, progress_at=begun)

    with pytest.raises(StalledError, match="more than 2 hours and nothing has arrived for 5 min"):
        stop_if_stalled(run)

    run.progress_at = timezone.now()
    stop_if_stalled(run)
