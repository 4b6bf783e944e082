"""F28: disconnecting ends runs, access and credentials at once, and records if asked."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection as database
from django.db import transaction
from django.test.utils import CaptureQueriesContext

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.claims import claim_one, park_crash_loops
from hub.fleet.models import ConnectionStatus, Due
from hub.management.commands.worker import end_parked
from integrations import tasks
from integrations.errors import (
    ConnectionNotActiveError,
    ConnectRefusedError,
    FencedError,
    PermissionRefusedError,
)
from integrations.models import (
    Checkpoint,
    Connection,
    Disconnection,
    EntityTypeStatus,
    Record,
    RecordLink,
    RejectedRecord,
    SyncRun,
)
from integrations.services.connections import connect_with_key, resume_connection
from integrations.services.disconnect import STEPS, Pace, disconnect
from integrations.services.purge import PURGE_ROWS
from integrations.services.syncs import request_sync
from integrations.sync.credentials import access_for
from integrations.sync.engine import work_slice
from integrations.sync.health import mark_needs_reauth, mark_working
from integrations.sync.lease import LeaseWatch
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tests.admin.conftest import make_record, make_rejected
from tests.connecting.conftest import World, audited
from tests.connecting.test_refresh import BEARER
from tests.disconnecting.conftest import make_many_records, revocations, steps_audited, sync, work

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = Actor.system("worker")
OF_ACCOUNT = (Record, RecordLink, RejectedRecord, Checkpoint, EntityTypeStatus, SyncRun)


@pytest.mark.parametrize("slug", ["quickbooks", "slack"])
def test_the_access_is_ended_at_the_provider_and_forgotten_here(
    slug: str, connected: Callable[[str], Connection], world: World, admin: Actor
) -> None:
    connection = connected(slug)
    token = access_for(connection, actor=WORKER, reason="test").access_token

    asked = disconnect(connection=connection, keep_records=True, actor=admin)
    said = work(asked)

    connection.refresh_from_db()
    assert said == "Disconnected."
    assert (connection.status, connection.error) == ("disconnected", "")
    assert connection.credentials is None
    assert connection.access_expires_at is None
    assert connection.credential_generation == 2
    assert revocations(world, slug) == [200]
    assert not opens_something(world, connection, token)
    assert ConnectionStatus.objects.get().status == "disconnected"
    assert not Due.objects.exists()
    assert steps_audited() == [
        (step, "done") for step in ("stop", "revoke", "forget", "records", "finish")
    ]
    assert audited(AuditAction.CONNECTION_DISCONNECTED) == 1


def test_a_provider_without_a_way_is_noted_as_not_possible_with_the_place_to_go_to(
    copper: Connection, world: World, admin: Actor
) -> None:
    world.forget_requests()

    asked = disconnect(connection=copper, keep_records=True, actor=admin)
    work(asked)

    asked.refresh_from_db()
    copper.refresh_from_db()
    assert asked.steps["revoke"]["outcome"] == "not_possible"
    assert "System settings → API Keys" in asked.steps["revoke"]["sentence"]
    assert (copper.status, copper.error_code) == ("disconnected", "revoke_not_possible")
    assert "System settings → API Keys" in copper.error
    assert copper.credentials is None
    assert world.requests() == []


def test_an_access_the_customer_has_taken_away_counts_as_ended(
    quickbooks: Connection, world: World, admin: Actor
) -> None:
    world.control("revoke", slug="quickbooks", account=quickbooks.account_id)

    asked = disconnect(connection=quickbooks, keep_records=True, actor=admin)
    work(asked)

    asked.refresh_from_db()
    assert asked.steps["revoke"]["outcome"] == "done"
    assert "already" in asked.steps["revoke"]["sentence"]


def test_a_token_that_ran_out_is_renewed_once_more_where_it_must_speak_for_itself(
    world: World, admin: Actor, request: pytest.FixtureRequest
) -> None:
    world.control("set", slug="slack", rotation=True)
    slack: Connection = request.getfixturevalue("slack")
    world.control("expire_tokens", slug="slack")
    Connection.objects.update(access_expires_at="2026-01-01T00:00:00Z")

    asked = disconnect(connection=slack, keep_records=True, actor=admin)
    work(asked)

    asked.refresh_from_db()
    assert asked.steps["revoke"] == {
        **asked.steps["revoke"],
        "outcome": "done",
        "sentence": "Slack has ended the access.",
    }


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "7"}},
        {"html": True},
        {"reset": "before"},
        {"status": 401, "body": '{"error": "invalid_client"}'},
    ],
    ids=["503", "429", "a web page", "a reset", "an app that is refused"],
)
def test_what_may_pass_is_asked_again_later(
    fault: dict[str, Any], quickbooks: Connection, world: World, admin: Actor
) -> None:
    world.control("fault", slug="quickbooks", path="tokens/revoke", **fault)
    asked = disconnect(connection=quickbooks, keep_records=True, actor=admin)

    said = work(asked)

    due = Due.objects.get()
    quickbooks.refresh_from_db()
    assert said.startswith("Goes on in ")
    assert due.lease_until is None
    assert due.due_at is not None
    assert quickbooks.status == "disconnecting"
    assert quickbooks.credentials is not None

    assert work(asked) == "Disconnected."
    assert revocations(world)[-1] == 200


def test_a_provider_that_stays_away_does_not_hold_up_the_rest(
    quickbooks: Connection, world: World, admin: Actor
) -> None:
    world.control("fault", slug="quickbooks", path="tokens/revoke", status=503, count=None)
    asked = disconnect(connection=quickbooks, keep_records=True, actor=admin)

    said = [work(asked) for _ in range(6)]

    quickbooks.refresh_from_db()
    assert said[-1] == "Disconnected."
    assert len(revocations(world)) == 6
    assert (quickbooks.status, quickbooks.error_code) == ("disconnected", "revoke_failed")
    assert "by hand" in quickbooks.error
    assert quickbooks.credentials is None
    event = AuditEvent.objects.get(detail__step="revoke")
    assert (event.outcome, event.detail["outcome"]) == ("failed", "failed")


def test_records_are_kept_when_asked(quickbooks: Connection, admin: Actor) -> None:
    sync(quickbooks)
    before = {model: model.objects.count() for model in OF_ACCOUNT}
    assert before[Record]

    work(disconnect(connection=quickbooks, keep_records=True, actor=admin))

    assert {model: model.objects.count() for model in OF_ACCOUNT} == before


def test_records_are_purged_when_asked_and_those_of_other_accounts_stay(
    quickbooks: Connection, copper: Connection, admin: Actor
) -> None:
    sync(quickbooks)
    sync(copper)
    make_rejected(quickbooks)
    of_copper = Record.objects.filter(source_system=copper.source_system).count()

    work(disconnect(connection=quickbooks, keep_records=False, actor=admin))

    assert Record.objects.count() == of_copper > 0
    assert not RejectedRecord.objects.exists()
    for model in (Checkpoint, EntityTypeStatus, SyncRun):
        assert set(model.objects.values_list("connection", flat=True)) == {copper.pk}
    assert ConnectionStatus.objects.get(connection_id=quickbooks.pk).records == 0


def test_many_records_are_purged_some_thousands_at_a_time(copper: Connection, admin: Actor) -> None:
    last = make_many_records(copper)
    for record in Record.objects.order_by("id")[:50]:
        RecordLink.objects.create(
            record=record,
            field="company",
            target_system=copper.source_system,
            target_type="companies",
            target_source_id=last.source_id,
            target=last,
        )
    asked = disconnect(connection=copper, keep_records=False, actor=admin)

    with CaptureQueriesContext(database) as asked_of_database:
        work(asked)

    assert not Record.objects.exists()
    assert not RecordLink.objects.exists()
    purged = "DELETE FROM integrations_record WHERE"
    assert sum(purged in query["sql"] for query in asked_of_database) == 3


def test_a_long_purge_goes_on_slice_by_slice(
    copper: Connection, admin: Actor, settings: Any
) -> None:
    make_many_records(copper)
    asked = disconnect(connection=copper, keep_records=False, actor=admin)
    settings.HUB_SLICE_SECONDS = 0

    left = []
    while Due.objects.filter(kind=Due.Kind.DISCONNECT).exists():
        work(asked)
        left.append(Record.objects.count())

    assert left == [12_000 - PURGE_ROWS, 12_000 - 2 * PURGE_ROWS, 0]
    copper.refresh_from_db()
    assert copper.status == "disconnected"


def test_a_disconnect_that_was_parked_says_so_and_ends_when_it_is_asked_for_again(
    copper: Connection, admin: Actor
) -> None:
    asked = disconnect(connection=copper, keep_records=True, actor=admin)
    Due.objects.update(attempts=5)
    (parked,) = park_crash_loops()

    end_parked(parked)

    copper.refresh_from_db()
    assert (copper.status, copper.error_code) == ("disconnecting", "crash_loop")
    assert "disconnect it again" in copper.error
    assert ConnectionStatus.objects.get(connection_id=copper.pk).error == copper.error
    assert AuditEvent.objects.filter(outcome="failed", detail__code="crash_loop").count() == 1
    disconnect(connection=copper, keep_records=True, actor=admin)
    work(asked)
    copper.refresh_from_db()
    assert (copper.status, copper.error_code) == ("disconnected", "revoke_not_possible")


def test_a_slice_that_is_at_work_commits_nothing_any_more(
    copper: Connection, world: World, acme: Tenant, admin: Actor
) -> None:
    world.control("set", slug="copper", latency_ms=300)
    claim = claim_one(Due.objects.get().pk, worker_id=copper.pk, lease_seconds=600)
    assert claim is not None

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
        while not Record.objects.exists() and not slicing.done():
            time.sleep(0.02)

        asked = disconnect(connection=copper, keep_records=True, actor=admin)
        stored = Record.objects.count()
        run = SyncRun.objects.get()

        assert slicing.result(timeout=120) == "fenced"
    work(asked)

    assert 0 < stored == Record.objects.count()
    assert run.state == "cancelled"
    assert SyncRun.objects.get().state == "cancelled"


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


def test_the_account_can_be_connected_again_only_when_the_disconnect_is_over(
    copper: Connection, world: World, admin: Actor
) -> None:
    asked = disconnect(connection=copper, keep_records=False, actor=admin)

    with pytest.raises(ConnectRefusedError, match="at this moment"):
        connect_with_key(provider="copper", secrets=world.key(), actor=admin)
    work(asked)
    fresh = connect_with_key(provider="copper", secrets=world.key(), actor=admin)

    assert fresh.pk != copper.pk
    assert fresh.status == "active"


def test_asking_again_changes_nothing_and_wakes_work_that_was_parked(
    copper: Connection, admin: Actor
) -> None:
    first = disconnect(connection=copper, keep_records=True, actor=admin)
    Due.objects.update(due_at=None, parked_reason="crash_loop", attempts=5)

    second = disconnect(connection=copper, keep_records=False, actor=admin)

    assert second.pk == first.pk
    assert second.keep_records
    assert Due.objects.get().due_at is not None
    work(first)
    third = disconnect(connection=copper, keep_records=False, actor=admin)
    assert third.pk == first.pk
    assert not third.is_under_way
    assert not Due.objects.exists()
    assert audited(AuditAction.CONNECTION_DISCONNECTING) == 1


def test_only_an_admin_disconnects(copper: Connection, operator: Actor) -> None:
    with pytest.raises(PermissionRefusedError):
        disconnect(connection=copper, keep_records=True, actor=operator)

    copper.refresh_from_db()
    assert copper.status == "active"


def somebody_waits_for_us() -> bool:
    """Whether another connection waits for the end of this one's transaction."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks"
            " WHERE NOT granted AND transactionid = pg_current_xact_id()::xid)"
        )
        return bool(cursor.fetchone()[0])


def opens_something(world: World, connection: Connection, token: str) -> bool:
    addresses = world.sandbox.addresses()
    bearer = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if connection.provider == "slack":
        answer = world.http.post(f"{addresses['https://slack.com']}/api/auth.test", headers=bearer)
        return bool(answer.json()["ok"])
    base, account = addresses["https://quickbooks.api.intuit.com"], connection.account_id
    path = f"{base}/v3/company/{account}/companyinfo/{account}"
    return world.http.get(path, headers=bearer).status_code == 200
