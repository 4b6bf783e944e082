"""T18, T24: an authorization server that is not ours, with PKCE required and rotation on."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.errors import ReauthorizationRequiredError
from integrations.models import Connection, Record
from integrations.sync.credentials import access_for, save_credentials
from integrations.sync.engine import work_slice
from integrations.sync.lease import LeaseWatch
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.keys import open_for
from tenants.models import Tenant
from tests.connecting.conftest import Browser, refusals
from tests.oidc.conftest import CLIENT, TOKEN_SECONDS, Judge

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("oidc")]

WORKER = Actor.system("worker")


@pytest.fixture
def connection(browser: Browser, link: str, judge: Judge) -> Connection:
    """Connected by consent; the link can be used again to reconnect."""
    answer = browser.get(judge.consent(browser.click(link, "judge")))
    assert answer.status_code == 200, answer.content
    return Connection.objects.get()


def token_of(connection: Connection, **options: Any) -> str:
    return access_for(connection, actor=WORKER, reason="test", **options).access_token


def secrets_of(connection: Connection, tenant: Tenant) -> dict[str, Any]:
    connection.refresh_from_db()
    return open_for(connection, "credentials", tenant_id=tenant.pk, actor=WORKER, reason="test")


def let_end(connection: Connection) -> None:
    soon = timezone.now() + timedelta(seconds=1)
    Connection.objects.filter(pk=connection.pk).update(access_expires_at=soon)


def test_an_app_whose_secret_holds_plus_slash_and_colon_is_recognised(
    connection: Connection, judge: Judge
) -> None:
    """Such a secret was sent as it is in HTTP Basic; the standard form-encodes it first."""
    assert set("+/:=") < set(CLIENT["client_secret"])
    assert [one["error"] for one in judge.log()] == [""]


def test_consent_makes_a_connection_whose_token_is_taken(
    connection: Connection, judge: Judge
) -> None:
    lives = (connection.access_expires_at - timezone.now()).total_seconds()  # type: ignore[operator]

    assert (connection.status, connection.account_id) == ("active", "ada")
    assert connection.account_label == "ada@judge.example"
    assert judge.takes(token_of(connection))
    assert TOKEN_SECONDS - 60 < lives <= TOKEN_SECONDS
    assert judge.log() == [
        {"event": "grant.success", "grant_type": "authorization_code", "error": "", "detail": ""}
    ]


def test_the_server_really_requires_pkce(browser: Browser, link: str, judge: Judge) -> None:
    address = re.sub("&code_challenge(_method)?=[^&]*", "", browser.click(link, "judge"))

    back = judge.consent(address)

    assert "error=invalid_request" in back
    assert browser.get(back).status_code == 400
    assert not Connection.objects.exists()


def test_a_code_bought_with_another_challenge_is_refused(
    browser: Browser, link: str, judge: Judge
) -> None:
    """T18: a code put into our callback by somebody else is of no use."""
    address = re.sub(
        "code_challenge=[^&]*", "code_challenge=" + "A" * 43, browser.click(link, "judge")
    )

    answer = browser.get(judge.consent(address))

    assert answer.status_code == 400
    assert [(one["event"], one["error"]) for one in judge.log()] == [
        ("grant.error", "invalid_grant")
    ]
    assert refusals() == ["code_refused"]
    assert not Connection.objects.exists()


def test_each_renewal_rotates_the_refresh_token(
    connection: Connection, judge: Judge, acme: Tenant
) -> None:
    tokens, refresh_tokens = [], []
    for _ in range(3):
        let_end(connection)
        tokens.append(token_of(connection))
        refresh_tokens.append(secrets_of(connection, acme)["refresh_token"])

    assert judge.takes(tokens[-1])
    assert len(set(tokens)) == len(set(refresh_tokens)) == 3
    assert judge.refreshes() == ["grant.success"] * 3


def test_many_at_once_renew_once(connection: Connection, judge: Judge, acme: Tenant) -> None:
    let_end(connection)

    def ask(_: int) -> str:
        try:
            with in_tenant(acme):
                return token_of(Connection.objects.get())
        finally:
            database.close()

    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(ask, range(8)))

    assert len(tokens) == 1
    assert judge.takes(tokens.pop())
    assert judge.refreshes() == ["grant.success"]


def test_a_sync_reads_everything_although_its_token_is_refused(
    connection: Connection, judge: Judge
) -> None:
    judge.forget_access()
    claim = claim_one(Due.objects.get().pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None

    result = work_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())

    assert result.state == "succeeded", result.sentence
    assert Record.objects.count() == 25
    assert judge.refreshes() == ["grant.success"]


def test_a_refresh_token_used_twice_ends_the_grant_and_the_customer_is_asked(
    connection: Connection, judge: Judge, acme: Tenant, browser: Browser, link: str
) -> None:
    before = secrets_of(connection, acme)
    let_end(connection)
    newest = token_of(connection)
    with transaction.atomic():
        long_ago = timezone.now() - timedelta(minutes=1)
        save_credentials(connection, before, expires_at=long_ago, scopes=["openid"])

    with pytest.raises(ReauthorizationRequiredError):
        token_of(connection)

    assert connection.status == "needs_reauth"
    assert "reconnect" in connection.customer_message
    assert Due.objects.get().due_at is None
    assert not judge.takes(newest)
    assert judge.refreshes() == ["grant.success", "grant.revoked", "grant.error"]
    assert "used" in judge.log()[-1]["detail"]

    browser.get(judge.consent(browser.click(link, "judge")))

    connection.refresh_from_db()
    assert connection.status == "active"
    assert judge.takes(token_of(connection))
