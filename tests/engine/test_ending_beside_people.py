"""A slice that ends while somebody changes its connection: neither undoes or holds up the other."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection as database
from django.db import transaction

from hub.fleet.claims import claim_one
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import AlreadyRunningError, FatalError
from integrations.models import Connection, SyncRun
from integrations.services.connections import change_interval, pause_connection
from integrations.services.syncs import cancel_sync, request_sync
from integrations.sync.health import mark_needs_reauth
from integrations.sync.settle import opened_run, stopped
from tenants.actor import Actor
from tenants.context import current_tenant, in_tenant
from tests.engine.conftest import connected
from tests.refresh.test_beside_a_batch import is_held_up
from tests.waiting import wait_until

SYSTEM = Actor.system("tests")
BROKEN = FatalError("Nobody can read this.")


@pytest.fixture
def slice_(acme: None) -> tuple[Due, Connection, SyncRun]:
    """One at work, with its connection as it was when it began."""
    with transaction.atomic():
        connection = connected()
    due = Due.objects.get(object_id=connection.pk)
    assert claim_one(due.pk, worker_id=uuid4(), lease_seconds=600) is not None
    due.refresh_from_db()
    run = opened_run(due, connection)
    assert run is not None
    return due, connection, run


def now(connection: Connection) -> Connection:
    return Connection.objects.get(pk=connection.pk)


def fail(due: Due, connection: Connection, run: SyncRun) -> str:
    return stopped(due, connection, run, BROKEN, calls=0, has_progressed=False)


@pytest.mark.django_db
def test_a_connection_that_was_paused_is_shown_as_paused_though_its_slice_fails(
    slice_: Any,
) -> None:
    pause_connection(connection=now(slice_[1]), actor=SYSTEM)

    fail(*slice_)

    assert ConnectionStatus.objects.get(connection_id=slice_[1].pk).status == "paused"


@pytest.mark.django_db
def test_what_a_person_has_to_do_is_not_replaced_by_what_failed_beside_it(slice_: Any) -> None:
    said = {"reason_code": "revoked", "operator": "Reconnect it.", "customer": "Reconnect it."}
    mark_needs_reauth(now(slice_[1]), **said, actor=SYSTEM)

    fail(*slice_)

    assert now(slice_[1]).error == "Reconnect it."
    assert ConnectionStatus.objects.get(connection_id=slice_[1].pk).status == "needs_reauth"


@pytest.mark.django_db
def test_a_run_that_is_being_cancelled_is_not_given_to_whoever_asks_for_a_sync(slice_: Any) -> None:
    _, connection, run = slice_
    cancel_sync(run=run, actor=SYSTEM)

    with pytest.raises(AlreadyRunningError, match="when that run has ended"):
        request_sync(connection=connection, actor=SYSTEM, trigger="manual")


@pytest.mark.django_db(transaction=True)
def test_a_slice_that_fails_and_a_changed_interval_do_not_wait_for_each_other(slice_: Any) -> None:
    tenant = current_tenant()

    def begun() -> str:
        try:
            with in_tenant(tenant):
                with database.cursor() as cursor:
                    cursor.execute("SET lock_timeout = '60s'")  # whatever the machine is busy with
                return fail(*slice_)
        finally:
            database.close()

    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            Connection.objects.select_for_update(no_key=True).get(pk=slice_[1].pk)
            found = other.submit(begun)
            wait_until(lambda: is_held_up() or found.done(), seconds=120)
            change_interval(connection=now(slice_[1]), seconds=60, actor=SYSTEM)
        assert found.result() == str(BROKEN)

    assert SyncRun.objects.get(pk=slice_[2].pk).state == "failed"
