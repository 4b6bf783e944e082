"""Work that is under way when a connection is ended, or comes late, changes nothing any more."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection as database
from django.db import transaction

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations import tasks
from integrations.destinations.postgres import hold_fence
from integrations.errors import (
    ConnectionNotActiveError,
    FencedError,
)
from integrations.models import (
    Connection,
    Disconnection,
    Record,
    RejectedRecord,
    SyncRun,
)
from integrations.services.connections import connect_with_key, resume_connection
from integrations.services.disconnect import STEPS, Pace, disconnect
from integrations.services.syncs import request_sync
from integrations.sync.credentials import access_for
from integrations.sync.engine import work_slice
from integrations.sync.health import mark_needs_reauth, mark_working
from integrations.sync.lease import LeaseWatch
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tests.admin.conftest import make_record, make_rejected
from tests.connecting.conftest import World
from tests.connecting.test_refresh import BEARER
from tests.disconnecting.conftest import opens_something, revocations, work
from tests.engine.acme_provider import Server
from tests.engine.conftest import connected, server

__all__ = ["server"]

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = Actor.system("worker")


def test_a_slice_that_is_at_work_commits_nothing_any_more(
    server: Server, acme: Tenant, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction.atomic():
        connection = connected()
    claim = claim_one(Due.objects.get().pk, worker_id=connection.pk, lease_seconds=600)
    assert claim is not None
    is_asked, may_answer = threading.Event(), threading.Event()
    answer = server.page

    def late(entity_type: str, number: int) -> Any:
        if entity_type == "people":  # the companies are stored by then
            is_asked.set()
            may_answer.wait(120)
        return answer(entity_type, number)

    monkeypatch.setattr(server, "page", late)

    def slice_of_it() -> str:
        try:
            with in_tenant(acme):
                work_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())
                return "ended"
        except FencedError:
            return "fenced"
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool:
        slicing = pool.submit(slice_of_it)
        assert is_asked.wait(120)

        asked = disconnect(connection=connection, keep_records=True, actor=admin)
        stored = Record.objects.count()
        run = SyncRun.objects.get()
        may_answer.set()

        assert slicing.result(timeout=120) == "fenced"
    work(asked)

    assert 0 < stored == Record.objects.count()
    assert run.state == "cancelled"
    assert SyncRun.objects.get().state == "cancelled"


def test_a_disconnect_and_a_batch_do_not_wait_for_each_other(
    copper: Connection, acme: Tenant, admin: Actor
) -> None:
    claim = claim_one(Due.objects.get().pk, worker_id=copper.pk, lease_seconds=600)
    assert claim is not None
    run = SyncRun.objects.create(connection=copper, state=SyncRun.State.RUNNING)

    def end_it() -> str:
        try:
            with in_tenant(acme):
                with database.cursor() as cursor:
                    cursor.execute("SET lock_timeout = 0")
                return disconnect(connection=copper, keep_records=True, actor=admin).steps["stop"]
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            hold_fence(claim.due_id, claim.fence)
            ending = pool.submit(end_it)
            while not somebody_waits_for_us() and not ending.done():
                time.sleep(0.02)
            SyncRun.objects.filter(pk=run.pk).update(counts={"people": {"read": 1}})
        ending.result(timeout=120)

    run.refresh_from_db()
    assert (run.state, run.counts) == ("cancelled", {"people": {"read": 1}})


def test_a_renewal_that_is_under_way_cannot_bring_the_connection_back(
    quickbooks: Connection, world: World, acme: Tenant, admin: Actor
) -> None:
    world.control("fault", slug="quickbooks", path=BEARER, delay_ms=700)
    world.forget_requests()

    def renew() -> str:
        try:
            with in_tenant(acme):
                row = Connection.objects.get(pk=quickbooks.pk)
                return access_for(row, actor=WORKER, reason="test", refused=1).access_token
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        renewing = pool.submit(renew)
        while not world.token_calls() and not renewing.done():
            time.sleep(0.02)
        asked = disconnect(connection=quickbooks, keep_records=True, actor=admin)
        late = pool.submit(renew)
        token = renewing.result(timeout=120)
        with pytest.raises(ConnectionNotActiveError):
            late.result(timeout=120)
    work(asked)

    quickbooks.refresh_from_db()
    assert (quickbooks.status, quickbooks.credentials) == ("disconnected", None)
    assert revocations(world) == [200]
    assert not opens_something(world, quickbooks, token)
    assert len(world.token_calls()) == 1


def test_a_worker_that_was_overtaken_before_its_call_revokes_nothing(
    quickbooks: Connection, world: World, admin: Actor
) -> None:
    """It stood still between its step's beginning and the call, for longer than its lease."""
    disconnect(connection=quickbooks, keep_records=True, actor=admin)
    due = Due.objects.get(kind=Due.Kind.DISCONNECT)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None

    def work_on_it() -> str:
        try:
            with database.cursor() as cursor:
                cursor.execute("SET lock_timeout = 0")
            return tasks.work(str(claim.tenant_id), str(claim.due_id), claim.fence)
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Connection.objects.select_for_update().get(pk=quickbooks.pk)
            working = pool.submit(work_on_it)
            while not somebody_waits_for_us() and not working.done():
                time.sleep(0.02)
            Due.objects.filter(pk=due.pk).update(fence=claim.fence + 1)
        said = working.result(timeout=120)

    assert said == "Taken over while working."
    assert revocations(world) == []
    quickbooks.refresh_from_db()
    assert quickbooks.status == "disconnecting"


def test_a_worker_that_wakes_when_the_account_is_connected_again_purges_nothing_of_it(
    copper: Connection, world: World, admin: Actor
) -> None:
    asked = disconnect(connection=copper, keep_records=False, actor=admin)
    woken = Disconnection.objects.get(pk=asked.pk)
    work(asked)
    fresh = connect_with_key(provider="copper", secrets=world.key(), actor=admin)
    record, rejected = make_record(fresh, 1), make_rejected(fresh)

    STEPS["records"](woken, Pace())

    assert Record.objects.get() == record
    assert RejectedRecord.objects.get() == rejected


def test_nothing_that_comes_late_brings_it_back(
    copper: Connection, admin: Actor, operator: Actor
) -> None:
    asked = disconnect(connection=copper, keep_records=True, actor=admin)

    for _ in range(2):
        mark_working(copper)
        mark_needs_reauth(copper, reason_code="x", operator="x", customer="x", actor=WORKER)
        with pytest.raises(ConnectionNotActiveError):
            resume_connection(connection=copper, actor=operator)
        with pytest.raises(ConnectionNotActiveError):
            request_sync(connection=copper, actor=operator, trigger="manual")
        copper.refresh_from_db()
        assert copper.is_leaving
        if copper.status == "disconnecting":
            work(asked)


def somebody_waits_for_us() -> bool:
    """Whether another connection waits for the end of this one's transaction."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks"
            " WHERE NOT granted AND transactionid = pg_current_xact_id()::xid)"
        )
        return bool(cursor.fetchone()[0])
