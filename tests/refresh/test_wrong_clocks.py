"""F33: whether access has ended is judged by the clocks of database and provider, never by ours."""

from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from integrations.models import Connection
from integrations.resilience import provider_clock
from integrations.sync.credentials import access_for
from integrations.sync.expiring import has_ended, kept_of
from tenants.actor import Actor
from tests.connecting.conftest import Browser, World

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)  # longer than a process stands still
WRONG = [HOUR, -HOUR, timedelta(minutes=10), timedelta(minutes=-10)]


@pytest.fixture(autouse=True)
def unheard() -> Iterator[None]:
    provider_clock.forget()
    yield
    provider_clock.forget()


def hear(ahead: timedelta) -> None:
    """The provider's clock is so far ahead of ours."""
    date = format_datetime(timezone.now() + ahead, usegmt=True)
    provider_clock.hear("quickbooks", {"date": date})


def token_of(lifetime: timedelta) -> tuple[Connection, dict[str, Any]]:
    """A connection whose token was issued just now, and what is sealed of its end."""
    connection = Connection(provider="quickbooks", access_expires_at=timezone.now() + lifetime)
    return connection, kept_of(connection, timezone.now() + lifetime)


def test_processes_with_wrong_clocks_renew_when_it_is_time_and_not_before(
    browser: Browser, link: str, world: World
) -> None:
    browser.connect(link, "quickbooks")
    connection = Connection.objects.get()
    for minutes, calls in ((20, 0), (10, 1)):
        for wrong in WRONG:
            end = timezone.now() + timedelta(minutes=minutes)
            Connection.objects.update(access_expires_at=end)
            world.forget_requests()

            with time_machine.travel(timezone.now() + wrong):
                access_for(connection, actor=Actor.system("worker"), reason="test")

            assert len(world.token_calls()) == calls, wrong
            if calls:
                lives = connection.access_expires_at - timezone.now()  # type: ignore[operator]
                assert timedelta(minutes=59) < lives <= HOUR


@pytest.mark.parametrize("ahead", WRONG, ids=str)
def test_a_provider_whose_clock_differs_gives_its_tokens_the_life_it_says(ahead: timedelta) -> None:
    hear(ahead)
    connection, secrets = token_of(HOUR)

    assert not has_ended(connection, secrets, early=True)
    connection.access_expires_at = timezone.now() + timedelta(minutes=14)
    assert has_ended(connection, secrets, early=True)


def test_a_token_that_ended_at_the_provider_has_ended_though_the_database_was_set_back() -> None:
    hear(timedelta())
    connection, secrets = token_of(HOUR)
    hear(HOUR + MINUTE)  # more than an hour has passed there

    assert has_ended(connection, secrets)


def test_without_the_provider_s_time_the_database_s_clock_decides() -> None:
    hear(timedelta())
    connection, secrets = token_of(HOUR)
    provider_clock.forget()

    assert not has_ended(connection, secrets)
    connection.access_expires_at = timezone.now() - MINUTE
    assert has_ended(connection, secrets)
