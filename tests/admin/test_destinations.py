"""Destinations and routes in the tenant's admin, and at operations."""

import pytest
from django.test import Client
from django.urls import reverse

from hub.fleet.models import DestinationStatus
from integrations.admin.route_text import filter_from, filter_text, mapping_from, mapping_text
from integrations.errors import InvalidInputError
from integrations.models import Destination, DestinationRun, ExternalId, Route
from tenants.context import in_tenant
from tests.admin.conftest import make_destination, make_record, make_route
from tests.factories import ConnectionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]

MAPPING = 'Name = name\nMail to = emails.0 as email\nOrigin = "CRM"\nRank = 3'
FILTER = 'name is_not Jo\nrole one_of ["vendor", "customer"]\ndomain not_empty\nname is a b'


def address(model: str, page: str, *args: object) -> str:
    name = f"admin:integrations_{model}_{page}"
    return "/t/acme" + reverse(name, urlconf="hub.urls_tenant", args=args)


@pytest.fixture
def destination(acme) -> Destination:
    with in_tenant(acme):
        return make_destination()


def typed(destination, **changed) -> dict[str, str]:
    return {
        "destination": str(destination.pk),
        "record_type": "company",
        "is_active": "on",
        "mapping": "Name = name\nCity = address.city",
        **changed,
    }


def test_an_admin_adds_a_destination_and_its_access_is_on_no_page(acme, acme_admin: Client):
    page = address("destination", "add")
    assert "Personal access token" in acme_admin.get(page).content.decode()

    answer = acme_admin.post(
        page,
        {"type": "airtable", "name": "Ops", "base_id": "appOps1", "key": "patOps.verysecret"},
        follow=True,
    )

    with in_tenant(acme):
        made = Destination.objects.get()
    assert "Ops is added" in answer.content.decode()
    for seen in (answer, acme_admin.get(address("destination", "change", made.pk))):
        assert "verysecret" not in seen.content.decode()


def test_what_cannot_be_used_stands_at_its_field(acme_admin: Client):
    answer = acme_admin.post(
        address("destination", "add"), {"type": "airtable", "name": "Ops", "base_id": "tbl1"}
    )

    assert "Base id does not look right; check it." in answer.content.decode()


def test_a_route_is_seen_before_it_is_saved(acme, destination, acme_operator: Client):
    with in_tenant(acme):
        make_record(ConnectionFactory())
    page = address("route", "add")

    seen = acme_operator.post(page, typed(destination, preview="Preview")).content.decode()

    assert "Company 1" in seen and "Ulm" in seen and "Written" in seen
    with in_tenant(acme):
        assert not Route.objects.exists()
    answer = acme_operator.post(page, typed(destination, save="Save"), follow=True)
    assert "is saved" in answer.content.decode()
    with in_tenant(acme):
        route = Route.objects.get()
    assert route.mapping == [
        {"column": "Name", "from": "name"},
        {"column": "City", "from": "address.city"},
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mapping": "Name: name"}, "Line 1 should read: Column = field."),
        ({"mapping": "Name = nmae"}, "did you mean"),
        ({"filter": "name won"}, "Line 1 should read: field, one of"),
        ({"filter": "name at_least 3"}, "no number, date or time"),
        ({"record_type": "unicorn"}, "Select a valid choice"),
    ],
)
@pytest.mark.parametrize("button", ["preview", "save"])
def test_a_route_that_cannot_be_is_told_at_its_field(
    acme, destination, acme_operator: Client, changed, said, button
):
    answer = acme_operator.post(
        address("route", "add"), typed(destination, **changed, **{button: "x"})
    )

    assert said in answer.content.decode()
    with in_tenant(acme):
        assert not Route.objects.exists()


