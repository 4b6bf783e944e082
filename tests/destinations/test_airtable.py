"""Airtable kept in step with the change feed, at the sandbox's Airtable."""

from datetime import timedelta
from threading import Event

import pytest
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.models import DestinationStatus, Due
from integrations.destinations.wake import wake_destinations
from integrations.models import ExternalId, Record
from integrations.services.destinations import (
    pause_destination,
    resume_destination,
    rewrite_destination,
)
from integrations.services.routes import change_route
from integrations.sync.changes import last_change
from integrations.sync.lease import LeaseWatch
from integrations.sync.shared import SHARED
from tests.destinations.conftest import ADMIN, Records, follow, last_run
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db


def key(records, entity_type: str, source_id: str) -> str:
    return f"{records.connection.source_system}:{entity_type}:{source_id}"


def wait_of(destination) -> timedelta:
    return Due.objects.get(object_id=destination.pk).due_at - timezone.now()


# What arrives


def test_tables_fields_and_rows_are_made_under_names_people_read(base, records, destination, route):
    route("company")
    records.company(1, domain="firm1.example", tags=["vip", "north"], is_active=True)

    assert follow(destination).startswith("Caught up")

    assert base.fields("Companies")["Name"] == "singleLineText"
    assert base.fields("Companies")["Is active"] == "checkbox"
    assert list(base.fields("Companies"))[:2] == ["Name", "Hub ID"]
    row = base.rows("Companies")[key(records, "companies", "c1")]
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
    assert set(base.rows("Companies")) == {key(records, "companies", f"c{n}") for n in (1, 2)}


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

    firm = base.rows("Companies")[key(records, "companies", "c1")]
    ida = base.rows("People")[key(records, "people", "p1")]
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

    back = base.rows("Companies")[key(records, "companies", "c1")]
    assert base.rows("People")[key(records, "people", "p1")]["Company"] == [back["id"]]
    records.person(1)
    follow(destination)
    assert "Company" not in base.rows("People")[key(records, "people", "p1")]


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

    row = base.rows("People")[key(records, "people", "p1")]
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

    assert base.rows("Firmen")[key(records, "companies", "c1")]["Firma"] == "Renamed"
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
    assert base.rows("Companies")[key(records, "companies", "c1")]["Role"] == "customer"
    records.company(1, role="")

    follow(destination)

    assert "Role" not in base.rows("Companies")[key(records, "companies", "c1")]
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

    assert set(base.rows("Companies")) == {key(kept, "companies", "c1")}
    totals = last_run(destination).totals
    assert (totals["created"], totals["deleted"]) == (1, 12)
    assert ExternalId.objects.count() == 1
    base.forget_requests()
    assert follow(destination) == "Nothing has changed."


# Faults


def test_f37_one_refused_row_of_ten_is_isolated_and_kept_with_its_reason(
    base, records, destination, route
):
    mapping = [{"column": "Name", "from": "name"}, {"column": "Size", "from": "raw.size"}]
    _number_field(base, destination, route, records)
    base.forget_requests()
    for number in range(1, 11):
        records.company(number, size="seven" if number == 7 else str(number))

    follow(destination)

    totals = last_run(destination).totals
    refused = ExternalId.objects.get(rejected_reason__gt="")
    assert (totals["created"], totals["rejected"]) == (9, 1)
    assert len(base.requests("PATCH")) <= 1 + 8
    assert refused.key == key(records, "companies", "c7")
    assert "INVALID_VALUE_FOR_COLUMN" in refused.rejected_reason
    assert mapping[1]["column"] in refused.rejected_reason
    records.company(7, size="7")
    follow(destination)
    assert not ExternalId.objects.filter(rejected_reason__gt="").exists()
    assert base.rows("Companies")[key(records, "companies", "c7")]["Size"] == 7


def test_f38_a_lock_out_ends_the_slice_and_is_waited_for(base, records, destination, route):
    route("company")
    for number in range(30):
        records.company(number)
    base.control("set", limits=True)

    said = follow(destination)

    assert said.startswith("Waits 30 s")
    assert timedelta(seconds=29) < wait_of(destination) <= timedelta(seconds=31)
    assert destination.status == "active"
    assert wake_destinations() == 0
    base.control("set", limits=False)
    forget_pauses()
    follow(destination)
    assert sorted(base.created()) == sorted(base.rows("Companies"))
    assert len(base.rows("Companies")) == 30


