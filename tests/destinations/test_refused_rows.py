"""Rows that are refused for what is not their own fault: they are tried again, and calmly."""

import json
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from integrations.models import Destination, ExternalId
from integrations.services.destinations import resume_destination
from integrations.sync.ledger import TRIED_IN_VAIN
from tests.destinations.conftest import ADMIN, Base, Records, follow, last_run

pytestmark = pytest.mark.django_db

FULL = json.dumps({"error": {"type": "TABLE_IS_FULL", "message": "The plan has no more rows."}})


def refused() -> int:
    return ExternalId.objects.exclude(rejected_reason="").count()


def a_day_passes() -> None:
    ExternalId.objects.update(written_at=F("written_at") - timedelta(hours=25))


def tried() -> int:
    """How many rows were sent since a day has passed."""
    return ExternalId.objects.filter(written_at__gt=timezone.now() - timedelta(hours=12)).count()


@pytest.fixture
def full(base: Base, records: Records, destination: Destination, route: object) -> Destination:
    """Three companies were refused, because the table was full. By now it no longer is."""
    route("company", mapping=[{"column": "Name", "from": "name"}])  # type: ignore[operator]
    follow(destination)
    for number in (1, 2, 3):
        records.company(number)
    base.fault(method="PATCH", path=f"/{base.id}/", status=422, body=FULL, count=None)
    follow(destination)
    base.control("clear_faults")
    assert (refused(), base.rows("Companies")) == (3, {})
    base.forget_requests()
    return destination


def test_rows_that_a_full_table_refused_are_tried_again_a_day_later(
    base: Base, full: Destination
) -> None:
    follow(full)
    assert base.requests("PATCH") == []
    a_day_passes()

    assert follow(full).startswith("Caught up")

    assert refused() == 0
    assert len(base.rows("Companies")) == 3
    assert last_run(full).totals["linked"] == 3
    assert len(base.created()) == 3


def test_rows_that_were_refused_are_tried_again_when_somebody_looks_again(
    base: Base, full: Destination
) -> None:
    resume_destination(destination=full, actor=ADMIN)

    follow(full)

    assert refused() == 0
    assert len(base.rows("Companies")) == 3


def test_rows_that_were_refused_are_tried_again_when_what_was_blocked_works_again(
    base: Base, records: Records, full: Destination
) -> None:
    base.control("revoke", account=base.account)
    records.company(4)
    follow(full)
    assert (full.status, refused()) == ("blocked", 3)
    base.control("restore", account=base.account)

    follow(full)

    assert (full.status, refused()) == ("active", 0)
    assert len(base.rows("Companies")) == 4


def test_rows_that_are_refused_still_are_tried_a_few_at_a_time_and_block_nothing(
    base: Base, records: Records, destination: Destination, route: object
) -> None:
    name = {"name": "Name", "type": "singleLineText"}
    size = {"name": "Size", "type": "number", "options": {"precision": 0}}
    base.make_table("Companies", name, size)
    mapping = [{"column": "Name", "from": "name"}, {"column": "Size", "from": "raw.size"}]
    route("company", mapping=mapping)  # type: ignore[operator]
    for slice_ in range(3):
        for number in range(4):
            records.company(10 * slice_ + number, size="no number")
        follow(destination)
    assert refused() == 12
    a_day_passes()

    follow(destination)
    assert tried() == TRIED_IN_VAIN
    follow(destination)
    assert tried() == 12
    base.forget_requests()
    assert follow(destination) == "Nothing has changed."

    assert base.requests("PATCH") == []
    assert (refused(), destination.status) == (12, "active")
