"""What arrives in Airtable's tables: rows, links and columns, and what is taken away again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import ExternalId, Record
from integrations.services.routes import change_route
from integrations.sync.changes import last_change
from integrations.sync.feed import TOMBSTONES_KEPT, prune_tombstones
from tests.destinations.conftest import ADMIN, Records, follow, last_run
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db


def test_tables_fields_and_rows_are_made_under_names_people_read(base, records, destination, route):
    route("company")
    records.company(1, domain="firm1.example", tags=["vip", "north"], is_active=True)

    assert follow(destination).startswith("Caught up")

    assert base.fields("Companies")["Name"] == "singleLineText"
    assert base.fields("Companies")["Is active"] == "checkbox"
    assert list(base.fields("Companies"))[:2] == ["Name", "Hub ID"]
    row = base.rows("Companies")[records.key("companies", "c1")]
    assert (row["Name"], row["Tags"], row["Is active"]) == ("Firm 1", "vip, north", True)
    assert destination.checkpoint == last_change()


def test_only_what_changed_is_sent_and_a_deletion_takes_the_row_away(
    base, records, destination, route
):
    route("company")
    firms = [records.company(number) for number in range(1, 4)]
    follow(destination)
    base.forget_requests()
    records.company(1, domain="new.example")
    records.put("companies", "c2", "company", **firms[1].data)
    records.delete(firms[2])

    follow(destination)

    totals = last_run(destination).totals
    assert (totals["updated"], totals["unchanged"], totals["deleted"]) == (1, 1, 1)
    assert totals["read"] == 3
    assert len(base.requests("PATCH")) == len(base.requests("DELETE")) == 1
    assert set(base.rows("Companies")) == {records.key("companies", f"c{n}") for n in (1, 2)}


def test_nothing_new_costs_no_request(base, records, destination, route):
    route("company")
    records.company(1)
    follow(destination)
    base.forget_requests()

    assert follow(destination) == "Nothing has changed."
    assert base.requests() == []


def test_relations_are_links_whatever_arrives_first(base, records, destination, route):
    route("person")
    route("company")
    records.person(1, company=1)
    follow(destination)
    assert "Company" not in base.fields("People")
    records.company(1)

    follow(destination)

    firm = base.rows("Companies")[records.key("companies", "c1")]
    ida = base.rows("People")[records.key("people", "p1")]
    assert base.fields("People")["Company"] == "multipleRecordLinks"
    assert ida["Company"] == [firm["id"]]
    assert last_run(destination).totals["linked"] == 1


def test_a_link_follows_a_row_that_went_and_came_back_and_is_cleared_with_its_reference(
    base, records, destination, route
):
    route("person")
    route("company")
    firm = records.company(1)
    records.person(1, company=1)
    follow(destination)
    records.delete(firm)
    follow(destination)
    records.company(1)

    follow(destination)

    back = base.rows("Companies")[records.key("companies", "c1")]
    assert base.rows("People")[records.key("people", "p1")]["Company"] == [back["id"]]
    records.person(1)
    follow(destination)
    assert "Company" not in base.rows("People")[records.key("people", "p1")]


def test_a_filter_drops_records_and_takes_rows_away_that_no_longer_pass(
    base, records, destination, route
):
    route("company", filter=[{"field": "role", "op": "is", "value": "customer"}])
    records.company(1, role="customer")
    records.company(2, role="vendor")
    follow(destination)
    totals = last_run(destination).totals
    assert (totals["created"], totals["dropped"], totals["read"]) == (1, 1, 2)
    records.company(1, role="former")

    follow(destination)

    assert base.rows("Companies") == {}
    assert last_run(destination).totals["deleted"] == 1


def test_a_mapping_names_its_own_columns_and_a_changed_one_is_applied_to_all(
    base, records, destination, route
):
    made = route("person", mapping=[{"column": "Who", "from": "name"}])
    records.person(1)
    follow(destination)
    mapping = [
        {"column": "Who", "from": "name"},
        {"column": "Write to", "from": "emails.0", "as": "email"},
        {"column": "Origin", "value": "CRM"},
    ]

    change_route(route=made, changes={"mapping": mapping}, actor=ADMIN)
    follow(destination)

    row = base.rows("People")[records.key("people", "p1")]
    assert (row["Write to"], row["Origin"]) == ("p1@firm.example", "CRM")
    assert base.fields("People") | {"Write to": "email"} == base.fields("People")
    assert last_run(destination).totals["updated"] == 1


def test_rows_that_were_read_from_its_own_tables_do_not_go_round(base, records, destination, route):
    route("row", mapping=[{"column": "Title", "from": "title"}])
    records.company(1)
    follow(destination)
    table = base.tables()["Rows"]["id"]
    read_back = Record.objects.get()
    Record.objects.filter(pk=read_back.pk).update(
        source_system="airtable:usr1",
        entity_type="rows",
        record_type="row",
        scope=table,
        change_seq=read_back.change_seq + 1,
    )

    follow(destination)

    assert base.rows("Rows") == {}
    assert last_run(destination).totals["dropped"] == 1


def test_renamed_tables_and_fields_are_written_to_all_the_same(base, records, destination, route):
    route("company")
    records.company(1)
    follow(destination)
    table = base.tables()["Companies"]
    name = next(field["id"] for field in table["fields"] if field["name"] == "Name")
    head = {"Authorization": f"Bearer {base.token}"}
    meta = base.sandbox.addresses()["https://api.airtable.com"] + f"/v0/meta/bases/{base.id}"
    path = f"{meta}/tables/{table['id']}"
    base.http.patch(path, json={"name": "Firmen"}, headers=head)
    base.http.patch(f"{path}/fields/{name}", json={"name": "Firma"}, headers=head)
    records.company(1, name="Renamed")

    follow(destination)

    assert base.rows("Firmen")[records.key("companies", "c1")]["Firma"] == "Renamed"
    assert set(base.tables()) & {"Companies"} == set()


def test_f39_what_becomes_empty_is_cleared_and_a_new_column_takes_nothing_away(
    base, records, destination, route
):
    made = route("company", mapping=[{"column": "Name", "from": "name"}])
    records.company(1, domain="firm.example", role="customer")
    follow(destination)
    mapping = [{"column": "Name", "from": "name"}, {"column": "Role", "from": "role"}]
    change_route(route=made, changes={"mapping": mapping}, actor=ADMIN)
    follow(destination)
    assert base.rows("Companies")[records.key("companies", "c1")]["Role"] == "customer"
    records.company(1, role="")

    follow(destination)

    assert "Role" not in base.rows("Companies")[records.key("companies", "c1")]
    assert list(base.fields("Companies"))[:3] == ["Name", "Hub ID", "Role"]


def test_rows_of_records_that_were_purged_with_their_connection_go_too(
    base, records, destination, route
):
    route("company")
    for number in range(1, 13):
        records.company(number)
    follow(destination)
    kept = Records(ConnectionFactory())
    kept.company(1)
    Record.objects.filter(source_system=records.connection.source_system).delete()
    records.connection.disconnections.create(
        keep_records=False, actor_kind="system", ended_at=timezone.now()
    )

    follow(destination)

    assert set(base.rows("Companies")) == {kept.key("companies", "c1")}
    totals = last_run(destination).totals
    assert (totals["created"], totals["deleted"]) == (1, 12)
    assert ExternalId.objects.count() == 1
    base.forget_requests()
    assert follow(destination) == "Nothing has changed."


def test_rows_of_records_that_were_deleted_and_forgotten_while_a_route_was_off_go_when_it_is_on(
    base, records, destination, route
):
    made = route("company")
    gone = records.company(1)
    records.company(2)
    follow(destination)
    change_route(route=made, changes={"is_active": False}, actor=ADMIN)
    records.delete(gone)
    follow(destination)
    long_ago = timezone.now() - TOMBSTONES_KEPT - timedelta(days=1)
    Record.objects.filter(pk=gone.pk).update(deleted_at=long_ago)
    assert prune_tombstones() == 1

    change_route(route=made, changes={"is_active": True}, actor=ADMIN)
    follow(destination)

    assert set(base.rows("Companies")) == {records.key("companies", "c2")}
    assert last_run(destination).totals["deleted"] == 1
    assert ExternalId.objects.count() == 1
    base.forget_requests()
    assert follow(destination) == "Nothing has changed."
    assert base.requests() == []


@pytest.mark.parametrize("is_adopted", [False, True])
def test_a_row_that_somebody_deleted_by_hand_comes_back_as_soon_as_it_is_linked_to(
    base, records, destination, route, is_adopted
):
    if is_adopted:  # then values are converted there, and an unknown id could become a title
        base.make_table("People", {"name": "Name", "type": "multilineText"})
    mapping = [{"column": "Name", "from": "name"}, {"column": "At", "from": "company"}]
    route("person", mapping=mapping)
    route("company")
    records.company(1)
    records.person(1, company=1)
    follow(destination)
    firm = base.rows("Companies")[records.key("companies", "c1")]
    base.control("delete", entity="rows", ids=[firm["id"]])
    records.person(2, company=1)

    follow(destination)

    assert list(base.rows("Companies")) == [records.key("companies", "c1")]
    back = base.rows("Companies")[records.key("companies", "c1")]
    assert {tuple(row["At"]) for row in base.rows("People").values()} == {(back["id"],)}
    totals = last_run(destination).totals
    assert totals["read"] == totals["created"] + totals["updated"] == 1
