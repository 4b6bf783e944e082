"""What waits for a person is neither asked twice, nor forgotten, nor deleted when it came back."""

from typing import Any

import pytest
from django.db import connection as database

from integrations.models import DeletionReview
from integrations.services.deletions import decide_deletions
from tests.engine.acme_provider import company
from tests.engine.conftest import PERSON, connected, full, present, run_of, work
from tests.engine.test_after_trouble import connected_again

pytestmark = pytest.mark.django_db


def gone(number: int) -> dict[str, object]:
    return {"id": f"c{number}", "gone": True}


@pytest.fixture
def reported(connection, server) -> DeletionReview:
    """31 of 60 companies are reported as deleted, by a list that is told in full every time."""
    server.rows = {"companies": [company(n) for n in range(60)]}
    work(connection)
    server.rows["companies"] = [gone(n) for n in range(31)]
    work(connection)
    return DeletionReview.objects.pending().get()


def test_what_was_kept_is_not_asked_about_again_when_it_is_reported_again(connection, reported):
    decide_deletions(review=reported, approve=False, actor=PERSON)

    work(connection)

    assert not DeletionReview.objects.pending().exists()
    assert len(present("companies")) == 60


def test_what_was_kept_is_not_deleted_because_there_are_more_records_now(
    connection, server, reported
):
    decide_deletions(review=reported, approve=False, actor=PERSON)
    server.rows["companies"] += [company(n) for n in range(60, 100)]

    work(connection)

    assert len(present("companies")) == 100


def test_what_waits_is_not_deleted_because_there_are_more_records_now(connection, server, reported):
    server.rows["companies"] += [company(n) for n in range(60, 100)]

    work(connection)

    assert len(present("companies")) == 100
    line = run_of(connection).counts["companies"]
    assert (line["read"], line["dropped"], line["inserted"]) == (71, 31, 40)


def test_what_was_kept_when_it_was_reported_is_kept_when_a_full_sync_misses_it(
    connection, server, reported
):
    decide_deletions(review=reported, approve=False, actor=PERSON)
    server.rows["companies"] = [company(n) for n in range(31, 60)]

    full(connection)

    assert len(present("companies")) == 60
    assert not DeletionReview.objects.pending().exists()


def test_what_waits_since_it_was_reported_is_neither_deleted_nor_asked_again_by_a_full_sync(
    connection, server, reported
):
    server.page_size = 500
    server.rows["companies"] = [company(n) for n in range(31, 400)]

    full(connection)

    assert len(present("companies")) == 400
    assert DeletionReview.objects.pending().get() == reported


def test_what_was_kept_stays_kept_for_the_next_connection_to_the_account(
    connection, server, reported
):
    decide_deletions(review=reported, approve=False, actor=PERSON)
    server.rows["companies"] += [company(n) for n in range(31, 60)]

    work(connected_again(connection))

    assert len(present("companies")) == 60
    assert not DeletionReview.objects.pending().exists()


def test_what_the_next_connection_to_the_account_lists_leaves_the_review_of_the_last(
    connection, server, reported
):
    server.rows["companies"] = [company(n) for n in range(60)]

    work(connected_again(connection))

    reported.refresh_from_db()
    assert reported.state == DeletionReview.State.OUTDATED


def test_a_bin_full_of_what_was_never_stored_holds_no_deletion_back(connection, server):
    server.rows = {"companies": [company(n) for n in range(60)]}
    work(connection)
    server.rows["companies"] = [gone(n) for n in range(59, 200)]

    work(connection)

    assert len(present("companies")) == 59
    assert not DeletionReview.objects.exists()
    line = run_of(connection).counts["companies"]
    assert (line["read"], line["deleted"], line["unchanged"]) == (141, 1, 140)


def test_what_came_back_unchanged_is_not_deleted_by_approving_an_older_review(
    connection, server, reported
):
    server.rows["companies"] = [company(n) for n in range(10)] + [gone(n) for n in range(10, 31)]
    work(connection)

    reported.refresh_from_db()
    assert decide_deletions(review=reported, approve=True, actor=PERSON) == 21
    assert {f"c{n}" for n in range(10)} <= present("companies")


