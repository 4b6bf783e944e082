"""A destination that people pause, write again or give another route."""

from datetime import timedelta
from threading import Event
from uuid import uuid4

import pytest

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.models import Destination
from integrations.services.destinations import (
    pause_destination,
    resume_destination,
    rewrite_destination,
)
from integrations.services.routes import change_route
from integrations.sync.lease import LeaseWatch
from integrations.sync.settle_destination import nothing_to_do
from tests.destinations.conftest import ADMIN, follow, wait_of

pytestmark = pytest.mark.django_db


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
    row = base.rows("Companies")[records.key("companies", "c1")]
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


def test_a_row_that_goes_from_one_route_to_another_of_its_table_stays(
    base, records, destination, route
):
    for domain in ("old.example", "new.example"):
        only = [{"field": "domain", "op": "is", "value": domain}]
        route("company", name=domain, filter=only)
    firm = records.company(1, domain="old.example")
    follow(destination)
    records.company(1, domain="new.example")

    follow(destination)

    (row,) = base.rows("Companies").values()
    assert row["Domain"] == "new.example"
    records.delete(firm)
    follow(destination)
    assert base.rows("Companies") == {}


def test_a_slice_that_writes_to_a_table_of_before_leaves_nothing_out_of_the_next(
    base, records, destination, route
):
    made = route("company")
    for number in range(20):
        records.company(number)

    class Meanwhile(Event):
        """Somebody names another table after the first request, as the slice looks up."""

        def is_set(self) -> bool:
            if made.table == "Companies":
                made.table = "Firms"
                change_route(route=made, changes={"table": "Firms"}, actor=ADMIN)
            return False

    assert follow(destination, watch=LeaseWatch(stop=Meanwhile())).startswith("Goes on")
    follow(destination)

    assert len(base.rows("Firms")) == 20


def test_a_slice_that_saw_the_pause_does_not_undo_that_it_was_resumed(destination):
    pause_destination(destination=destination, actor=ADMIN)
    due = Due.objects.get(object_id=destination.pk)
    assert claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    due.refresh_from_db()
    seen = Destination.objects.get(pk=destination.pk)
    resume_destination(destination=destination, actor=ADMIN)

    nothing_to_do(due, seen)

    assert wait_of(destination) <= timedelta(0)