def test_a_viewer_looks_at_a_route_and_changes_nothing(acme, destination, viewer: Client):
    with in_tenant(acme):
        route = make_route(destination)
        make_record(ConnectionFactory())
    page = address("route", "change", route.pk)

    assert "Company 1" in viewer.get(page).content.decode()
    assert viewer.post(page, typed(destination, save="Save")).status_code == 403
    assert viewer.get(address("route", "add")).status_code == 403


def test_a_destinations_page_shows_routes_runs_and_what_was_rejected(
    acme, destination, acme_admin: Client
):
    with in_tenant(acme):
        route = make_route(destination)
        record = make_record(ConnectionFactory())
        run = DestinationRun.objects.create(
            destination=destination, state="failed", error="The table is gone.", counts={"read": 7}
        )
        ExternalId.objects.create(
            destination=destination,
            route=route,
            record_id=record.pk,
            key="copper:1:companies:1",
            content_hash=b"",
            rejected_reason="Too long for the field.",
            run_id=run.pk,
            change_seq=1,
            written_at=record.changed_at,
        )

    page = acme_admin.get(address("destination", "change", destination.pk)).content.decode()

    for said in (str(route), "The table is gone.", "Too long for the field.", "1\xa0change"):
        assert said in page


def test_buttons_pause_resume_and_remove(acme, destination, acme_admin: Client):
    act = address("destination", "act", destination.pk)

    acme_admin.post(act, {"action": "pause"})
    with in_tenant(acme):
        assert Destination.objects.get().status == "paused"
    acme_admin.post(act, {"action": "look_again"})
    with in_tenant(acme):
        assert Destination.objects.get().status == "active"
    asked = acme_admin.post(act, {"action": "rewrite"}).content.decode()
    assert "none is made twice" in asked
    acme_admin.post(act, {"action": "rewrite", "confirmed": "yes", "option": "forget"})
    acme_admin.post(act, {"action": "remove", "confirmed": "yes"})
    with in_tenant(acme):
        assert not Destination.objects.exists()
    assert not DestinationStatus.objects.exists()


def test_an_access_that_was_withdrawn_is_replaced_on_a_page_of_its_own(
    acme, destination, acme_admin: Client, acme_operator: Client
):
    page = address("destination", "access", destination.pk)
    with in_tenant(acme):
        before = bytes(Destination.objects.get().credentials)

    assert acme_operator.get(page).status_code == 403
    assert "Enter Personal access token" in acme_admin.post(page, {"key": ""}).content.decode()
    answer = acme_admin.post(page, {"key": "patNew.other"}, follow=True)

    assert "a worker tries it now" in answer.content.decode()
    with in_tenant(acme):
        assert bytes(Destination.objects.get().credentials) != before


def test_operations_see_what_is_blocked_and_let_it_be_looked_at_again(destination, ops: Client):
    DestinationStatus.objects.update(status="blocked", error="The base was removed.", behind=12)
    name = "admin:fleet_destinationstatus"
    page = ops.get(reverse(f"{name}_changelist", urlconf="hub.urls")).content.decode()

    assert "The base was removed." in page and "12\xa0changes" in page
    act = reverse(f"{name}_act", urlconf="hub.urls", args=[destination.pk])
    answer = ops.post(act, {"action": "look_again"}, follow=True)
    assert "due now" in answer.content.decode()


def test_lines_say_what_the_data_says():
    mapping, conditions = mapping_from(MAPPING), filter_from(FILTER)

    assert mapping[1] == {"column": "Mail to", "from": "emails.0", "as": "email"}
    assert [entry.get("value") for entry in mapping[2:]] == ["CRM", 3]
    assert conditions[1]["value"] == ["vendor", "customer"]
    assert "value" not in conditions[2]
    assert mapping_text(mapping) == MAPPING
    assert filter_text(conditions) == FILTER


def test_a_text_that_looks_like_a_number_stays_a_text():
    conditions = [{"field": "number", "op": "is", "value": "0012"}]

    assert filter_from(filter_text(conditions)) == conditions
    with pytest.raises(InvalidInputError):
        mapping_from('A = "open')