def test_a_review_of_which_everything_came_back_is_not_asked_any_more(connection, server, reported):
    server.rows["companies"] = [company(n) for n in range(60)]

    work(connection)

    reported.refresh_from_db()
    assert reported.state == DeletionReview.State.OUTDATED


def test_what_the_same_batch_lists_again_is_not_deleted_by_approving_the_review(connection, server):
    server.rows = {"companies": [company(n) for n in range(60)]}
    server.page_size = 100
    work(connection)
    server.rows["companies"] = [gone(n) for n in range(36)] + [company(n) for n in range(5)]

    work(connection)

    line = run_of(connection).counts["companies"]
    assert (line["dropped"], line["superseded"], line["unchanged"]) == (31, 5, 5)
    approve(DeletionReview.objects.get())
    assert present("companies") == {f"c{n}" for n in (*range(5), *range(36, 60))}


def test_what_a_later_batch_lists_again_is_not_deleted_by_approving_the_review(
    connection, server, settings
):
    settings.HUB_BATCH_ROWS = 200
    server.page_size = 210  # a chunk each
    server.rows = {"companies": [company(n) for n in range(400)]}
    work(connection)
    again = [company(n) for n in range(5)] + [gone(n) for n in range(390, 400)]
    server.rows["companies"] = [gone(n) for n in range(210)] + again

    work(connection)

    approve(DeletionReview.objects.get())
    assert present("companies") == {f"c{n}" for n in (*range(5), *range(210, 390))}


def test_what_only_moves_is_no_deletion_that_a_person_is_asked_about(connection, server):
    server.rows = {"companies": [company(n, shelf="old") for n in range(60)]}
    server.page_size = 200
    work(connection)
    moved = [gone(n) | {"shelf": "old"} for n in range(60)]
    server.rows["companies"] = moved + [company(n, shelf="new") for n in range(60)]

    work(connection)

    assert not DeletionReview.objects.exists()
    assert len(present("companies")) == 60


def approve(review: DeletionReview) -> None:
    decide_deletions(review=review, approve=True, actor=PERSON)


@pytest.fixture
def absent(db, inside_acme, shelves):
    """30 of 60 books on three shelves were not found by a full sync."""
    connection = connected("shelf_memory")
    work(connection)
    shelves.books = {"a": [], "b": list(range(10)), "c": list(range(20))}
    full(connection)
    return connection


def test_an_incremental_walk_does_not_withdraw_what_a_full_one_asked(absent):
    work(absent)

    assert DeletionReview.objects.pending().get().held == 30


def test_the_first_walk_of_a_new_parent_does_not_withdraw_it_either(absent, shelves):
    shelves.shelves.append("d")
    shelves.books["d"] = [1]

    work(absent)

    assert DeletionReview.objects.pending().get().held == 30


def test_a_new_parent_that_is_gone_again_does_not_replace_it(absent, shelves):
    shelves.shelves.append("d")
    shelves.books["d"] = list(range(40))
    work(absent)
    shelves.shelves.remove("d")

    work(absent)

    assert DeletionReview.objects.pending().get().held == 70


def test_what_is_approved_while_a_walk_asks_leaves_no_question_about_nothing(absent):
    """Counted as absent, but deleted by whoever held the lock that the question waits for."""
    counted: list[str] = []
    steps = iter([lambda: approve(DeletionReview.objects.pending().get())])

    def before_the_lock(execute: Any, sql: str, values: Any, *rest: Any) -> Any:
        if "pg_advisory_xact_lock" in sql and "books" in counted:
            next(steps, lambda: None)()
        if sql.startswith("SELECT count(*) FROM ("):
            counted.append(values["type"])
        return execute(sql, values, *rest)

    with database.execute_wrapper(before_the_lock):
        full(absent)

    assert next(steps, None) is None
    assert len(present()) == 30
    assert not DeletionReview.objects.pending().exists()
