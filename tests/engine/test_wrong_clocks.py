"""F33: what is judged by time goes by the database's clock, and by the provider's for its data."""

from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.audit.record import record_event, record_now
from hub.fleet.models import Due
from integrations.connectors.base import Connector
from integrations.models import Connection, EntityTypeStatus, SyncRun
from integrations.resilience import provider_clock
from integrations.services.connections import change_interval
from integrations.services.rhythm import change_type_interval
from integrations.services.shadows import cancel_shadow, request_shadow
from integrations.sync.open import Parents, open_connector
from tenants.actor import Actor
from tests.engine.conftest import run_of, work

pytestmark = pytest.mark.django_db

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SYSTEM = Actor.system("tests")


@pytest.fixture(autouse=True)
def unheard():
    provider_clock.forget()
    yield
    provider_clock.forget()


def at_the_provider(ahead: timedelta) -> None:
    """An answer of the provider has just come, whose clock is so far ahead of ours."""
    said = format_datetime(timezone.now() + ahead, usegmt=True)
    provider_clock.hear("acme_memory", {"date": said})


def opened(connection: Connection, run: SyncRun) -> Connector:
    return open_connector(connection, run, parents=Parents(), seconds=5)


def begun(minutes_ago: int) -> SyncRun:
    return SyncRun(started_at=timezone.now() - minutes_ago * MINUTE)


def is_about(at: datetime, wanted: datetime) -> bool:
    return abs(at - wanted) < MINUTE


@pytest.mark.parametrize(("first", "second"), [(HOUR, -HOUR), (-HOUR, HOUR)])
def test_a_run_of_slices_with_clocks_hours_apart_took_as_long_as_it_took(connection, first, second):
    now = timezone.now()
    with time_machine.travel(now + first):
        assert work(connection, seconds=0).state == "running"
    with time_machine.travel(now + second):
        while work(connection, seconds=30).state == "running":
            continue

    run = run_of(connection)
    assert timedelta() <= run.ended_at - run.started_at < MINUTE
    assert is_about(run.ended_at, now)


def test_a_run_never_ends_before_it_began_even_if_the_database_was_set_back(connection):
    assert work(connection, seconds=0).state == "running"
    SyncRun.objects.update(started_at=timezone.now() + HOUR)
    while work(connection, seconds=30).state == "running":
        continue

    assert run_of(connection).ended_at == run_of(connection).started_at


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_type_read_by_a_worker_with_a_wrong_clock_is_read_again_when_its_interval_is_over(
    connection, server, ahead
):
    """The people of four hours: three hours and a half ago they were too new, now they are due."""
    work(connection)
    people = EntityTypeStatus.objects.filter(entity_type="people")
    people.update(interval_seconds=4 * 3600)
    for hours, is_read in ((3, False), (4, True)):
        people.update(walked_at=timezone.now() - hours * HOUR)
        server.asked.clear()

        with time_machine.travel(timezone.now() + ahead):
            work(connection)

        assert ("people" in {name for name, _ in server.asked}) is is_read, hours


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_shorter_interval_counts_from_now_whatever_the_clock_of_whoever_sets_it(
    connection, ahead
):
    now = timezone.now()
    due = Due.objects.filter(object_id=connection.pk)
    work(connection)

    with time_machine.travel(now + ahead):
        change_interval(connection=connection, seconds=1800, actor=SYSTEM)
    assert is_about(due.get().due_at, now + 30 * MINUTE)
    with time_machine.travel(now + ahead):
        change_type_interval(connection=connection, entity_type="people", seconds=600, actor=SYSTEM)
    assert is_about(due.get().due_at, now + 10 * MINUTE)


def test_a_shadow_diff_that_is_stopped_by_a_wrong_clock_ended_when_it_ended(connection):
    now = timezone.now()
    work(connection)
    shadow = request_shadow(connection=connection, mode="incremental", actor=SYSTEM)

    with time_machine.travel(now - HOUR):
        shadow = cancel_shadow(shadow=shadow, actor=SYSTEM)

    assert is_about(shadow.ended_at, now)


@pytest.mark.parametrize(
    ("ahead", "seen_as"),
    [(timedelta(minutes=-10), -10), (-HOUR, -60), (timedelta(minutes=10), 0), (HOUR, 0)],
    ids=["10 min behind", "1 h behind", "10 min ahead", "1 h ahead"],
)
def test_connectors_are_told_when_a_run_began_by_the_provider_s_clock(connection, ahead, seen_as):
    """What they ask for as changed since then has stamps from there; rather twice than never."""
    at_the_provider(ahead)
    run = begun(minutes_ago=5)

    told = opened(connection, run).run.started_at

    assert is_about(told, run.started_at + seen_as * MINUTE)


def test_before_the_provider_s_clock_was_heard_ours_may_be_ten_minutes_ahead(connection):
    run = begun(minutes_ago=5)

    assert opened(connection, run).run.started_at == run.started_at - 10 * MINUTE


@pytest.mark.parametrize("days", [-400, 400])
def test_a_date_that_cannot_be_is_not_believed(connection, days):
    at_the_provider(timedelta(days=days))
    run = begun(minutes_ago=5)

    assert opened(connection, run).run.started_at == run.started_at - 10 * MINUTE


@pytest.mark.parametrize("write", [record_event, record_now])
@pytest.mark.parametrize("days", [-400, 400])
def test_an_audit_event_of_a_host_with_a_wrong_clock_says_when_it_happened(acme, write, days):
    """The month of that time is also where it is kept."""
    now = timezone.now()

    with time_machine.travel(now + timedelta(days=days)):
        write(AuditAction.IDENTITIES_REQUESTED, actor=SYSTEM)

    (event,) = AuditEvent.objects.filter(action=AuditAction.IDENTITIES_REQUESTED)
    assert is_about(event.at, now)
