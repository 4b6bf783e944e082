"""What people change there by hand, or share between routes, holds nothing up for good."""

from uuid import uuid4

import pytest

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.models import Destination
from integrations.services.destinations import rewrite_destination
from integrations.services.routes import change_route
from integrations.sync.settle_destination import note_reached
from tests.destinations.conftest import ADMIN, follow

pytestmark = pytest.mark.django_db

NAME = {"column": "Name", "from": "name"}
WEB = {"column": "Web", "from": "domain"}


def test_rows_that_all_link_to_one_row_somebody_deleted_are_written_and_linked_again(
    base, records, destination, route
):
    for record_type in ("company", "person"):
        route(record_type)
    records.company(1)
    follow(destination)
    base.control(
        "delete", entity="rows", ids=[row["id"] for row in base.rows("Companies").values()]
    )
    for number in range(8):
        records.person(number, company=1)

    follow(destination)

    assert destination.status == "active", destination.error
    company = base.rows("Companies")[records.key("companies", "c1")]
    assert all(row["Company"] == [company["id"]] for row in base.rows("People").values())
    assert len(base.rows("People")) == 8


def test_a_field_that_no_route_fills_any_more_may_be_deleted_there(
    base, records, destination, route
):
    made = route("company", mapping=[NAME, WEB])
    records.company(1)
    follow(destination)
    change_route(route=made, changes={"mapping": [NAME]}, actor=ADMIN)
    follow(destination)
    table = base.tables()["Companies"]
    fields = [field for field in table["fields"] if field["name"] != "Web"]
    base.control("change", entity="tables", ids=[table["id"]], set={"fields": fields})
    records.company(2)

    follow(destination)

    assert destination.status == "active", destination.error
    assert len(base.rows("Companies")) == 2
    change_route(route=made, changes={"mapping": [NAME, WEB]}, actor=ADMIN)
    follow(destination)
    assert destination.status == "active", destination.error
    assert "Web" in base.fields("Companies")


def test_values_are_converted_for_a_field_that_only_one_of_two_routes_fills(
    base, records, destination, route
):
    name = {"name": "Name", "type": "singleLineText"}
    base.make_table(
        "Companies", name, {"name": "Size", "type": "number", "options": {"precision": 0}}
    )
    route(
        "company", entity_type="companies", mapping=[NAME, {"column": "Size", "from": "raw.size"}]
    )
    route("company", entity_type="firms", mapping=[NAME], name="Firms")
    records.company(1, size="7")

    follow(destination)

    assert destination.status == "active", destination.error
    assert base.rows("Companies")[records.key("companies", "c1")]["Size"] == 7


def test_a_link_field_that_leads_elsewhere_now_blocks_it_with_a_sentence(
    base, records, destination, route
):
    for record_type in ("company", "person", "deal"):
        route(record_type)
    records.company(1)
    records.person(1, company=1)
    follow(destination)
    tables = base.tables()
    people = tables["People"]
    for field in people["fields"]:
        if field["name"] == "Company":
            field["options"]["linkedTableId"] = tables["Deals"]["id"]
    base.control("change", entity="tables", ids=[people["id"]], set={"fields": people["fields"]})
    records.person(2, company=1)

    follow(destination, seconds=60)

    assert destination.status == "blocked"
    assert destination.error.startswith("The field 'Company' of the table 'People' ")


def test_a_table_that_two_routes_write_in_two_ways_is_linked_to_by_one_field(
    base, records, destination, route
):
    route("company", entity_type="companies", table="Companies")
    route("company", entity_type="firms", table="companies", name="Firms")
    route("person")
    records.company(1)
    records.put("firms", "f1", "company", name="Firm")
    of_firm = {"entity_type": "firms", "source_id": "f1"}
    records.person(1, company=1)
    records.put("people", "p2", "person", name="Person 2", company=of_firm)

    follow(destination)

    assert all(len(row["Company"]) == 1 for row in base.rows("People").values())


def test_tables_that_are_to_be_made_anew_are_not_remembered_by_a_slice_that_had_found_them(
    base, records, destination, route
):
    route("company")
    records.company(1)
    follow(destination)
    due = Due.objects.get(object_id=destination.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    due.refresh_from_db()
    at_work, found = Destination.objects.get(pk=destination.pk), destination.schema

    rewrite_destination(destination=destination, actor=ADMIN, forget_tables=True)
    destination.refresh_from_db()
    asked_for = destination.schema
    note_reached(due, at_work, found)

    destination.refresh_from_db()
    assert destination.schema == asked_for != found
