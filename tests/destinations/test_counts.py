"""What a run counts: each change of its pages once, however often a page is worked on."""

import json
from uuid import uuid4

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from hub.fleet.models import DestinationStatus
from integrations.errors import FatalError
from integrations.models import ExternalId
from integrations.sync import follow as following
from integrations.sync.lease import LeaseWatch
from integrations.sync.plan import Plan
from integrations.sync.tally import Tally
from tests.destinations.conftest import follow, last_run

pytestmark = pytest.mark.django_db

REFUSAL = {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "No such row."}}


def begin(destination) -> str:
    """A slice that is told to stop and ends as soon as it may; it has time for its requests."""
    watch = LeaseWatch()
    watch.stop.set()
    return follow(destination, watch=watch)


def test_what_has_not_changed_is_counted_once_when_its_page_is_worked_on_twice(
    base, records, destination, route
):
    route("company")
    for number in range(15):
        records.company(number)
    follow(destination)
    for number in range(15):
        records.company(number, **({"name": "New"} if number >= 3 else {}))

    assert begin(destination).startswith("Goes on")
    follow(destination)

    totals = last_run(destination).totals
    assert last_run(destination).slices == 2
    assert (totals["read"], totals["updated"], totals["unchanged"]) == (15, 12, 3)


def test_what_was_deleted_is_not_counted_as_unchanged_when_its_page_is_worked_on_again(
    base, records, destination, route
):
    route("company")
    firms = [records.company(number) for number in range(12)]
    follow(destination)
    for firm in firms:
        records.delete(firm)

    begin(destination)
    follow(destination)

    totals = last_run(destination).totals
    assert (totals["read"], totals["deleted"], totals["unchanged"]) == (12, 12, 0)


def test_a_link_that_is_refused_later_is_no_second_change(base, records, destination, route):
    route("person")
    route("company")
    records.person(1, company=1)
    follow(destination)
    people = base.tables()["People"]["id"]
    records.company(1)
    base.fault(method="PATCH", path=f"/{people}", status=422, body=json.dumps(REFUSAL), count=None)

    follow(destination)

    totals = last_run(destination).totals
    assert ExternalId.objects.get(rejected_reason__gt="").key == records.key("people", "p1")
    assert (totals["read"], totals["created"], totals["rejected"]) == (1, 1, 0)


def test_what_is_linked_before_its_own_page_comes_is_counted_with_its_page(
    base, records, destination, route, monkeypatch
):
    monkeypatch.setattr(following, "PAGE_ROWS", 1)
    route("person")
    route("company")
    records.person(1, company=1)
    follow(destination)
    records.company(1)
    records.person(1, company=1)

    follow(destination)

    totals = last_run(destination).totals
    assert (totals["created"], totals["linked"], totals["unchanged"]) == (1, 1, 1)
    assert totals["read"] == 2


def test_a_page_of_which_a_change_came_to_nothing_is_not_passed_over():
    tally = Tally(uuid4())

    with pytest.raises(FatalError, match="1 of its changes"):
        tally.outcomes(Plan(writes={uuid4(): [object()]}))


def test_the_lines_of_a_destination_are_counted_once_in_a_slice_not_with_its_pages(
    base, records, destination, route, monkeypatch
):
    """The count reads every line there is; a page holds locks meanwhile."""
    monkeypatch.setattr(following, "PAGE_ROWS", 2)
    monkeypatch.setattr(following, "SHOW_EVERY", 0.0)  # seconds: with every page
    route("company")
    for number in range(6):
        records.company(number)

    with CaptureQueriesContext(database) as seen:
        assert follow(destination).startswith("Caught up")

    sql = [query["sql"] for query in seen]
    counts = [each for each in sql if "COUNT(" in each and '"integrations_externalid"' in each]
    shown = [each for each in sql if each.startswith('INSERT INTO "fleet_destinationstatus"')]
    assert (len(counts), len(shown)) == (1, 4)
    assert DestinationStatus.objects.get().rows == 6


def test_a_slice_that_ends_on_the_way_has_counted_the_lines(base, records, destination, route):
    route("company")
    for number in range(15):
        records.company(number)

    assert begin(destination).startswith("Goes on")

    assert DestinationStatus.objects.get().rows == ExternalId.objects.count() > 0
