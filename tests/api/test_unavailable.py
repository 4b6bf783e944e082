"""F13: what the hub's own database refuses for a moment is answered 503, and nothing is half done.

Without connections and on a full disk: tests/harness/test_database_shortages.py.
"""

import psycopg
import pytest
from django.db import connection

from hub.audit.models import AuditEvent
from integrations.models import SyncRun
from tests.api.caller import Caller
from tests.api.rows import connected
from tests.faults.conftest import database_url

pytestmark = pytest.mark.django_db(transaction=True)


def test_f13_who_asks_for_what_somebody_holds_is_told_503_and_when_to_come_back(
    api: Caller,
) -> None:
    path = f"connections/{connected().pk}/sync-runs/"
    events = AuditEvent.objects.count()

    with psycopg.connect(database_url()) as session, connection.cursor() as cursor:
        session.execute("SELECT FROM public.fleet_due FOR UPDATE")
        cursor.execute("SET lock_timeout = '50ms'")
        answer = api.post(path, {"mode": "full"})
        cursor.execute("RESET lock_timeout")

    told = answer.json()
    assert (answer.status_code, told["code"]) == (503, "hub_unavailable")
    assert told["detail"] == "Somebody else is working on the same thing; please try again."
    assert answer["Retry-After"] == "5"
    assert not SyncRun.objects.exists() and AuditEvent.objects.count() == events
    assert api.post(path, {"mode": "full"}).status_code == 202
