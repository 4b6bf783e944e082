"""Work that is parked is told of where people look, whatever is wrong with other parked work."""

import pytest
from django.db import connection as database
from django.utils import timezone

from hub.fields import uuid7
from hub.fleet.models import Due
from hub.fleet.unit import Unit
from hub.management.commands.worker import end_parked
from integrations.models import SyncRun
from tenants.models import Tenant
from tests.engine.conftest import connection, run_of, server  # noqa: F401  fixtures
from tests.factories.fleet import DueFactory

pytestmark = pytest.mark.django_db


def unit(on_parked) -> Unit:
    """One that starts no processes."""
    most = {"lease_seconds": 60, "per_tenant": 4, "per_provider": 20}
    return Unit(processes=1, bell=None, start=None, on_parked=on_parked, **most)


def test_a_tenant_whose_tables_are_missing_keeps_no_other_work_from_being_parked():
    broken, other = DueFactory(attempts=5), DueFactory(attempts=5)

    def tell(due: Due) -> None:
        if due.pk == broken.pk:
            with database.cursor() as cursor:
                cursor.execute("SELECT 1 FROM a_table_that_is_made_by_the_next_migration")

    unit(tell)._park()

    reasons = dict(Due.objects.values_list("pk", "parked_reason"))
    assert reasons == {broken.pk: "", other.pk: "crash_loop"}


def test_the_run_of_a_tenant_that_was_suspended_meanwhile_is_ended_too(connection):  # noqa: F811
    run = SyncRun.objects.create(id=uuid7(), connection=connection, state=SyncRun.State.RUNNING)
    due = Due.objects.filter(object_id=connection.pk)
    due.update(attempts=5, run_id=run.pk, due_at=timezone.now())
    Tenant.objects.filter(slug="acme").update(state=Tenant.State.SUSPENDED)

    unit(end_parked)._park()

    assert run_of(connection).state == "failed"
    assert (due.get().run_id, due.get().parked_reason) == (None, "crash_loop")


def test_housekeeping_that_was_parked_is_tried_again_on_another_day(acme):
    Due.objects.plan_housekeeping()
    due = Due.objects.filter(kind=Due.Kind.HOUSEKEEPING, tenant=acme)
    due.update(attempts=5, due_at=timezone.now())
    unit(end_parked)._park()
    assert due.get().due_at is None

    Due.objects.plan_housekeeping()

    assert (due.get().attempts, due.get().parked_reason) == (0, "")
    assert due.get().due_at > timezone.now()
