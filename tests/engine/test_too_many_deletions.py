"""More deletions than a provider is believed wait for a person, who decides about them once."""

import pytest
from django.db import connection as database
from django.utils import timezone

from hub.audit.models import AuditEvent
from integrations.errors import RefusedError
from integrations.models import DeletionReview, Record
from integrations.records import Company
from integrations.services.deletions import decide_deletions
from integrations.sync.deletions import is_too_much
from integrations.types import EntityType
from tests.engine.conftest import PERSON, connected, full, present, run_of, work
from tests.engine.shelf_provider import ShelfConnector

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(db, inside_acme, shelves):
    return connected("shelf_memory")


@pytest.mark.parametrize(("gone", "is_held"), [(5, False), (24, False), (25, True), (60, True)])
def test_more_than_a_tenth_and_at_least_25_wait_for_a_person(connection, shelves, gone, is_held):
    work(connection)
    for n in range(gone):
        shelves.books["abc"[n // 20]].remove(n % 20)

    full(connection)

    assert DeletionReview.objects.pending().exists() == is_held
    assert len(present()) == (60 if is_held else 60 - gone)


@pytest.mark.parametrize(
    ("there", "found", "is_held"),
    [
        (500, 50, False),  # a tenth
        (500, 51, True),
        (11_000, 1_000, False),
        (11_000, 1_001, True),  # less than a tenth, and very many all the same
    ],
)
def test_more_than_a_tenth_or_a_thousand_wait_for_a_person(connection, there, found, is_held):
    work(connection)
    books = next(each for each in ShelfConnector.entity_types if each.name == "books")
    multiply_books(there - 60)

    assert is_too_much(connection, books, found) is is_held


def test_few_of_what_comes_along_inside_are_not_too_many_for_the_type_alone(
    connection, shelves, monkeypatch
):
    """3 books of 60 are gone with the 30 pages of theirs: 33 of 660, not of 60."""
    pages = EntityType("pages", becomes=Company, inside="books")
    monkeypatch.setattr(ShelfConnector, "entity_types", (*ShelfConnector.entity_types, pages))
    shelves.pages = 10
    work(connection)
    shelves.books["a"] = list(range(3, 20))

    full(connection)

    assert not DeletionReview.objects.exists()
    assert (len(present("books")), len(present("pages"))) == (57, 570)


def multiply_books(count: int) -> None:
    """So many more, made of the first one."""
    fields = [field.column for field in Record._meta.concrete_fields if field.name != "id"]
    copied = ", ".join("r.source_id || n" if name == "source_id" else name for name in fields)
    with database.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO integrations_record ({', '.join(fields)}) SELECT {copied}"
            " FROM (SELECT * FROM integrations_record WHERE entity_type = 'books' LIMIT 1) r,"
            " generate_series(1, %s) n",
            [count],
        )


def test_a_tenth_of_very_many_is_deleted_without_asking(connection, shelves):
    shelves.books["a"] = list(range(400))
    work(connection)
    shelves.books["a"] = list(range(370))

    full(connection)

    assert len(present()) == 410
    assert not DeletionReview.objects.exists()


@pytest.fixture
def review(connection, shelves) -> DeletionReview:
    work(connection)
    shelves.books["a"] = []
    shelves.books["b"] = list(range(10))
    full(connection)
    return DeletionReview.objects.pending().get()


def test_a_review_says_how_many_of_how_many_and_is_told_once(connection, review):
    full(connection)

    assert str(DeletionReview.objects.pending().get()) == "30 of 60 books"
    assert AuditEvent.objects.filter(action="deletions.held").count() == 1
    assert run_of(connection).state == "succeeded"


def test_approved_deletions_are_done_at_once(connection, review):
    highest = Record.objects.latest("change_seq").change_seq

    deleted = decide_deletions(review=review, approve=True, actor=PERSON)

    assert deleted == 30
    assert len(present()) == 30
    assert Record.objects.filter(change_seq__gt=highest).count() == 30
    assert AuditEvent.objects.filter(action="deletions.approved").exists()


def test_what_came_back_after_the_review_is_not_deleted_by_approving_it(
    connection, shelves, review
):
    Record.objects.filter(source_id="a-3").update(changed_at=timezone.now())

    assert decide_deletions(review=review, approve=True, actor=PERSON) == 29
    assert "a-3" in present()


def test_kept_records_stay_and_are_not_asked_about_again(connection, shelves, review):
    decide_deletions(review=review, approve=False, actor=PERSON)

    full(connection)

    assert len(present()) == 60
    assert not DeletionReview.objects.pending().exists()


def test_a_review_is_withdrawn_when_the_records_are_back(connection, shelves, review):
    shelves.books["a"] = list(range(20))
    shelves.books["b"] = list(range(20))

    full(connection)

    review.refresh_from_db()
    assert review.state == DeletionReview.State.OUTDATED


def test_a_review_is_decided_once(connection, review):
    decide_deletions(review=review, approve=False, actor=PERSON)

    with pytest.raises(RefusedError, match="decided"):
        decide_deletions(review=review, approve=True, actor=PERSON)

    assert len(present()) == 60


def test_reported_deletions_of_more_than_half_wait_for_a_person(inside_acme, server):
    connection = connected()
    server.rows = {"companies": [{"id": f"c{n}", "name": "x", "changed": 1} for n in range(60)]}
    work(connection)
    server.rows["companies"] = [{"id": f"c{n}", "gone": True} for n in range(31)]

    work(connection)

    assert len(present("companies")) == 60
    line = run_of(connection).counts["companies"]
    assert (line["dropped"], line["deleted"], line["read"]) == (31, 0, 31)
    held = DeletionReview.objects.pending().get()
    assert held.cause == "signal"
    assert decide_deletions(review=held, approve=True, actor=PERSON) == 31


def test_reported_deletions_of_half_are_done(inside_acme, server):
    connection = connected()
    server.rows = {"companies": [{"id": f"c{n}", "name": "x", "changed": 1} for n in range(60)]}
    work(connection)
    server.rows["companies"] = [{"id": f"c{n}", "gone": True} for n in range(30)]

    work(connection)

    assert len(present("companies")) == 30


def test_reported_deletions_are_counted_over_all_batches_of_a_run(inside_acme, server, settings):
    connection = connected()
    server.page_size = settings.HUB_BATCH_ROWS = 100
    server.rows = {"companies": [{"id": f"c{n}", "name": "x", "changed": 1} for n in range(1_000)]}
    work(connection)
    server.rows["companies"] = [{"id": f"c{n}", "gone": True} for n in range(630)]

    work(connection)

    line = run_of(connection).counts["companies"]
    deleted = line["deleted"]
    assert 0 < deleted <= 500  # whole batches, until half of all would be passed
    assert present("companies") == {f"c{n}" for n in range(deleted, 1_000)}
    assert line["dropped"] == DeletionReview.objects.pending().get().held == 630 - deleted
