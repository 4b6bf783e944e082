"""A disconnect killed with SIGKILL at any step is finished by the next one, each effect once."""

import json
import os
import signal
import subprocess
import sys

import pytest
from django.conf import settings
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.fleet.models import Due
from integrations.models import Connection, Disconnection, Record, SyncRun
from integrations.services.purge import PURGE_ROWS
from tests import warm
from tests.connecting.conftest import World, audited
from tests.disconnecting.conftest import make_many_records, revocations, steps_audited, sync
from tests.faults.conftest import database_url, wait_for_leases
from tests.interrupted import cases, interrupt

pytestmark = pytest.mark.django_db(transaction=True)

LEASE_SECONDS = 1.0
STEPS = ("stop", "revoke", "forget", "records", "finish")
POINTS = (
    *(f"before_{step}" for step in STEPS),
    *(f"after_{step}" for step in STEPS),
    "after_revoke_call",
    "after_purge_chunk",
)

# Asks for the disconnect, as a person would, then works on it as a worker does.
PROCESS = """
import sys
import time
from uuid import uuid4
import django
django.setup()
from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations import tasks
from integrations.models import Connection
from integrations.services.disconnect import disconnect
from tenants.actor import Actor
from tenants.context import get_tenant, in_tenant

with in_tenant(get_tenant("acme")):
    row = Connection.objects.get(pk=sys.argv[1])
    disconnect(connection=row, keep_records=False, actor=Actor.system("tests"))
for due in Due.objects.filter(kind="disconnect"):
    claim = None
    while claim is None and Due.objects.filter(pk=due.pk).exists():  # or one that woke has it
        claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=float(sys.argv[2]))
        time.sleep(0 if claim else 0.05)
    if claim is not None:
        print(tasks.work(str(claim.tenant_id), str(claim.due_id), claim.fence))
"""


# Where something else happens than being killed; with `make soak` everything does everywhere.
OTHERS = (("before_revoke", "STOP"), ("after_revoke_call", "RAISE"), ("after_records", "HANG"))


def disconnecting(connection: Connection, world: World, crash: str = "") -> warm.Process:
    """A process that disconnects."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "hub.settings.test",
        "HUB_PROVIDER_ADDRESSES": json.dumps(world.sandbox.addresses()),
        "HUB_LEASE_SECONDS": str(LEASE_SECONDS),
        "HUB_CRASH": crash,
    }
    return warm.start("-c", PROCESS, str(connection.pk), str(LEASE_SECONDS), env=environment)


def disconnected_by_a_process(
    connection: Connection, world: World, *, crash: str = ""
) -> tuple[int, str]:
    """Exit code of a process that disconnects, and what it wrote where it should not have."""
    process = disconnecting(connection, world, crash)
    _, err = process.communicate(120)
    return process.wait(), err


@pytest.mark.parametrize(("point", "action"), cases(POINTS, OTHERS))
def test_a_disconnect_that_was_killed_is_finished_and_no_step_is_done_twice(
    point: str, action: str, quickbooks: Connection, world: World
) -> None:
    """Or broke, hung or froze on its way and woke again when it had been overtaken."""
    sync(quickbooks)

    def go_on() -> warm.Process:
        quickbooks.refresh_from_db()
        assert not quickbooks.can_sync
        wait_for_leases()
        Due.objects.filter(kind="disconnect").update(due_at=timezone.now())  # as time passes
        return disconnecting(quickbooks, world)

    code, said = interrupt(
        lambda order: disconnecting(quickbooks, world, order), point, action, go_on
    )

    assert code == 0, said
    quickbooks.refresh_from_db()
    asked = Disconnection.objects.get()
    assert (quickbooks.status, quickbooks.credentials) == ("disconnected", None)
    assert quickbooks.credential_generation == 2
    assert not Record.objects.exists()
    assert not SyncRun.objects.exists()
    assert not Due.objects.exists()
    assert [line["name"] for line in asked.lines] == list(STEPS)
    assert revocations(world).count(200) == 1
    assert steps_audited() == [(step, "done") for step in STEPS]
    assert audited(AuditAction.CONNECTION_DISCONNECTING) == 1
    assert audited(AuditAction.CONNECTION_DISCONNECTED) == 1


def test_a_purge_that_was_killed_keeps_what_it_has_deleted_and_goes_on(
    copper: Connection, world: World
) -> None:
    make_many_records(copper)

    code, said = disconnected_by_a_process(copper, world, crash="after_purge_chunk:1")
    assert code == -signal.SIGKILL, said
    assert Record.objects.count() == 12_000 - PURGE_ROWS
    wait_for_leases()

    code, said = disconnected_by_a_process(copper, world)
    assert code == 0, said
    assert not Record.objects.exists()


def test_a_worker_alone_finishes_what_was_asked_for(quickbooks: Connection, world: World) -> None:
    """The person's process dies right after the first commit; nobody asks again."""
    code, said = disconnected_by_a_process(quickbooks, world, crash="before_stop")
    assert code == -signal.SIGKILL, said

    worker = subprocess.run(
        [sys.executable, "manage.py", "worker", "--drain", "--processes", "1"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "hub.settings.test",
            "HUB_PROVIDER_ADDRESSES": json.dumps(world.sandbox.addresses()),
        },
    )

    quickbooks.refresh_from_db()
    assert quickbooks.status == "disconnected", worker.stderr
    assert revocations(world) == [200]
