"""A run says how many calls it took, and how many fewer than reading everything."""

import pytest

from integrations.models import SyncRun
from tests.engine.conftest import run_of, work

pytestmark = pytest.mark.django_db


def calls(run: SyncRun, made: int) -> None:
    """As if the run had taken so many calls; a sync of the provider in memory takes five."""
    SyncRun.objects.filter(pk=run.pk).update(calls=made)


def test_the_first_run_reads_everything_and_saves_nothing(connection):
    work(connection)

    run = run_of(connection)
    assert run.is_whole
    assert run.calls_saved is None
    assert {line["from_start"] for line in run.counts.values()} == {True}


def test_a_later_run_saves_what_the_last_whole_run_took_more(connection):
    work(connection)
    calls(run_of(connection), 40)
    SyncRun.objects.create(connection=connection, calls=3)

    work(connection)

    run = run_of(connection)
    assert not run.is_whole
    assert run.calls == 3 + 5
    assert run.calls_saved == 40 - 8


def test_a_run_that_takes_more_saves_nothing(connection):
    work(connection)
    calls(run_of(connection), 2)
    SyncRun.objects.create(connection=connection, calls=5)

    work(connection)

    assert run_of(connection).calls_saved == 0


def test_a_full_run_is_the_new_measure(connection):
    work(connection)
    calls(run_of(connection), 40)
    SyncRun.objects.create(connection=connection, mode=SyncRun.Mode.FULL, calls=30)
    work(connection)
    assert run_of(connection).is_whole
    SyncRun.objects.create(connection=connection, calls=1)

    work(connection)

    assert run_of(connection).calls_saved == 29


def test_a_run_over_some_types_is_measured_against_nothing(connection):
    work(connection)
    SyncRun.objects.create(connection=connection, entity_types=["people"])

    work(connection)

    run = run_of(connection)
    assert not run.is_whole
    assert run.calls_saved is None
