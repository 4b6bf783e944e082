"""F13: what the hub's own database refuses for a moment is answered 503, and nothing is half done.

Without connections and on a full disk: tests/harness/test_database_shortages.py.
"""

import psycopg
import pytest
from django.db import connection
from django.test import Client

from hub.audit.models import AuditEvent
from integrations.models import SyncRun
from tenants.context import in_tenant
from tenants.models import Tenant
from tests.api.caller import Caller, with_key
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


def test_f13_people_are_told_by_a_page_that_runs_nothing_but_our_own_files() -> None:
    with psycopg.connect(database_url()) as session, connection.cursor() as cursor:
        session.execute("LOCK TABLE public.connect_connectsession")
        cursor.execute("SET lock_timeout = '50ms'")
        page = Client().get("/connect/some-token/")
        cursor.execute("RESET lock_timeout")

    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "Somebody else is working on the same thing" in page.content.decode()
    assert page["Cache-Control"] == "no-store"
    assert "default-src 'self'" in page["Content-Security-Policy"]


RENAME = "ALTER TABLE integrations_connection RENAME COLUMN {} TO {}"


def test_f45_a_tenant_that_is_not_migrated_yet_is_told_503_and_no_other(
    api: Caller, acme: Tenant, globex: Tenant
) -> None:
    with in_tenant(globex):
        other = with_key(globex)
    with in_tenant(acme), connection.cursor() as cursor:
        cursor.execute(RENAME.format("name", "of_the_next_release"))
    try:
        answer, others = api.get("connections/"), other.get("connections/")
    finally:
        with in_tenant(acme), connection.cursor() as cursor:
            cursor.execute(RENAME.format("of_the_next_release", "name"))

    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert "being brought up to date" in answer.json()["detail"]
    assert others.status_code == 200
    assert api.get("connections/").status_code == 200
