"""F25, F24: what a token endpoint may answer to a renewal, and what stays of the connection."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.clock import database_now
from hub.fleet.models import Due
from integrations.errors import ReauthorizationRequiredError, RetryableError
from integrations.models import Connection
from integrations.sync.credentials import access_for
from integrations.sync.health import mark_working
from tenants.actor import Actor
from tests.connecting.conftest import Browser, World
from tests.refresh.conftest import is_accepted

pytestmark = pytest.mark.django_db

BEARER = "tokens/bearer"
DAY = 86_400
ACCOUNTING = "com.intuit.quickbooks.accounting"


@pytest.fixture
def connection(browser: Browser, link: str) -> Connection:
    browser.connect(link, "quickbooks")
    return Connection.objects.get()


def renewed(connection: Connection) -> str:
    Connection.objects.update(access_expires_at=timezone.now() + timedelta(seconds=1))
    return access_for(connection, actor=Actor.system("worker"), reason="test").access_token


def answering(world: World, **body: Any) -> None:
    """Let the next renewal be answered with this."""
    said = json.dumps({"access_token": "eyJmade-up", **body})
    world.control("fault", slug="quickbooks", path=BEARER, status=200, body=said)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        ({}, 3300),  # assumed: it is refreshable and its provider declares none
        ({"expires_in": None}, 3300),
        ({"expires_in": "soon"}, 3300),
        ({"expires_in": "1800"}, 1800),
        ({"expires_in": 0}, 10),
        ({"expires_in": -3600}, 10),
        ({"expires_in": 10**12}, 90 * DAY),
        ({"expires_in": 1e300}, 90 * DAY),
    ],
    ids=lambda value: str(value),
)
def test_whatever_lifetime_is_claimed_the_next_renewal_comes_in_time(
    expires_in: dict[str, Any], seconds: int, connection: Connection, world: World
) -> None:
    answering(world, **expires_in)
    begun_at = database_now()

    token = renewed(connection)

    given_at = connection.access_expires_at - timedelta(seconds=seconds)  # type: ignore[operator]
    assert token == "eyJmade-up"
    assert begun_at - timedelta(seconds=5) < given_at <= database_now()
    world.forget_requests()
    again = access_for(connection, actor=Actor.system("worker"), reason="test").access_token
    # Renewed when half of its life is over: on a busy machine ten seconds are soon gone.
    is_young = database_now() - begun_at < timedelta(seconds=seconds / 2 - 2)
    assert (again, world.token_calls()) == (token, []) or not is_young


def test_an_answer_with_fewer_scopes_limits_the_connection(
    connection: Connection, world: World
) -> None:
    answering(world, scope="openid", expires_in=3600)

    renewed(connection)
    mark_working(connection)

    assert connection.granted_scopes == ["openid"]
    assert connection.status == "limited"
    assert ACCOUNTING in connection.error


def test_an_answer_without_scopes_leaves_those_there_were(
    connection: Connection, world: World
) -> None:
    before = connection.granted_scopes
    answering(world, expires_in=3600)

    renewed(connection)
    mark_working(connection)

    assert connection.granted_scopes == before
    assert connection.status == "active"


def test_half_an_answer_within_the_time_of_grace_is_asked_for_again(
    connection: Connection, world: World
) -> None:
    world.control("set", slug="quickbooks", refresh_grace_seconds=600)
    world.control("fault", slug="quickbooks", path=BEARER, truncate=20)
    with pytest.raises(RetryableError):
        renewed(connection)

    assert is_accepted(world, connection, renewed(connection))
    assert connection.status == "active"


def test_half_an_answer_without_grace_ends_in_a_question_to_the_customer(
    connection: Connection, world: World
) -> None:
    """The provider has rotated the token that never arrived; nobody can get it back."""
    world.control("fault", slug="quickbooks", path=BEARER, truncate=20)
    with pytest.raises(RetryableError):
        renewed(connection)
    assert connection.status == "active"
    world.forget_requests()

    with pytest.raises(ReauthorizationRequiredError):
        renewed(connection)

    assert len(world.token_calls()) == 1
    assert connection.status == "needs_reauth"
    assert Due.objects.get().due_at is None
