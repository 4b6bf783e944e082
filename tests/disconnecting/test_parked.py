"""A disconnect that is parked together with what the worker unit then undoes leaves no trace."""

import pytest
from django.db import transaction

from hub.audit.models import AuditEvent
from hub.fleet.claims import park_crash_loops
from hub.fleet.models import Due
from hub.management.commands.worker import end_parked
from integrations.models import Connection
from integrations.services.disconnect import disconnect
from tenants.actor import Actor

pytestmark = pytest.mark.django_db(transaction=True)


def test_parking_that_was_undone_and_is_done_again_is_told_once(
    copper: Connection, admin: Actor
) -> None:
    disconnect(connection=copper, keep_records=True, actor=admin)
    Due.objects.update(attempts=5)

    for is_undone in (True, False):
        with transaction.atomic():
            for due in park_crash_loops():
                end_parked(due)
            transaction.set_rollback(is_undone)

    assert AuditEvent.objects.filter(outcome="failed", detail__code="crash_loop").count() == 1
