"""/api/v1/records/ while a provider is down: the last synced records, marked with their age."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.connectors.registry import get_connector
from integrations.errors import CircuitOpenError
from integrations.models import Connection, EntityTypeStatus
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.sync.generations import new_generation
from integrations.sync.guards import guard_for
from integrations.sync.shared import SHARED
from tests.api.caller import Caller
from tests.api.rows import connected, stored

pytestmark = pytest.mark.django_db

CLOCK = SystemClock()


def read_at(connection: Connection, entity_type: str, ago: timedelta) -> datetime:
    """The entity type's last committed checkpoint was so long ago."""
    at = timezone.now() - ago
    EntityTypeStatus.objects.create(
        connection=connection, entity_type=entity_type, checkpoint_at=at
    )
    return at


def fail_five_times(connection: Connection) -> None:
    provider = get_connector(connection.provider).provider
    gate = guard_for(connection, provider, base_url=provider.base_url, clock=CLOCK)
    for _ in range(5):
        gate.failed(f"{provider.label} did not answer in time.")
    with pytest.raises(CircuitOpenError):
        gate.admit("/companies", Deadline.after(5, CLOCK))


def a_minute_later() -> None:
    """The circuits have been open for a minute."""
    with SHARED.transaction() as cursor:
        cursor.execute(
            "UPDATE public.fleet_circuit SET document ="
            " jsonb_set(document, '{retry_at}', to_jsonb(extract(epoch FROM now()) - 1))"
        )


def shown(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def test_with_all_well_a_record_says_when_its_type_was_last_read(api: Caller) -> None:
    connection = connected()
    at = read_at(connection, "companies", timedelta(minutes=10))
    record = stored(connection, "1")

    one = api.get(f"records/{record.pk}/").json()
    many = api.get("records/").json()

    assert one["freshness"] == {"as_of": shown(at), "is_stale": False, "reason": ""}
    assert many["results"][0]["freshness"] == one["freshness"]
    assert (many["as_of"], many["is_stale"]) == (shown(at), False)


def test_while_the_circuit_is_open_the_last_records_are_served_as_stale(api: Caller) -> None:
    connection = connected()
    at = read_at(connection, "companies", timedelta(minutes=10))
    record = stored(connection, "1")
    fail_five_times(connection)

    one = api.get(f"records/{record.pk}/").json()
    many = api.get("records/").json()

    assert one["data"] == {"name": "Company 1"}
    assert one["freshness"] == {
        "as_of": shown(at),
        "is_stale": True,
        "reason": "provider_unavailable",
    }
    assert (many["as_of"], many["is_stale"]) == (shown(at), True)


def test_another_provider_s_records_stay_fresh_meanwhile(api: Caller) -> None:
    down, well = connected(), connected(provider="pandadoc")
    read_at(down, "companies", timedelta(minutes=10))
    at = read_at(well, "documents", timedelta(minutes=20))
    stored(down, "1")
    record = stored(well, "2", entity_type="documents")
    fail_five_times(down)

    assert api.get(f"records/{record.pk}/").json()["freshness"]["is_stale"] is False
    page = api.get("records/").json()
    assert [row["freshness"]["is_stale"] for row in page["results"]] == [True, False]
    assert (page["as_of"], page["is_stale"]) == (shown(at), True)
    assert api.get(f"records/?connection={well.pk}").json()["is_stale"] is False


def test_once_the_circuit_is_closed_again_nothing_is_stale(api: Caller) -> None:
    connection = connected()
    read_at(connection, "companies", timedelta(minutes=10))
    record = stored(connection, "1")
    fail_five_times(connection)
    provider = get_connector(connection.provider).provider
    gate = guard_for(connection, provider, base_url=provider.base_url, clock=CLOCK)
    a_minute_later()

    gate.admit("/companies", Deadline.after(5, CLOCK))
    gate.answered({})

    assert api.get(f"records/{record.pk}/").json()["freshness"]["is_stale"] is False


@pytest.mark.parametrize(
    ("status", "ago", "reason"),
    [
        ("active", timedelta(minutes=170), ""),  # the interval is an hour; three are late
        ("active", timedelta(minutes=190), "overdue"),
        ("limited", timedelta(minutes=10), ""),
        ("paused", timedelta(minutes=10), "paused"),
        ("needs_reauth", timedelta(minutes=10), "needs_reauth"),
        ("disconnected", timedelta(minutes=10), "disconnected"),
    ],
)
def test_whatever_keeps_newer_records_away_is_named(
    api: Caller, status: str, ago: timedelta, reason: str
) -> None:
    connection = connected(status=status)
    at = read_at(connection, "companies", ago)
    record = stored(connection, "1")

    age: dict[str, Any] = api.get(f"records/{record.pk}/").json()["freshness"]

    assert age == {"as_of": shown(at), "is_stale": bool(reason), "reason": reason}


def test_records_of_a_type_that_is_begun_again_are_as_old_as_its_last_walk(api: Caller) -> None:
    connection = connected()
    at = read_at(connection, "companies", timedelta(minutes=10))
    record = stored(connection, "1")
    status = EntityTypeStatus.objects.get(connection=connection)
    status.walked_at = at
    status.save()

    new_generation(status, not_before=None)  # and then the provider is down

    age: dict[str, Any] = api.get(f"records/{record.pk}/").json()["freshness"]
    assert age == {"as_of": shown(at), "is_stale": False, "reason": ""}


def test_records_whose_connection_is_gone_say_so_and_no_age_is_made_up(api: Caller) -> None:
    connection = connected()
    record = stored(connection, "1")
    Connection.objects.filter(pk=connection.pk).delete()

    age = api.get(f"records/{record.pk}/").json()["freshness"]
    page = api.get("records/").json()

    assert age == {"as_of": None, "is_stale": True, "reason": "disconnected"}
    assert (page["as_of"], page["is_stale"]) == (None, True)


def test_an_empty_page_is_neither_old_nor_stale(api: Caller) -> None:
    page = api.get("records/").json()

    assert (page["results"], page["as_of"], page["is_stale"]) == ([], None, False)


def test_the_description_names_the_age_of_pages_and_of_records() -> None:
    described = json.loads(Client().get("/api/schema/?format=json").content)["components"][
        "schemas"
    ]

    page = described["PaginatedRecordList"]
    assert {"as_of", "is_stale"} <= set(page["required"])
    assert page["properties"]["as_of"]["nullable"] is True
    assert set(described["Freshness"]["properties"]) == {"as_of", "is_stale", "reason"}
    assert "freshness" in described["Record"]["properties"]
