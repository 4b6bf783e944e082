"""F26, F27: what only a person can repair sets a state with a sentence for each; nothing else does.

Each case goes the whole way: a worker's slice meets the provider's answer.
"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.connect.models import ProviderApp
from hub.fleet.claims import claim_one
from hub.fleet.limits import RateBudget
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import AppRefusedError
from integrations.models import Connection, SyncRun
from integrations.services.connect_links import create_connect_session
from integrations.services.connections import connect_with_key
from integrations.services.provider_apps import save_provider_app
from integrations.sync.credentials import access_for
from integrations.sync.engine import SliceResult, work_slice
from integrations.sync.lease import LeaseWatch
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tests.connecting.conftest import Browser, World, audited

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = {"quickbooks": "tokens/bearer", "slack": "oauth.v2.access"}
INVALID_CLIENT = {"status": 401, "body": '{"error": "invalid_client"}'}


def connect(provider: str, browser: Browser, link: str) -> Connection:
    if provider == "copper":
        connect_with_key(
            provider="copper", secrets=browser.world.key(), actor=Actor.system("tests")
        )
    else:
        browser.connect(link, provider)
    return Connection.objects.get(provider=provider)


def ends_now() -> None:
    """Let every access token have run out."""
    Connection.objects.update(access_expires_at=timezone.now())


def slice_of(connection: Connection) -> SliceResult:
    due = Due.objects.get(object_id=connection.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    result = work_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())
    connection.refresh_from_db()
    return result


# Provider, and how its answers change: an order to the sandbox.
DEAD: dict[str, tuple[str, dict[str, Any]]] = {
    "the grant was revoked": ("quickbooks", {"action": "revoke"}),
    "the refresh token is dead": (
        "quickbooks",
        {
            "action": "fault",
            "path": TOKEN["quickbooks"],
            "status": 400,
            "body": '{"error": "invalid_grant"}',
        },
    ),
    "the token was revoked": ("slack", {"action": "revoke"}),
    "the account is gone": (
        "slack",
        {"action": "fault", "path": "/api/", "body": '{"ok": false, "error": "account_inactive"}'},
    ),
    "the key was deleted": ("copper", {"action": "revoke"}),
}


@pytest.mark.parametrize("case", DEAD)
def test_what_the_customer_must_repair_stops_the_schedule_at_once(
    case: str, browser: Browser, link: str, world: World
) -> None:
    provider, order = DEAD[case]
    connection = connect(provider, browser, link)
    if order.get("path") == TOKEN["quickbooks"]:
        ends_now()
    if order["action"] == "revoke":
        order = {**order, "account": connection.account_id}
    world.control(slug=provider, **order)

    slice_of(connection)

    assert connection.status == "needs_reauth"
    assert connection.error
    assert "econnect" in connection.customer_message
    assert ConnectionStatus.objects.get().status == "needs_reauth"
    due = Due.objects.get()
    assert (due.due_at, due.parked_reason) == (None, "needs_reauth")
    assert SyncRun.objects.get().state == "failed"
    assert audited(AuditAction.CONNECTION_BROKEN) == 1


PASSING: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "503": {"status": 503},
    "429": {"status": 429, "headers": {"Retry-After": "90"}},
    "a web page": {"html": True},
    "half an answer": {"truncate": 9},
    "a reset": {"reset": "before"},
}


@pytest.mark.parametrize("path", [TOKEN["quickbooks"], "/v3/company/"], ids=["token", "list"])
@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_leaves_the_connection_as_it_was_and_the_work_due(
    fault: str, path: str, browser: Browser, link: str, world: World
) -> None:
    connection = connect("quickbooks", browser, link)
    if path == TOKEN["quickbooks"]:
        ends_now()
    # A refresh token that was rotated in an answer we never saw whole is good a while longer.
    world.control("set", slug="quickbooks", refresh_grace_seconds=600)
    world.control("fault", slug="quickbooks", path=path, count=None, **PASSING[fault])

    slice_of(connection)

    assert (connection.status, connection.customer_message) == ("active", "")
    assert Due.objects.get().due_at is not None
    assert SyncRun.objects.get().state == "running"
    assert audited(AuditAction.CONNECTION_BROKEN) == 0

    world.control("clear_faults")
    RateBudget.objects.all().delete()  # the pause the provider asked for is over
    assert slice_of(connection).state == "succeeded"


def test_an_app_that_is_refused_is_the_operators_matter_and_not_the_customers(
    browser: Browser, link: str, world: World
) -> None:
    connection = connect("quickbooks", browser, link)
    ends_now()
    world.control("fault", slug="quickbooks", path=TOKEN["quickbooks"], **INVALID_CLIENT)

    slice_of(connection)

    assert (connection.status, connection.error_code) == ("broken", "app_refused")
    assert "client id and secret" in connection.error
    assert "nothing for you to do" in connection.customer_message
    assert connection.credentials is not None
    due = Due.objects.get()
    assert due.parked_reason == "app_refused"
    assert due.due_at is not None
    assert due.due_at > timezone.now() + timedelta(minutes=50)
    assert due.run_id is None


def test_one_alarm_is_raised_for_the_app_however_many_connections_find_out(
    browser: Browser, link: str, world: World, globex: Tenant, operator: Actor
) -> None:
    mine = connect("quickbooks", browser, link)
    _, token = create_connect_session(tenant=globex, actor=operator)
    with in_tenant(globex):
        theirs = connect("quickbooks", Browser(world), token)
        ends_now()
    ends_now()
    world.control(
        "fault", slug="quickbooks", path=TOKEN["quickbooks"], count=None, **INVALID_CLIENT
    )

    slice_of(mine)
    with in_tenant(globex):
        slice_of(theirs)
    slice_of(mine)

    assert (mine.status, theirs.status) == ("broken", "broken")
    assert audited(AuditAction.PROVIDER_APP_REFUSED) == 1
    assert audited(AuditAction.CONNECTION_BROKEN) == 2
    assert ProviderApp.objects.get(provider="quickbooks").refused_at is not None


def test_the_first_renewal_that_succeeds_repairs_it(
    browser: Browser, link: str, world: World
) -> None:
    connection = connect("quickbooks", browser, link)
    ends_now()
    world.control("fault", slug="quickbooks", path=TOKEN["quickbooks"], **INVALID_CLIENT)
    slice_of(connection)

    result = slice_of(connection)

    assert result.state == "succeeded", result.sentence
    assert (connection.status, connection.error, connection.customer_message) == ("active", "", "")
    assert ProviderApp.objects.get(provider="quickbooks").refused_at is None
    assert audited(AuditAction.PROVIDER_APP_ACCEPTED) == 1
    assert audited(AuditAction.CONNECTION_REPAIRED) == 1
    due = Due.objects.get()
    assert (due.parked_reason, due.failures) == ("", 0)


def test_setting_the_app_anew_lets_those_that_waited_be_looked_at_now(
    browser: Browser, link: str, world: World
) -> None:
    connection = connect("quickbooks", browser, link)
    ends_now()
    world.control("fault", slug="quickbooks", path=TOKEN["quickbooks"], **INVALID_CLIENT)
    slice_of(connection)
    client = world.credentials("quickbooks")["clients"][0]

    app = save_provider_app(
        provider="quickbooks",
        client_id=client["client_id"],
        client_secret=client["client_secret"],
        actor=Actor.system("tests"),
    )

    assert app.refused_at is None
    due = Due.objects.get()
    assert due.due_at is not None
    assert due.due_at <= timezone.now()
    assert slice_of(connection).state == "succeeded"
    assert connection.status == "active"


def test_a_paused_connection_stays_paused_whatever_the_provider_says_of_our_app(
    browser: Browser, link: str, world: World
) -> None:
    connection = connect("quickbooks", browser, link)
    ends_now()
    Connection.objects.update(status="paused")
    Due.objects.update(due_at=None)
    world.control("fault", slug="quickbooks", path=TOKEN["quickbooks"], **INVALID_CLIENT)

    with pytest.raises(AppRefusedError):
        access_for(connection, actor=Actor.system("tests"), reason="test")

    connection.refresh_from_db()
    assert connection.status == "paused"
    assert Due.objects.get().due_at is None
