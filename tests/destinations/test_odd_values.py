"""Values that no table takes: their record is refused with its reason, the others arrive."""

import pytest

from integrations.models import ExternalId
from tests.destinations.conftest import follow, last_run

pytestmark = pytest.mark.django_db

BEYOND = {
    "number": "1e400",
    "integer": "1e30",
    "time": "0001-01-01T00:00:00+05:00",
    "day": "9999-12-31T23:59:59-05:00",
}


def test_f36_values_beyond_what_can_be_written_do_not_hold_up_the_others(
    base, records, destination, route
):
    named = [{"column": kind, "from": f"raw.odd_{kind}", "as": kind} for kind in BEYOND]
    route("company", mapping=[{"column": "Name", "from": "name"}, *named])
    for number, (kind, value) in enumerate(BEYOND.items()):
        records.company(number, **{f"odd_{kind}": value})
    records.company(9)

    follow(destination)

    refused = ExternalId.objects.filter(rejected_reason__gt="").order_by("record_id")
    assert [line.rejected_reason.split(":")[0] for line in refused] == list(BEYOND)
    assert last_run(destination).totals["created"] == 1
    assert set(base.rows("Companies")) == {records.key("companies", "c9")}


def test_a_number_of_very_many_digits_arrives_as_exactly_as_a_table_keeps_it(
    base, records, destination, route
):
    route("company", mapping=[{"column": "Size", "from": "raw.size", "as": "number"}])
    records.company(1, size="1e30")

    follow(destination)

    assert base.rows("Companies")[records.key("companies", "c1")]["Size"] == 1e30
