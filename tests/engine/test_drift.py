"""F39: a provider sends something different; nothing breaks, and somebody hears of it once."""

from typing import Any

import pytest
from django.db import connection as database

from hub.audit.models import AuditEvent
from integrations.models import Connection, EntityShape, Record, RejectedRecord
from tests.engine.acme_provider import Server, company
from tests.engine.conftest import run_of, work

pytestmark = pytest.mark.django_db

STATUSES = ("open", "won", "lost")


def extended(number: int, **changes: Any) -> dict[str, Any]:
    """A company with fields that our record knows nothing of."""
    known = {"stage": STATUSES[number % 3], "size": number, "owner": {"name": f"Ada {number}"}}
    return company(number, **known, **changes)


@pytest.fixture
def learned(connection: Connection, server: Server) -> Connection:
    """Forty companies have been read in full."""
    server.rows = {"companies": [extended(n) for n in range(40)], "people": []}
    assert work(connection).state == "succeeded"
    assert EntityShape.objects.get(entity_type="companies").changed_at is None
    return connection


def sent(server: Server, connection: Connection, rows: list[dict[str, Any]]) -> str:
    """How a sync ends in which the provider sends these companies."""
    server.rows["companies"] = rows
    return work(connection).state


def heard() -> list[tuple[str, str]]:
    """(kind, path) of every change that was audited, the first one first."""
    events = AuditEvent.objects.filter(action="entity_type.drifted").order_by("seq", "id")
    assert all(event.detail["entity_type"] == "companies" for event in events)
    return [(one["kind"], one["path"]) for event in events for one in event.detail["changes"]]


