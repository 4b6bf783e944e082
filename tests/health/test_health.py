"""Whether the process lives, and whether it can serve: for probes, without a sign-in."""

import runpy
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from hub import health
from hub.audit.models import AuditEvent
from hub.fleet.models import Worker

pytestmark = [pytest.mark.django_db, pytest.mark.public]


@pytest.fixture(autouse=True)
def a_patient_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that a busy machine holds up for two seconds answers all the same."""
    monkeypatch.setattr(health, "ANSWER_WITHIN", "60s")


@pytest.fixture
def worker() -> Worker:
    return Worker.objects.create(host="host-1", pid=1, cluster="hub-1", beat_at=timezone.now())


def probe(client: Client, **extra: Any) -> tuple[int, dict[str, str]]:
    answer = client.get("/health/ready/", **extra)
    return answer.status_code, answer.json()


def test_live_asks_the_database_nothing(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/health/live/")

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


def test_with_all_it_needs_it_is_ready(client, worker):
    assert probe(client) == (
        200,
        {
            "status": "ready",
            "database": "ok",
            "encryption_keys": "ok",
            "migrations": "ok",
            "workers": "ok",
        },
    )


def test_without_a_worker_it_is_degraded_but_serves(client, worker):
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=3))

    status, said = probe(client)

    assert (status, said["status"]) == (200, "degraded")
    assert said["workers"] == "none seen in 2 minutes"


def test_with_a_migration_pending_it_is_not_ready(client, worker):
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM public.django_migrations WHERE app = 'fleet' AND name LIKE '0002%'"
        )

    status, said = probe(client)

    assert (status, said["status"], said["migrations"]) == (503, "unavailable", "1 pending")


@pytest.mark.parametrize(("keys", "says"), [([], "missing"), (["c2hvcnQ="], "not usable")])
def test_without_keys_that_can_be_used_it_is_not_ready(keys, says, client, settings):
    settings.HUB_ENCRYPTION_KEYS = keys

    status, said = probe(client)

    assert (status, said["encryption_keys"]) == (503, says)


def test_when_the_database_does_not_answer_it_is_not_ready(client, worker):
    """The statement is aborted as it would be by a database that is going down."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE public.django_migrations RENAME name TO elsewhere")

    status, said = probe(client)

    assert (status, said["status"]) == (503, "unavailable")
    assert said["database"] == "does not answer"


def test_it_needs_the_same_few_queries_however_often_it_is_asked(
    client, worker, django_assert_num_queries
):
    probe(client)
    with django_assert_num_queries(7):  # savepoint, limits, 2 × migrations, worker, room, release
        probe(client)


def test_neither_is_sent_to_https_nor_audited_nor_kept(client, worker, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "of-no-importance-here")
    production = runpy.run_module("hub.settings.production")
    names = ("SECURE_SSL_REDIRECT", "SECURE_REDIRECT_EXEMPT")
    audited = AuditEvent.objects.count()

    with override_settings(**{name: production[name] for name in names}):
        answers = [client.get(f"/health/{name}/") for name in ("live", "ready")]
        assert client.get("/admin/").status_code == 301

    assert [answer.status_code for answer in answers] == [200, 200]
    assert all("no-store" in answer["Cache-Control"] for answer in answers)
    assert all(not answer.cookies for answer in answers)
    assert AuditEvent.objects.count() == audited


def test_it_names_no_tenant_and_nothing_of_the_installation(client, worker, settings):
    text = client.get("/health/ready/").content.decode()

    for secret in ("acme", "globex", "host-1", settings.SECRET_KEY, *settings.HUB_ENCRYPTION_KEYS):
        assert secret not in text


def test_a_small_limit_of_temporary_files_is_no_database_that_does_not_answer(client, worker):
    """SQLSTATE 53400: the probe's half a megabyte is not allowed, whatever room there is."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL temp_file_limit = '64kB'")

    status, said = probe(client)

    assert (status, said["status"]) == (200, "degraded")
    assert said["database"] == "temp_file_limit is less than 1 MB"
    assert (said["migrations"], said["workers"]) == ("ok", "ok")
