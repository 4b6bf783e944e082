"""Whoever renews, pauses or resumes a connection, and a batch of its other lane, hold up nobody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from hub.fleet.models import Due
from integrations.destinations.postgres import hold_fence
from integrations.errors import AppRefusedError
from integrations.models import Checkpoint, Connection
from integrations.services.connections import pause_connection
from integrations.sync.credentials import access_for
from integrations.sync.health import mark_app_refused
from tenants.actor import Actor
from tenants.context import current_tenant, in_tenant
from tests.engine.conftest import connected
from tests.refresh.conftest import World, is_accepted
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SYSTEM = Actor.system("tests")


def beside_a_batch(connection: Connection, what: Callable[[], Any]) -> Any:
    """What it returns if a batch of the connection is at its fence when it begins, and ends."""
    tenant = current_tenant()
    due = Due.objects.get(object_id=connection.pk, kind=Due.Kind.SYNC)
    Due.objects.filter(pk=due.pk).update(lease_until="2100-01-01T00:00:00Z")

    def begun() -> Any:
        try:
            with in_tenant(tenant):
                with database.cursor() as cursor:
                    cursor.execute("SET lock_timeout = '300s'")  # whatever the machine is busy with
                return what()
        finally:
            database.close()

    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            hold_fence(due.pk, due.fence)
            found = other.submit(begun)
            wait_until(lambda: is_held_up() or found.done(), seconds=120)
            write(connection)
        return found.result()


def write(connection: Connection) -> None:
    """As a batch does: its rows refer to the connection, which is checked before it commits."""
    row: dict[str, Any] = {"destination": "postgres", "generation": 1, "cursor": {}, "fence": 0}
    row["committed_at"] = timezone.now()
    Checkpoint.objects.create(connection=connection, entity_type="items", **row)
    with database.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def is_held_up() -> bool:
    """Whether somebody waits for what this transaction holds."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
            " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])


def test_a_token_that_was_renewed_is_kept_though_a_batch_is_in_the_way(
    committed: Connection, world: World
) -> None:
    mark_app_refused(committed, operator="refused", customer="wait", actor=SYSTEM)
    assert committed.error_code == AppRefusedError.code

    held = beside_a_batch(committed, lambda: access_for(committed, actor=SYSTEM, reason="test"))

    committed.refresh_from_db()
    assert (committed.status, committed.credential_generation) == ("active", 2)
    assert is_accepted(world, committed, held.access_token)


def test_a_pause_and_a_batch_do_not_wait_for_each_other(acme: Any) -> None:
    with transaction.atomic():
        connection = connected()

    beside_a_batch(connection, lambda: pause_connection(connection=connection, actor=SYSTEM))

    connection.refresh_from_db()
    assert connection.status == "paused"
    assert Checkpoint.objects.filter(connection=connection).exists()
