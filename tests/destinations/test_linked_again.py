"""Rows that people deleted by hand there are back and linked again, whatever comes between."""

from threading import Event

import pytest

from integrations.sync.lease import LeaseWatch
from tests.destinations.conftest import follow

pytestmark = pytest.mark.django_db


class SecondLook(Event):
    """Is set from the second look on."""

    looks = 0

    def is_set(self) -> bool:
        self.looks += 1
        return self.looks > 1


@pytest.fixture
def deal(base, records, destination, route):
    """A deal with a person who works for a company, each with a row that links to the next."""
    for record_type in ("company", "person", "deal"):
        route(record_type)
    changed(records, "Deal")
    records.person(1, company=1)
    records.company(1)
    follow(destination)


def changed(records, name: str) -> None:
    who = {"entity_type": "people", "source_id": "p1"}
    records.put("deals", "d1", "deal", name=name, person=who)


def rows(base, records):
    """Deal, person and company, None where there is no row."""
    names = (("Deals", "deals", "d1"), ("People", "people", "p1"), ("Companies", "companies", "c1"))
    return [base.rows(table).get(records.key(kind, id)) for table, kind, id in names]


def is_linked(base, records) -> bool:
    deal, person, company = rows(base, records)
    return deal["Person"] == [person["id"]] and person["Company"] == [company["id"]]


def delete(base, *gone) -> None:
    base.control("delete", entity="rows", ids=[row["id"] for row in gone])


def test_a_row_is_back_though_the_slice_that_missed_it_ended_first(
    base, records, destination, deal
):
    delete(base, rows(base, records)[1])
    changed(records, "Renamed")

    assert follow(destination, watch=LeaseWatch(stop=SecondLook())).startswith("Goes on")
    follow(destination)

    assert is_linked(base, records)


def test_a_row_that_is_missed_while_another_is_written_again_is_back_too(
    base, records, destination, deal
):
    delete(base, *rows(base, records)[1:])
    changed(records, "Renamed")

    follow(destination)

    assert is_linked(base, records)


def test_what_links_to_a_row_that_came_back_by_a_link_is_linked_to_the_new_one(
    base, records, destination, deal
):
    records.delete(records.company(1))
    follow(destination)
    delete(base, rows(base, records)[1])
    records.company(1)

    follow(destination)

    assert is_linked(base, records)
