"""What only vanishes from a list is deleted after a full walk."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.connectors import registry
from integrations.errors import ListRestartError, ProviderUnavailableError
from integrations.models import (
    Connection,
    EntityTypeStatus,
    Record,
    SweepBatch,
    SyncRun,
)
from integrations.sync.deletions import can_show_absence, end_walk
from tests.engine.conftest import connected, full, present, run_of, work
from tests.engine.shelf_provider import ShelfConnector

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(db, inside_acme, shelves):
    return connected("shelf_memory")


def test_what_a_whole_list_no_longer_names_is_deleted_with_the_next_run(connection, shelves):
    work(connection)
    shelves.shelves.remove("b")

    work(connection)

    assert present("shelves") == {"a", "c"}
    assert run_of(connection).counts["shelves"]["vanished"] == 1


def test_what_is_below_a_parent_that_is_gone_goes_with_it_where_that_is_declared(
    connection, shelves
):
    shelves.books["b"] = [1, 2]
    work(connection)
    shelves.shelves.remove("b")

    work(connection)

    assert not {id_ for id_ in present() if id_.startswith("b-")}
    assert len(present()) == 40


def test_what_is_below_a_parent_that_is_gone_stays_where_that_is_declared(
    connection, shelves, monkeypatch
):
    kept = [replace(each, orphans="keep") for each in ShelfConnector.entity_types]
    monkeypatch.setattr(ShelfConnector, "entity_types", tuple(kept))
    work(connection)
    shelves.shelves.remove("b")

    work(connection)

    assert present("shelves") == {"a", "c"}
    assert len(present()) == 60


def test_a_parent_that_comes_back_brings_what_is_below_it_again(connection, shelves):
    shelves.books["b"] = [1, 2]
    work(connection)
    shelves.shelves.remove("b")
    work(connection)
    shelves.shelves.append("b")

    work(connection)

    assert {"b-1", "b-2"} <= present()


def test_an_incremental_walk_deletes_nothing_it_did_not_find(connection, shelves):
    work(connection)
    shelves.books["a"].remove(3)

    work(connection)

    assert "a-3" in present()


def test_a_full_sync_deletes_what_it_did_not_find_and_counts_it_apart(connection, shelves):
    work(connection)
    shelves.books["a"].remove(3)
    shelves.books["c"].remove(19)

    full(connection)

    assert len(present()) == 58
    run = run_of(connection)
    line = run.counts["books"]
    assert (line["vanished"], line["deleted"], line["read"]) == (2, 0, 58)
    assert line["read"] == sum(
        line[name]
        for name in (
            "inserted",
            "updated",
            "unchanged",
            "deleted",
            "superseded",
            "rejected",
            "dropped",
        )
    )


def test_a_scope_that_could_not_be_read_loses_nothing(connection, shelves):
    work(connection)
    shelves.books["a"].remove(3)
    shelves.books["b"] = []
    shelves.closed.add("b")

    full(connection)

    assert "a-3" not in present()
    assert len({id_ for id_ in present() if id_.startswith("b-")}) == 20


def test_deletions_wait_for_the_end_of_a_walk_that_was_interrupted(connection, shelves):
    work(connection)
    shelves.books["a"].remove(3)
    shelves.fails.append(ProviderUnavailableError("down"))

    assert full(connection).state == "running"
    assert "a-3" in present()
    work(connection)

    assert len(present()) == 59
    assert not SweepBatch.objects.exists()


def test_a_list_that_was_begun_again_forgets_what_the_lost_walk_saw(connection, shelves):
    work(connection)
    shelves.fails.append(ListRestartError("lost"))
    shelves.books["c"].remove(3)

    full(connection)

    assert len(present()) == 59


def test_what_has_vanished_is_looked_for_at_the_reconciling_interval(connection, shelves):
    work(connection)
    shelves.books["a"].remove(3)
    EntityTypeStatus.objects.update(full_read_at=timezone.now() - timedelta(days=8))

    work(connection)

    assert "a-3" not in present()


def test_a_connection_without_reconciling_reads_only_what_changed(connection, shelves):
    Connection.objects.update(reconcile_seconds=0)
    work(connection)
    shelves.books["a"].remove(3)
    EntityTypeStatus.objects.update(full_read_at=timezone.now() - timedelta(days=800))

    work(connection)

    assert "a-3" in present()


def test_a_backfill_deletes_nothing_where_nobody_knows_what_changed_since_its_date(
    connection, shelves
):
    work(connection)
    shelves.books["a"].remove(3)
    SyncRun.objects.create(
        connection=connection,
        mode=SyncRun.Mode.BACKFILL,
        not_before=timezone.now(),
        entity_types=["books"],
    )

    work(connection)

    assert "a-3" in present()


def test_absence_is_found_at_once_in_a_first_sync_that_the_planner_knows_nothing_of(connection):
    """It ends before its rows are counted: each compared with all that was seen, for minutes."""
    work(connection)
    status = EntityTypeStatus.objects.get(connection=connection, entity_type="shelves")
    with database.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO integrations_record (source_system, entity_type, source_id, scope,
                connection_id, run_id, generation, record_type, title, data, raw, content_hash,
                first_seen_at, changed_at, change_seq)
            SELECT source_system, entity_type, 'more-' || n, scope, connection_id, run_id,
                generation, record_type, title, data, raw, content_hash, first_seen_at, changed_at,
                change_seq
            FROM integrations_record, generate_series(1, 30000) n WHERE source_id = 'a'
            """
        )
        cursor.execute("DELETE FROM pg_statistic WHERE starelid = 'integrations_record'::regclass")
    there = Record.objects.filter(entity_type="shelves").values_list("pk", flat=True)
    SweepBatch.objects.create(
        connection=connection, entity_type="shelves", scopes=[""], record_ids=list(there)[1:]
    )
    plans = []

    def explain(execute, sql, params, many, context):
        if "NOT EXISTS (SELECT FROM (" in sql:
            execute(f"EXPLAIN {sql}", params, many, context)
            plans.append("\n".join(line for (line,) in context["cursor"].fetchall()))
            assert "Nested Loop" not in plans[-1]
        return execute(sql, params, many, context)

    with database.execute_wrapper(explain):
        vanished = end_walk(
            ShelfConnector.entity_types, ShelfConnector.entity_types[0], status, run_of(connection)
        )

    assert vanished == 1
    assert len(plans) == 2  # counted, then deleted


def test_a_run_without_a_parent_that_is_gone_does_not_look_through_all_that_is_below(
    connection, shelves
):
    work(connection)

    with CaptureQueriesContext(database) as seen:
        work(connection)

    looked = [query["sql"] for query in seen if "p.source_id = r.scope" in query["sql"]]
    assert not [sql for sql in looked if "books" in sql]


def test_what_has_left_the_window_that_is_listed_is_not_deleted(connection, shelves, monkeypatch):
    work(connection)
    shelves.books["a"] = [19]
    types = [replace(each, window=each.name == "books") for each in ShelfConnector.entity_types]
    monkeypatch.setattr(ShelfConnector, "entity_types", tuple(types))

    full(connection)

    assert len(present()) == 60


@pytest.mark.parametrize(("slug", "name"), [("slack", "messages"), ("outlook", "events")])
def test_lists_that_a_plan_or_a_date_cuts_off_show_no_absence(slug, name):
    registry.load()
    types = {each.name: each for each in registry.get_connector(slug).entity_types}

    assert not can_show_absence(types[name], None, is_complete=False)
