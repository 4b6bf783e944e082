"""`manage.py sync`: one connection, in the foreground."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from integrations.errors import EntityTypeUnavailableError, ListRestartError
from integrations.models import Connection, Record, SyncRun
from tests.engine.acme_provider import Server
from tests.engine.conftest import connected, connection, server, shelves

__all__ = ["connection", "server", "shelves"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("long_lease")]


def sync(*options: str) -> str:
    out = StringIO()
    call_command("sync", "--tenant", "acme", *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_it_syncs_and_says_what_came_of_it(connection):
    said = sync("--connection", str(connection.pk))

    assert "Succeeded: 40 read, 40 new, 0 changed, 0 unchanged" in said
    assert Record.objects.count() == 40


@pytest.mark.parametrize("wanted", ["name", "provider", "pk"])
def test_a_connection_is_found_by_name_provider_or_id(connection, wanted):
    sync("--connection", str(getattr(connection, wanted)))

    assert SyncRun.objects.get().state == "succeeded"


def test_json_holds_the_counts_of_each_entity_type(connection):
    result = json.loads(sync("--connection", connection.name, "--json"))

    assert result["state"] == "succeeded"
    assert result["counts"]["people"]["inserted"] == 15


def test_one_entity_type_can_be_asked_for(connection, server: Server):
    sync("--connection", connection.name, "--entity-type", "people")

    assert {name for name, _ in server.asked} == {"people"}


def test_a_dry_run_says_what_is_valid_and_writes_nothing(connection, server: Server):
    server.rows["companies"].append({"id": "bad", "changed": 1})

    said = sync("--connection", connection.name, "--dry-run")

    assert "companies: 25 valid, 0 deleted, 1 rejected" in said
    assert "The field 'name' is missing" in said
    assert not Record.objects.exists()
    assert not SyncRun.objects.exists()


def test_a_dry_run_gets_over_what_a_sync_gets_over(connection, server: Server):
    server.fail_at = {
        ("companies", 2): [ListRestartError("lost")],
        ("people", 0): [EntityTypeUnavailableError("Not in this plan.")] * 2,
    }

    said = sync("--connection", connection.name, "--dry-run")

    assert "companies: 25 valid, 0 deleted, 0 rejected" in said
    assert "people: unavailable. Not in this plan." in said
    said = sync("--connection", connection.name, "--dry-run", "--json")
    assert json.loads(said)["unavailable"] == {"people": "Not in this plan."}


def test_a_dry_run_reads_nothing_sooner_than_the_provider_allows(inside_acme, shelves):
    connection = connected("shelf_memory")
    sync("--connection", connection.name)
    shelves.asked.clear()

    said = sync("--connection", connection.name, "--dry-run", "--full")

    assert "notes: unavailable. It may be read again after " in said
    assert shelves.asked == ["shelves", "books"]


def test_a_full_sync_of_the_same_data_rewrites_nothing(connection):
    sync("--connection", connection.name)

    assert "0 new, 0 changed, 40 unchanged" in sync("--connection", connection.name, "--full")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--connection", "nowhere"), "There is no connection 'nowhere'; there are: 'acme_memory"),
        (
            ("--connection", "acme_memory", "--entity-type", "x"),
            "has no entity type 'x'; it has companies",
        ),
        (
            ("--connection", "acme_memory", "--entity-type", "x", "--dry-run"),
            "has no entity type 'x'",
        ),
        (("--connection", "acme_memory", "--shadow", "--dry-run"), "not allowed with"),
        (("--connection", "acme_memory", "--full", "--from", "2026-01-31"), "not allowed with"),
        (("--connection", "acme_memory", "--dry-run", "--from", "2026-01-31"), "takes no date"),
        (("--connection", "acme_memory", "--shadow", "--from", "2026-01-31"), "takes no date"),
    ],
)
def test_bad_input_gets_one_sentence(connection, options, sentence):
    with pytest.raises(CommandError, match=sentence):
        sync(*options)

    assert not SyncRun.objects.exists()


@pytest.mark.parametrize("how", [(), ("--shadow",), ("--dry-run",)])
def test_a_paused_connection_is_not_read(connection, server: Server, how):
    Connection.objects.update(status=Connection.Status.PAUSED)

    with pytest.raises(CommandError, match="is paused"):
        sync("--connection", connection.name, *how)
    with pytest.raises(CommandError, match="is paused"):
        call_command("preflight", "--tenant", "acme", connection.name)

    assert server.asked == []


def test_an_unknown_tenant_is_named_with_those_there_are(connection):
    with pytest.raises(CommandError, match=r"no tenant 'nobody'; there are: acme, globex"):
        call_command("sync", "--tenant", "nobody", "--connection", "x")


def test_a_shadow_diff_says_what_would_come_and_writes_nothing(connection):
    said = sync("--connection", connection.name, "--shadow")

    assert "companies: 25 inserted, 0 updated" in said
    assert Record.objects.count() == 0
    result = json.loads(sync("--connection", connection.name, "--shadow", "--full", "--json"))
    assert result["counts"]["people"]["inserted"] == 15


def test_from_a_day_on_it_reads_again_in_a_backfill(connection):
    sync("--connection", connection.name, "--entity-type", "people", "--from", "2026-01-31")

    run = SyncRun.objects.get()
    assert (run.mode, f"{run.not_before:%Y-%m-%d %H:%M}") == ("backfill", "2026-01-31 00:00")
    with pytest.raises(CommandError, match="write it as 2026-01-31"):
        sync("--connection", connection.name, "--from", "yesterday")


def test_a_pre_flight_says_what_each_type_is_like(connection, server):
    out = StringIO()
    server.rows["people"][0]["name"] = None

    call_command("preflight", "--tenant", "acme", connection.name, stdout=out)

    assert "companies: OK, 5 read, 0 rejected" in out.getvalue()
    assert "people: Some rejected, 5 read, 1 rejected" in out.getvalue()