def test_the_declared_pace_is_kept_so_that_nobody_is_locked_out(
    base, records, destination, route, settings
):
    settings.HUB_LIMITS_FACTOR = 1
    base.control("set", limits=True)
    route("company")
    for number in range(35):
        records.company(number)

    assert follow(destination).startswith("Caught up")

    assert {one["status"] for one in base.requests()} == {200}
    assert len(base.created()) == 35


def test_f38_a_removed_table_blocks_it_with_a_sentence_and_made_anew_it_catches_up(
    base, records, destination, route
):
    route("company")
    records.company(1)
    follow(destination)
    base.control("delete", entity="tables", ids=[base.tables()["Companies"]["id"]])
    records.company(2)

    follow(destination)

    assert destination.status == "blocked"
    assert destination.error.startswith("The table 'Companies' is no longer in the base.")
    assert DestinationStatus.objects.get().behind == 1
    assert wait_of(destination) < timedelta(seconds=61)
    records.company(3)  # the tenant's own tables go on
    rewrite_destination(destination=destination, actor=ADMIN, forget_tables=True)
    follow(destination)
    assert destination.status == "active"
    assert len(base.rows("Companies")) == 3
    assert DestinationStatus.objects.get().behind == 0


def test_f38_a_revoked_access_blocks_it_and_once_restored_it_catches_up_by_itself(
    base, records, destination, route
):
    route("company")
    records.company(1)
    follow(destination)
    base.control("revoke", account=base.account)
    records.company(2)
    follow(destination)
    assert (destination.status, destination.error_code) == ("blocked", "access_token_refused")
    base.control("restore", account=base.account)
    Due.objects.filter(object_id=destination.pk).update(due_at=timezone.now())

    follow(destination)

    assert destination.status == "active"
    assert len(base.rows("Companies")) == 2
    actions = AuditEvent.objects.filter(action__startswith="destination.").order_by("seq")
    assert list(actions.values_list("action", flat=True))[1:] == [
        AuditAction.DESTINATION_BLOCKED,
        AuditAction.DESTINATION_REPAIRED,
    ]


def test_a_base_that_may_not_be_written_any_more_blocks_it(base, records, destination, route):
    route("company")
    records.company(1)
    follow(destination)
    base.control("change", entity="bases", ids=[base.id], set={"permissionLevel": "read"})
    records.company(2)

    follow(destination)

    assert destination.status == "blocked"
    assert "may not write to the table 'Companies'" in destination.error


def test_f39_a_field_that_is_computed_there_now_blocks_it(base, records, destination, route):
    route(
        "company", mapping=[{"column": "Name", "from": "name"}, {"column": "Web", "from": "domain"}]
    )
    records.company(1)
    follow(destination)
    table = base.tables()["Companies"]
    for field in table["fields"]:
        if field["name"] == "Web":
            field["type"] = "formula"
    base.control("change", entity="tables", ids=[table["id"]], set={"fields": table["fields"]})
    records.company(2)

    follow(destination)

    assert destination.status == "blocked"
    assert destination.error.startswith("The field 'Web' of the table 'Companies' is computed")


def test_when_every_row_is_refused_alike_it_is_the_table_that_must_be_looked_at(
    base, records, destination, route
):
    _number_field(base, destination, route, records)
    for number in range(1, 8):
        records.company(number, size="no number")

    follow(destination)

    assert destination.status == "blocked"
    assert "refuses every row for the table 'Companies'" in destination.error


def test_f3_an_answer_that_is_lost_after_the_rows_were_written_makes_none_twice(
    base, records, destination, route
):
    route("company")
    for number in range(25):
        records.company(number)
    base.fault(method="PATCH", path=f"/{base.id}/", reset=True, count=2)

    follow(destination)

    assert sorted(base.created()) == sorted({*base.created()})
    assert len(base.created()) == 25
    written = [entry for entry in base.log() if entry["kind"] == "updated"]
    assert len(written) == 20  # the same ten, asked for again


def test_a_table_whose_making_was_not_answered_is_there_once(base, records, destination, route):
    route("company")
    records.company(1)
    base.fault(method="POST", path="/tables$|/tables\\?", reset=True)

    assert follow(destination).startswith("Caught up")

    assert [name for name in base.tables() if name == "Companies"] == ["Companies"]


def test_a_server_that_fails_is_asked_again_later(base, records, destination, route):
    route("company")
    records.company(1)
    base.fault(path="/meta/bases", status=503, count=3)

    said = follow(destination)

    assert said.startswith("Waits")
    assert destination.status == "active"
    follow(destination)
    assert len(base.rows("Companies")) == 1