def names_in_the_view() -> list[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT name FROM company ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def renamed(row: dict[str, Any]) -> dict[str, Any]:
    return {**without(row, "size"), "headcount": row["size"]}


@pytest.mark.parametrize(
    ("drifted", "changes"),
    [
        (lambda row: {**row, "vip": True}, [("new", "vip")]),
        (lambda row: without(row, "size"), [("gone", "size")]),
        (renamed, [("new", "headcount"), ("renamed", "size")]),
        (lambda row: {**row, "size": str(row["size"])}, [("type", "size")]),
        (lambda row: {**row, "size": None}, [("null", "size")]),
        (lambda row: {**row, "stage": "stalled"}, [("value", "stage")]),
        (lambda row: {**row, "owner": {"name": None}}, [("null", "owner.name")]),
        (lambda row: {**row, "owner": {}}, [("gone", "owner.name")]),
    ],
    ids=["new", "gone", "renamed", "type", "null", "enum", "null inside", "gone inside"],
)
def test_a_changed_field_is_stored_as_it_was_sent_and_reported_once(
    drifted: Any, changes: list[tuple[str, str]], learned: Connection, server: Server
) -> None:
    rows = [drifted(extended(n)) for n in range(40)]

    assert sent(server, learned, rows) == "succeeded"
    assert sent(server, learned, [drifted(extended(n, again=1)) for n in range(40)]) == "succeeded"

    assert heard() == [*changes, ("new", "again")]
    stored = {record.source_id: record.raw for record in Record.objects.all()}
    assert stored == {row["id"]: {**row, "again": 1} for row in rows}
    assert names_in_the_view() == sorted(f"Company {n}" for n in range(40))
    assert not RejectedRecord.objects.exists()


@pytest.mark.parametrize("name", [7, None, {"text": "Company 3"}], ids=["type", "null", "object"])
def test_what_no_longer_fits_its_column_is_refused_kept_as_sent_and_reported(
    name: Any, learned: Connection, server: Server
) -> None:
    """Narrowing is refused: the entity is set aside, the record stays what it was."""
    rows = [extended(n) for n in range(40)]
    rows[3] = {**rows[3], "name": name}

    assert sent(server, learned, rows) == "succeeded"

    refused = RejectedRecord.objects.get()
    assert refused.source_id == "c3"
    assert b'"stage":"open"' in bytes(refused.raw).replace(b" ", b"")
    assert "name" in refused.reason
    assert "Company 3" in names_in_the_view()
    assert heard()[0] == ("null" if name is None else "type", "name")


def test_a_change_of_every_entity_is_reported_though_the_run_refuses_to_pass_over_them(
    learned: Connection, server: Server
) -> None:
    rows = [{**extended(n), "name": n} for n in range(40)]

    assert sent(server, learned, rows) == "failed"

    assert heard() == [("type", "name")]
    assert names_in_the_view() == sorted(f"Company {n}" for n in range(40))


def test_a_first_full_read_is_no_change_however_different_its_entities(
    connection: Connection, server: Server
) -> None:
    server.rows = {"companies": [extended(n, **{f"f{n % 9}": n}) for n in range(40)], "people": []}

    work(connection)

    assert run_of(connection).state == "succeeded"
    assert heard() == []
    assert {"f0", "f8"} <= set(EntityShape.objects.get(entity_type="companies").fields)


def test_few_entities_are_no_shape_that_could_change(
    connection: Connection, server: Server
) -> None:
    server.rows = {"companies": [extended(n) for n in range(5)], "people": []}
    work(connection)

    sent(server, connection, [extended(n, vip=True) for n in range(5)])

    assert heard() == []


def test_a_field_is_gone_when_twenty_entities_in_a_row_lack_it_over_many_runs(
    learned: Connection, server: Server
) -> None:
    for turn in range(4):
        assert heard() == []
        few = [without(extended(n), "size") for n in range(turn * 5, turn * 5 + 5)]
        sent(server, learned, few)

    assert heard() == [("gone", "size")]
    sent(server, learned, [extended(0)])
    assert heard() == [("gone", "size"), ("back", "size")]


def test_a_field_that_only_some_entities_have_may_be_absent(
    connection: Connection, server: Server
) -> None:
    rows = [extended(n) if n % 2 else without(extended(n), "size") for n in range(40)]
    server.rows = {"companies": rows, "people": []}
    work(connection)

    sent(server, connection, [without(extended(n), "size") for n in range(40)])

    assert heard() == []


def test_names_that_are_data_are_no_fields_and_leave_the_tenant_s_schema_nowhere(
    learned: Connection, server: Server
) -> None:
    rows = [extended(n, votes={f"zuse{n}@nordlicht.example": 1}) for n in range(40)]
    rows[0]["stage"] = "promised_to_zuse"

    sent(server, learned, rows)

    assert heard() == [("value", "stage"), ("new", "votes")]
    shape = EntityShape.objects.get(entity_type="companies")
    assert "votes.*" in shape.fields
    assert shape.changes[0]["value"] == "promised_to_zuse"
    said = str(AuditEvent.objects.filter(action="entity_type.drifted").values_list("detail"))
    assert "zuse" not in said  # no word that the id of a run could hold


def test_names_that_people_made_up_are_on_the_tenant_s_pages_and_in_no_log(
    learned: Connection, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Words of no digit, which look like names of fields."""
    rows = [extended(n, votes={"Ada Lovelace": 1}, labels={"Zuse": {"x": 1}}) for n in range(40)]
    sent(server, learned, rows)
    rows = [{**row, "votes": {"Ada King": 1}} for row in rows]
    sent(server, learned, rows)
    sent(server, learned, [{**row, "labels": {"Zuse": 1}, "Ada Byron": 1} for row in rows])

    assert heard() == [
        *[("new", "labels"), ("new", "votes")],
        *[("new", "votes.*"), ("renamed", "votes.*")],
        *[("new", "*"), ("type", "labels.*")],
    ]
    said = str(AuditEvent.objects.filter(action="entity_type.drifted").values_list("detail"))
    logged = str([getattr(record, "changes", "") for record in caplog.records])
    assert "votes.*" in logged
    for name in ("Lovelace", "King", "Zuse", "Byron"):
        assert name not in said + logged
    shape = EntityShape.objects.get(entity_type="companies")
    assert {"votes.Ada King", "labels.Zuse", "Ada Byron"} <= {one["path"] for one in shape.changes}
