"""Two real tenants, acme and globex, each with its own schema, made once per session.

A test that uses the database runs inside acme; `globex` is the other one. What a test writes is
rolled back; after a test that really commits (`transaction=True`) every table is emptied and the
two tenants put back.
"""

import gc
import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase

from hub import clock
from hub.audit import record
from hub.audit.models import AuditEvent
from integrations.resilience import provider_clock
from integrations.sync.shared import SHARED
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.keys import create_data_key
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tenants.roles import Role

# The same examples every time, so that a change is judged by what it changed; fresh ones with
# HYPOTHESIS_PROFILE=default.
hypothesis.settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # it judges the machine
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

_tenants: dict[str, Tenant] = {}

# Of every schema of ours, what holds rows; constraints are deferred, so that no order is needed.
# As TRUNCATE would, but without a file for each table and index: 10 ms instead of 600.
EMPTY_ALL = """
DO $$
DECLARE one text; holds_rows boolean;
BEGIN
  SET CONSTRAINTS ALL DEFERRED;
  FOR one IN
    SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE (schemaname = 'public' OR schemaname LIKE 't\\_%')
      AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one) INTO holds_rows;
    IF holds_rows THEN EXECUTE format('DELETE FROM %s', one); END IF;
  END LOOP;
END $$
"""


def pytest_collection_finish() -> None:
    """What was collected stays: looking through it for garbage again and again takes time."""
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        for slug in ("acme", "globex"):
            found = Tenant.objects.filter(slug=slug).first()
            _tenants[slug] = found or create_tenant(
                slug=slug, name=slug.title(), actor=Actor.system("tests")
            )
        AuditEvent.objects.all().delete()  # the first test finds no more than the others do
        _hurry()
    yield
    with django_db_blocker.unblock():
        own = getattr(record._own, "kept", None)
        if own is not None:
            own.connection.close()
        SHARED.close()


def _hurry() -> None:
    """Commits do not wait for the disk: a database of tests need not survive a power cut."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    connection.close()  # it holds for connections made from now on


@pytest.fixture
def acme(db: None) -> Tenant:
    return Tenant.objects.get(slug="acme")


@pytest.fixture
def globex(db: None) -> Tenant:
    return Tenant.objects.get(slug="globex")


@pytest.fixture
def other_tenant(globex: Tenant) -> Tenant:
    return globex


@pytest.fixture
def operator() -> Actor:
    return Actor(kind="user", id="0", label="operator@example.com", role=Role.OPERATOR)


@pytest.fixture
def long_lease(settings: Any) -> None:
    """For work within the test's own transaction: who extends leases sees nothing of that."""
    settings.HUB_LEASE_SECONDS = 3600


@pytest.fixture(autouse=True)
def inside_acme(request: pytest.FixtureRequest) -> Iterator[None]:
    """Enter acme for every test that uses the database, unless it is marked otherwise.

    What a process remembers for seconds is forgotten before: of tenants and hosts, of the time.
    """
    uses_database = {"db", "transactional_db"} & set(request.fixturenames)
    if not uses_database and not request.node.get_closest_marker("django_db"):
        yield
        return
    cache.clear()
    clock.forget()
    provider_clock.forget()
    if request.node.get_closest_marker("public"):
        connection.set_schema_to_public()
        yield
        return
    with in_tenant(request.getfixturevalue("acme")):
        yield


@pytest.fixture
def put_back(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any
) -> Iterator[None]:
    """Clean up what pytest-django cannot know of; see `_django_db_helper` for the order."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        return
    with django_db_blocker.unblock(), SHARED.transaction() as cursor:
        cursor.execute(
            "DELETE FROM public.fleet_circuit; DELETE FROM public.fleet_ratebudget;"
            " DELETE FROM public.audit_event"
        )


@pytest.fixture
def _django_db_helper(put_back: None, _django_db_helper: None) -> None:
    """Set `put_back` up before pytest-django's own fixture, so that it cleans up after it."""


def empty_all() -> None:
    """Undo what was committed, in the public schema and in every tenant's."""
    connection.set_schema_to_public()
    with connection.cursor() as cursor:
        cursor.execute(EMPTY_ALL)
    for tenant in _tenants.values():
        tenant.save(force_insert=True)
        create_data_key(tenant)


# Django flushes the public schema alone, and makes content types and permissions anew each time.
TransactionTestCase._fixture_teardown = lambda case: empty_all()  # type: ignore[method-assign]