# What people ask for


def test_a_paused_destination_is_left_alone_and_goes_on_where_it_stopped(
    base, records, destination, route
):
    route("company")
    records.company(1)
    pause_destination(destination=destination, actor=ADMIN)

    assert follow(destination) == "The destination is paused or gone."
    assert base.requests() == []
    resume_destination(destination=destination, actor=ADMIN)
    follow(destination)
    assert len(base.rows("Companies")) == 1


def test_a_slice_at_work_ends_when_it_is_paused_or_the_feed_is_begun_again(
    base, records, destination, route
):
    made = route("company", mapping=[{"column": "Name", "from": "name"}])
    for number in range(1, 4):
        records.company(number)
    changes = {"mapping": [{"column": "Title", "from": "name"}]}

    class Meanwhile(Event):
        """Somebody changes the route after the first request, as the slice looks up."""

        def is_set(self) -> bool:
            if made.mapping != changes["mapping"]:
                made.mapping = changes["mapping"]
                change_route(route=made, changes=changes, actor=ADMIN)
            return False

    said = follow(destination, watch=LeaseWatch(stop=Meanwhile()))

    assert said.startswith("Goes on")
    assert (destination.checkpoint, destination.generation) == (0, 3)
    assert wait_of(destination) <= timedelta(0)
    follow(destination)
    assert {row["Title"] for row in base.rows("Companies").values()} == {
        "Firm 1",
        "Firm 2",
        "Firm 3",
    }


def test_everything_is_written_again_when_asked_for_without_a_second_row(
    base, records, destination, route
):
    route("company")
    records.company(1)
    follow(destination)
    head = {"Authorization": f"Bearer {base.token}"}
    row = base.rows("Companies")[key(records, "companies", "c1")]
    api = base.sandbox.addresses()["https://api.airtable.com"] + f"/v0/{base.id}/Companies"
    base.http.patch(f"{api}/{row['id']}", json={"fields": {"Name": "Typed over"}}, headers=head)

    rewrite_destination(destination=destination, actor=ADMIN)
    follow(destination)

    assert [row["Name"] for row in base.rows("Companies").values()] == ["Firm 1"]


def test_a_new_route_brings_what_was_stored_before_it(base, records, destination, route):
    records.company(1)
    route("person")
    follow(destination)

    route("company")
    follow(destination)

    assert len(base.rows("Companies")) == 1


def forget_pauses() -> None:
    """Half a minute has passed."""
    with SHARED.transaction() as cursor:
        cursor.execute("DELETE FROM public.fleet_ratebudget")


def _table(base, name: str, *fields) -> None:
    """Somebody makes a table there."""
    head = {"Authorization": f"Bearer {base.token}"}
    meta = base.sandbox.addresses()["https://api.airtable.com"] + f"/v0/meta/bases/{base.id}/tables"
    made = base.http.post(meta, json={"name": name, "fields": list(fields)}, headers=head)
    assert made.status_code == 200, made.text


def _number_field(base, destination, route, records) -> None:
    """Companies with a number field that somebody made there, and a route that fills it."""
    name = {"name": "Name", "type": "singleLineText"}
    _table(base, "Companies", name, {"name": "Size", "type": "number", "options": {"precision": 0}})
    mapping = [{"column": "Name", "from": "name"}, {"column": "Size", "from": "raw.size"}]
    route("company", mapping=mapping)


@pytest.mark.parametrize("is_adopted", [False, True])
def test_a_row_that_somebody_deleted_by_hand_comes_back_as_soon_as_it_is_linked_to(
    base, records, destination, route, is_adopted
):
    if is_adopted:  # then values are converted there, and an unknown id could become a title
        _table(base, "People", {"name": "Name", "type": "multilineText"})
    mapping = [{"column": "Name", "from": "name"}, {"column": "At", "from": "company"}]
    route("person", mapping=mapping)
    route("company")
    records.company(1)
    records.person(1, company=1)
    follow(destination)
    firm = base.rows("Companies")[key(records, "companies", "c1")]
    base.control("delete", entity="rows", ids=[firm["id"]])
    records.person(2, company=1)

    follow(destination)

    assert list(base.rows("Companies")) == [key(records, "companies", "c1")]
    back = base.rows("Companies")[key(records, "companies", "c1")]
    assert {tuple(row["At"]) for row in base.rows("People").values()} == {(back["id"],)}
    totals = last_run(destination).totals
    assert totals["read"] == totals["created"] + totals["updated"] == 1
