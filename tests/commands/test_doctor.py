"""manage.py doctor: one line per question, what to do where something is wrong, an exit code."""

import base64
import json
import re
import secrets
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub import clock
from hub.audit.partitions import ensure_partitions
from hub.connect.models import ProviderApp
from hub.fields import uuid7
from hub.fleet.models import ConnectionStatus, DestinationStatus, Due, Worker
from integrations.connectors.registry import all_connectors
from tenants.actor import Actor
from tenants.lag import lagging_tenants
from tenants.models import DataKey, Tenant
from tenants.provisioning import create_tenant
from tenants.rotation import begin_rotation
from tests.factories.fleet import DueFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]


@pytest.fixture(autouse=True)
def all_well() -> None:
    """A worker that has just been seen, and the hub registered at every provider."""
    Worker.objects.create(
        host="host-1", pid=1, cluster="hub-1", processes=2, beat_at=timezone.now()
    )
    for each in all_connectors():
        ProviderApp.objects.create(provider=each.provider.slug, client_id="client")


def doctor() -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the findings by name."""
    said, code = StringIO(), 0
    try:
        call_command("doctor", "--json", stdout=said)
    except SystemExit as end:
        code = int(str(end.code))
    return code, {each["name"]: each for each in json.loads(said.getvalue())}


def finding(name: str, state: str) -> str:
    """Return what is said and to be done, once the finding has this state."""
    code, found = doctor()
    assert found[name]["state"] == state, found[name]
    assert code == int(any(each["state"] == "problem" for each in found.values()))
    assert state == "ok" or found[name]["todo"].endswith(".")
    return f"{found[name]['said']}. {found[name]['todo']}"


def test_when_all_is_well_every_line_says_so_and_the_exit_code_is_0():
    code, found = doctor()

    assert {name: each["state"] for name, each in found.items()} == dict.fromkeys(found, "ok")
    assert code == 0
    assert set(found) >= {
        "python", "database", "disk", "configuration", "connectors", "static files", "way out",
        "public tables", "tenants", "encryption keys", "key rotation", "workers", "due work",
        "leases", "parked work", "database faults", "connections", "destinations", "provider apps",
        "audit log",
    }  # fmt: skip


def test_a_person_reads_one_line_per_finding():
    said = StringIO()

    call_command("doctor", stdout=said, no_color=True)

    lines = said.getvalue().splitlines()
    assert len(lines) == len(doctor()[1])
    assert lines[0].startswith("ok      python")


def test_public_migrations_that_are_pending_are_a_problem_and_end_the_questions():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM public.django_migrations WHERE app = 'fleet'")

    assert "migrate_hub" in finding("public tables", "problem")
    assert "tenants" not in doctor()[1]


def test_a_tenant_that_lags_is_named(globex):
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {globex.schema_name}.django_migrations WHERE app = 'integrations'"
        )

    said = finding("tenants", "problem")

    assert "globex" in said and "acme" not in said and "migrate_hub" in said


def test_a_tenant_whose_closing_was_interrupted_is_named(globex):
    Tenant.objects.filter(pk=globex.pk).update(state=Tenant.State.CLOSING)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {globex.schema_name} CASCADE")

    assert "close_tenant globex --yes" in finding("tenants", "problem")
    assert lagging_tenants() == []  # so that migrate_hub goes on with the others


def test_a_tenant_without_its_schema_is_named(globex):
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {globex.schema_name} CASCADE")

    assert "without a schema: globex" in finding("tenants", "problem")


def test_data_keys_that_no_key_opens_are_counted_by_tenant(settings):
    settings.HUB_ENCRYPTION_KEYS = [base64.b64encode(secrets.token_bytes(32)).decode()]

    assert "2 data keys do not open: acme, globex" in finding("encryption keys", "problem")


def test_a_data_key_of_another_tenant_does_not_count_as_opened(acme, globex):
    other = DataKey.objects.get(tenant=globex)
    DataKey.objects.filter(tenant=acme).update(wrapped=bytes(other.wrapped))

    assert "1 data keys do not open: acme" in finding("encryption keys", "problem")


def test_a_tenant_without_a_data_key_is_named(acme):
    DataKey.objects.filter(tenant=acme).delete()

    assert "no data key: acme" in finding("encryption keys", "problem")


def test_a_key_that_cannot_be_read_is_no_traceback(settings):
    settings.HUB_ENCRYPTION_KEYS = ["c2hvcnQ="]

    assert "5 bytes" in finding("encryption keys", "problem")
    assert "HUB_ENCRYPTION_KEYS" in finding("configuration", "problem")


@pytest.mark.parametrize(("has_work", "state"), [(False, "warning"), (True, "problem")])
def test_no_worker_is_a_problem_as_soon_as_there_is_work(has_work, state):
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=3))
    if has_work:
        DueFactory(later=True)

    assert "manage.py worker" in finding("workers", state)


def test_a_worker_whose_processes_never_answered_is_a_problem():
    Worker.objects.update(beat_at=None, started_at=timezone.now() - timedelta(minutes=3))

    assert "without a sign of life" in finding("workers", "problem")


@pytest.mark.parametrize(
    ("minutes", "state"), [(1, "ok"), (20, "warning"), (180, "problem")], ids=["new", "old", "lost"]
)
def test_work_that_waits_too_long_is_a_finding(minutes, state):
    DueFactory(due_at=timezone.now() - timedelta(minutes=minutes))
    DueFactory(paused=True)

    assert "1 waiting" in finding("due work", state)


def test_work_of_a_suspended_tenant_waits_without_being_late(acme):
    DueFactory(due_at=timezone.now() - timedelta(hours=5))
    Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.SUSPENDED)

    assert "nothing waits" in finding("due work", "ok")


def test_leases_that_ran_out_and_were_not_taken_over_are_counted():
    DueFactory(expired=True, lease_until=timezone.now() - timedelta(minutes=2))
    DueFactory(held=True)

    assert "1 ran out" in finding("leases", "warning")


def test_parked_work_waits_for_a_person():
    Due.objects.filter(pk=DueFactory(paused=True).pk).update(parked_reason="crash_loop")

    assert "1 parked, 1 because" in finding("parked work", "warning")


def test_work_that_the_database_has_served_at_no_attempt_for_an_hour_is_named(acme):
    for minutes in (2, 200):
        DueFactory(faulted_since=timezone.now() - timedelta(minutes=minutes))
    DueFactory(kind=Due.Kind.HOUSEKEEPING, provider="", tenant=acme, later=True)

    said = finding("database faults", "warning")

    assert "1 at every attempt, the first for 3 h: sync of copper for acme" in said
    assert "'slice waits for the database'" in said


def test_connections_that_need_a_person_are_counted(acme):
    for status in ("active", "needs_reauth", "needs_reauth", "broken"):
        ConnectionStatus.objects.create(
            connection_id=uuid7(), tenant=acme, provider="copper", status=status
        )

    assert "2 to reconnect, 1 broken of 4" in finding("connections", "warning")


def test_destinations_that_are_blocked_are_counted(acme):
    for status in ("active", "blocked"):
        DestinationStatus.objects.create(
            destination_id=uuid7(), tenant=acme, type="airtable", name=status, status=status
        )

    assert "1 blocked of 2" in finding("destinations", "warning")


def test_providers_with_a_consent_page_need_an_app():
    ProviderApp.objects.filter(provider__in=["slack", "copper"]).delete()

    said = finding("provider apps", "warning")

    assert "none for slack." in said, "Copper can be connected with a key too"


def test_an_audit_log_without_room_for_next_month_is_a_warning():
    month = timezone.now().date().replace(day=1) + timedelta(days=32)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE public.audit_event_{month:%Y_%m}")

    assert "room for 1 months" in finding("audit log", "warning")


@pytest.mark.parametrize("days", [-70, 70])
def test_a_machine_whose_clock_is_wrong_says_nothing_of_months_and_of_work_that_waits(days):
    ensure_partitions(timezone.now().date())  # the database may have been made last month
    DueFactory()

    with time_machine.travel(timezone.now() + timedelta(days=days)):
        assert "room for 4 months" in finding("audit log", "ok")
        assert re.search("the oldest for [1-4] min", finding("due work", "ok"))


def test_production_needs_its_static_files_collected(settings, tmp_path):
    settings.HUB_IS_PRODUCTION, settings.STATIC_ROOT = True, tmp_path

    assert "collectstatic" in finding("static files", "problem")
    (tmp_path / "staticfiles.json").write_text("{}")
    assert "collected" in finding("static files", "ok")


def test_the_way_out_names_the_proxy_without_its_password(settings):
    settings.HUB_EGRESS_PROXY = "http://hub:hubcanary@proxy.example.com:3128"

    said = finding("way out", "ok")

    assert "proxy.example.com" in said and "hubcanary" not in said


def test_a_rotation_that_is_not_finished_is_a_warning():
    begin_rotation(actor=Actor.system("tests"))

    assert "rotate_keys --data-keys" in finding("key rotation", "warning")


def test_data_keys_under_an_older_wrapping_key_are_a_warning(settings):
    newest = base64.b64encode(secrets.token_bytes(32)).decode()
    settings.HUB_ENCRYPTION_KEYS = [newest, *settings.HUB_ENCRYPTION_KEYS]

    said = finding("key rotation", "warning")

    assert "wait to be wrapped" in said
    assert said.endswith("Run manage.py rotate_keys.")


def test_it_costs_the_same_for_any_number_of_tenants():
    def queries() -> int:
        clock.forget()  # asked each time, and not when it was asked half a minute ago
        with CaptureQueriesContext(connection) as caught:
            doctor()
        return len(caught)

    doctor()  # what is looked up once per process
    before = queries()
    for number in range(4):
        create_tenant(slug=f"more-{number}", name="", actor=Actor.system("tests"))
        ConnectionStatus.objects.create(
            connection_id=uuid7(),
            tenant=Tenant.objects.get(slug=f"more-{number}"),
            provider="copper",
            status="active",
        )

    assert queries() == before


def test_no_secret_is_printed(settings: Any) -> None:
    _, found = doctor()

    text = json.dumps(found)
    for secret in (settings.SECRET_KEY, *settings.HUB_ENCRYPTION_KEYS):
        assert secret not in text
