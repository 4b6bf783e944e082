"""What has ended is forgotten in the public schema: clicks, links and sign-ins."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.connect.models import ConnectAttempt, ConnectSession, ProviderApp
from hub.fleet import forgetting
from hub.fleet.forgetting import forget_ended
from tenants.models import Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.public]

HOUR = timedelta(hours=1)


@pytest.fixture
def app() -> ProviderApp:
    return ProviderApp.objects.create(provider="slack", client_id="hub")


def link(tenant: Tenant, expired_for: timedelta) -> ConnectSession:
    made: ConnectSession = ConnectSession.objects.create(
        tenant=tenant,
        token_hash=uuid4().bytes,
        actor_kind="user",
        expires_at=timezone.now() - expired_for,
    )
    return made


def click(session: ConnectSession, app: ProviderApp, expired_for: timedelta) -> ConnectAttempt:
    made: ConnectAttempt = ConnectAttempt.objects.create(
        session=session,
        tenant=session.tenant,
        provider="slack",
        provider_app=app,
        state_hash=uuid4().bytes,
        redirect_uri="https://hub.example/oauth/slack/callback/",
        expires_at=timezone.now() - expired_for,
    )
    return made


def sign_in(expired_for: timedelta) -> Session:
    at = timezone.now() - expired_for
    return Session.objects.create(session_key=uuid4().hex, session_data="", expire_date=at)


def test_links_and_the_verifiers_of_clicks_are_forgotten_a_day_after_they_have_expired(
    acme: Tenant, app: ProviderApp
) -> None:
    old, late, recent, open_one = (
        link(acme, expired_for) for expired_for in (25 * HOUR, 25 * HOUR, 23 * HOUR, -HOUR)
    )
    click(old, app, 25 * HOUR)
    kept = {click(late, app, 23 * HOUR), click(recent, app, 23 * HOUR), click(open_one, app, -HOUR)}
    click(open_one, app, 25 * HOUR)

    assert forget_ended()

    assert set(ConnectAttempt.objects.all()) == kept
    assert set(ConnectSession.objects.all()) == {late, recent, open_one}


def test_sign_ins_that_have_expired_are_forgotten(acme: Tenant) -> None:
    sign_in(HOUR)
    open_one = sign_in(-HOUR)

    assert forget_ended()

    assert [row.pk for row in Session.objects.all()] == [open_one.pk]


def test_a_unit_forgets_so_many_at_once_in_three_statements_and_says_that_more_are_left(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "AT_ONCE", 2)
    for _ in range(5):
        link(acme, 25 * HOUR)
        sign_in(HOUR)

    with CaptureQueriesContext(database) as seen:
        assert not forget_ended()
    assert len(seen) == 3
    assert (ConnectSession.objects.count(), Session.objects.count()) == (3, 3)

    assert not forget_ended()
    assert forget_ended()
    assert (ConnectSession.objects.count(), Session.objects.count()) == (0, 0)
