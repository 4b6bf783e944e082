"""Many who renew the same access at the same moment, and what else happens meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection as database
from django.db import transaction

from hub.audit.models import AuditAction
from integrations.errors import ProviderUnavailableError, ReauthorizationRequiredError
from integrations.models import Connection
from integrations.sync import credentials
from tenants.context import in_tenant
from tenants.models import Tenant
from tests.connecting.conftest import Browser, World, audited
from tests.connecting.test_refresh import BEARER, ends_in, token_of
from tests.waiting import wait_until


@pytest.fixture
def committed(
    transactional_db: None, browser: Browser, link: str, monkeypatch: pytest.MonkeyPatch
) -> Connection:
    """A QuickBooks connection that other processes see; reuse of a refresh token ends it."""
    monkeypatch.setattr(credentials, "LOCK_SECONDS", 300)  # whatever the machine is busy with
    browser.connect(link, "quickbooks")
    browser.world.control("set", slug="quickbooks", reuse_revokes=True)
    return Connection.objects.get()


@pytest.mark.django_db(transaction=True)
def test_threads_that_renew_again_and_again_never_use_a_refresh_token_twice(
    committed: Connection, world: World, acme: Tenant
) -> None:
    world.forget_requests()

    def renew(_: int) -> str:
        try:
            with in_tenant(acme):
                row = Connection.objects.get(pk=committed.pk)
                return token_of(row, refused=row.credential_generation)
        finally:
            database.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(renew, range(40)))

    committed.refresh_from_db()
    assert len(world.token_calls()) == committed.credential_generation - 1
    assert committed.status == "active"
    assert _is_accepted(world, committed, token_of(committed))


@pytest.mark.django_db(transaction=True)
def test_a_dead_grant_is_asked_for_once_however_many_wait(
    committed: Connection, world: World, acme: Tenant
) -> None:
    world.control("revoke", slug="quickbooks", account=committed.account_id)
    world.forget_requests()

    def renew(_: int) -> str:
        try:
            with in_tenant(acme):
                return token_of(Connection.objects.get(pk=committed.pk), refused=1)
        except ReauthorizationRequiredError:
            return "reconnect"
        finally:
            database.close()

    with ThreadPoolExecutor(6) as pool, transaction.atomic():
        # None of them gets on before all have found the connection working.
        Connection.objects.select_for_update(no_key=True).get(pk=committed.pk)
        said = pool.map(renew, range(6))
        wait_until(lambda: _at_its_lock() == 6, seconds=120)

    assert list(said) == ["reconnect"] * 6
    assert len(world.token_calls()) == 1
    assert audited(AuditAction.CONNECTION_BROKEN) == 1


@pytest.mark.django_db(transaction=True)
def test_access_is_not_renewed_inside_an_open_transaction(committed: Connection) -> None:
    """Rolling back would lose a refresh token that the provider has already replaced."""
    ends_in(committed, 1)

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        token_of(committed)


@pytest.mark.django_db(transaction=True)
def test_a_connection_saved_while_the_token_endpoint_hangs_is_not_overwritten(
    committed: Connection, world: World, acme: Tenant
) -> None:
    world.control("fault", slug="quickbooks", path=BEARER, delay_ms=600)

    def renew() -> str:
        try:
            with in_tenant(acme):
                return token_of(Connection.objects.get(pk=committed.pk), refused=1)
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(renew)
        while not world.token_calls() and not renewing.done():
            time.sleep(0.02)
        row = Connection.objects.get(pk=committed.pk)
        row.name = "Renamed"
        row.save(update_fields=["name"])
        renewing.result(timeout=120)

    committed.refresh_from_db()
    assert committed.name == "Renamed"
    assert committed.credential_generation == 2


@pytest.mark.django_db(transaction=True)
def test_a_token_that_has_come_is_kept_though_its_breaker_cannot_be_told(
    committed: Connection, world: World, acme: Tenant
) -> None:
    """The refresh token of before is spent: what the answer brought would be lost for good."""
    world.control("fault", slug="quickbooks", path=BEARER, status=503)
    with pytest.raises(ProviderUnavailableError):
        token_of(committed, refused=1)
    world.control("fault", slug="quickbooks", path=BEARER, delay_ms=600)
    world.forget_requests()

    def renew() -> str:
        try:
            with in_tenant(acme):
                return token_of(Connection.objects.get(pk=committed.pk), refused=1)
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool, database.cursor() as cursor:
        renewing = pool.submit(renew)
        while not world.token_calls() and not renewing.done():
            time.sleep(0.02)
        cursor.execute("ALTER TABLE public.fleet_circuit RENAME TO out_of_reach")
        try:
            token = renewing.result(timeout=120)
        finally:
            cursor.execute("ALTER TABLE public.out_of_reach RENAME TO fleet_circuit")

    committed.refresh_from_db()
    assert committed.credential_generation == 2
    assert _is_accepted(world, committed, token)


def _at_its_lock() -> int:
    """How many others have asked for the lock of a connection's row."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE relation = 'integrations_connection'::regclass"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND mode = 'RowShareLock' AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def _is_accepted(world: World, connection: Connection, token: str) -> bool:
    base = world.sandbox.addresses()["https://quickbooks.api.intuit.com"]
    answer = world.http.get(
        f"{base}/v3/company/{connection.account_id}/companyinfo/{connection.account_id}",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
    )
    return answer.status_code == 200
