"""Records inside a tenant say how old they are, also while their provider is down."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.connect.models import ProviderApp
from integrations.models import Connection, EntityTypeStatus, Record
from tests.admin.conftest import make_circuit, make_record
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

RECORDS = "/t/acme/admin/integrations/record/"


@pytest.fixture
def record(db: None) -> Record:
    """A company of a type that was read ten minutes ago."""
    connection = ConnectionFactory()
    read(connection, timedelta(minutes=10))
    return make_record(connection)


def read(connection: Connection, ago: timedelta) -> None:
    at = timezone.now() - ago
    EntityTypeStatus.objects.create(
        connection=connection, entity_type="companies", checkpoint_at=at
    )


def pages(viewer: Client, record: Record) -> dict[str, str]:
    return {
        "list": viewer.get(RECORDS).content.decode(),
        "page": viewer.get(f"{RECORDS}{record.pk}/change/").content.decode(),
    }


def test_a_record_says_when_its_type_was_last_read(viewer: Client, record: Record) -> None:
    for html in pages(viewer, record).values():
        assert "10 min ago" in html
        assert "Provider away" not in html


def test_while_its_provider_is_down_a_record_is_there_and_marked_with_its_age(
    viewer: Client, record: Record, acme: Any
) -> None:
    make_circuit(acme, Connection.objects.get(pk=record.connection_id))

    for html in pages(viewer, record).values():
        assert record.title in html
        assert "10 min ago" in html
        assert "Provider away" in html


@pytest.mark.parametrize(
    ("status", "says"), [("paused", "Paused"), ("needs_reauth", "Needs reconnecting")]
)
def test_whatever_keeps_newer_records_away_is_named(
    viewer: Client, record: Record, status: str, says: str
) -> None:
    Connection.objects.update(status=status)

    assert all(says in html for html in pages(viewer, record).values())


def test_a_late_sync_and_a_connection_that_is_gone_are_named(
    viewer: Client, record: Record
) -> None:
    EntityTypeStatus.objects.update(checkpoint_at=timezone.now() - timedelta(hours=4))
    late = pages(viewer, record)
    Connection.objects.all().delete()
    gone = pages(viewer, record)

    assert all("Sync is late" in html and "4 h ago" in html for html in late.values())
    assert all("Disconnected" in html for html in gone.values())


def test_the_list_asks_as_often_for_many_connections_of_a_provider_that_is_down(
    viewer: Client, acme: Any
) -> None:
    def asked() -> int:
        cache.clear()
        with CaptureQueriesContext(database) as queries:
            assert b"Provider away" in viewer.get(RECORDS).content
        return len(queries)

    def connect(number: int) -> None:
        connection = ConnectionFactory(provider="pandadoc", auth_kind="oauth2")
        read(connection, timedelta(minutes=10))
        make_record(connection, number)
        make_circuit(acme, connection)

    ProviderApp.objects.create(provider="pandadoc", client_id="id-1")
    connect(1)
    few = asked()
    for number in range(2, 12):
        connect(number)

    assert asked() == few
