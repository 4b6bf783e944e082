"""/api/v1/destinations/ and what lies below it."""

import pytest

from hub.fleet.models import Due
from integrations.models import Destination, DestinationRun, ExternalId, Route
from integrations.services.destinations import create_destination
from tenants.actor import Actor
from tenants.roles import Role
from tests.api.caller import Caller, with_key
from tests.api.rows import connected, linked, stored

pytestmark = pytest.mark.django_db

NEW = {
    "type": "airtable",
    "name": "Ops base",
    "settings": {"base_id": "appOps1"},
    "secrets": {"key": "patSecret.1"},
}


@pytest.fixture
def admin(acme) -> Caller:
    return with_key(acme, Role.ADMIN)


@pytest.fixture
def destination(acme) -> Destination:
    return create_destination(**NEW, actor=Actor.system("tests"))


def test_a_destination_is_added_and_its_secret_is_never_shown(admin, viewer):
    response = admin.post("destinations/", NEW)

    made = response.json()
    assert response.status_code == 201
    assert response["Location"] == f"/api/v1/destinations/{made['id']}/"
    assert (made["status"], made["settings"]) == ("active", {"base_id": "appOps1"})
    assert (made["behind"], made["last_run"]) == ({"changes": 0, "seconds": 0}, None)
    for page in (response, viewer.get("destinations/"), viewer.get(f"destinations/{made['id']}/")):
        assert "patSecret" not in page.content.decode()
    assert Due.objects.get(object_id=made["id"]).kind == "destination"


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ({"type": "unicorn"}, 404, None),
        ({"settings": {"base_id": "nope"}}, 422, "base_id"),
        ({"secrets": {}}, 422, "key"),
        ({"connection": "0198c1b2-0000-7000-8000-000000000000"}, 422, "connection"),
        ({"name": ""}, 422, "name"),
    ],
)
def test_what_cannot_be_used_is_named(admin, changed, status, field):
    response = admin.post("destinations/", {**NEW, **changed})

    assert response.status_code == status
    assert not Destination.objects.exists()
    if field:
        assert set(response.json()["errors"]) == {field}


def test_how_far_it_is_behind_and_what_it_did_last_can_be_read(viewer, destination):
    stored(connected(), "1")
    counts = {"read": 3, "created": 2, "rejected": 1}
    DestinationRun.objects.create(destination=destination, state="succeeded", counts=counts)

    shown = viewer.get(f"destinations/{destination.pk}/").json()

    assert shown["behind"]["changes"] == 1
    assert shown["last_run"]["counts"]["created"] == 2
    assert shown["last_run"]["counts"]["dropped"] == 0
    assert viewer.get(f"destinations/{destination.pk}/runs/").json()["results"] == [
        shown["last_run"]
    ]


def test_refused_rows_come_with_their_reason(viewer, destination, api):
    route = api.post(f"destinations/{destination.pk}/routes/", {"record_type": "company"}).json()
    record = stored(connected(), "1")
    common = {
        "destination": destination,
        "route_id": route["id"],
        "content_hash": b"",
        "run_id": destination.pk,
        "change_seq": 1,
        "written_at": record.changed_at,
    }
    ExternalId.objects.create(record_id=record.pk, key="k1", rejected_reason="Too long.", **common)
    ExternalId.objects.create(record_id=0, key="k2", external_id="rec2", **common)

    (refused,) = viewer.get(f"destinations/{destination.pk}/rejected/").json()["results"]

    assert (refused["record"], refused["reason"]) == (record.pk, "Too long.")


def test_pausing_resuming_and_renaming(api, admin, destination):
    path = f"destinations/{destination.pk}/"

    assert api.post(f"{path}pause/").json()["status"] == "paused"
    assert api.post(f"{path}rewrite/").status_code == 409
    assert api.post(f"{path}resume/").json()["status"] == "active"
    assert admin.patch(path, {"name": "Ops"}).json()["name"] == "Ops"
    assert admin.call("DELETE", path).status_code == 204
    assert not Destination.objects.exists()


def test_a_route_is_previewed_added_changed_and_removed(api, viewer, destination):
    connection = connected()
    company = stored(connection, "1")
    person = stored(
        connection,
        "2",
        entity_type="people",
        record_type="person",
        data={"name": "Ida", "company": {"entity_type": "companies", "source_id": "1"}},
    )
    linked(person, "company", company)
    body = {
        "connection": str(connection.pk),
        "entity_type": "people",
        "mapping": [{"column": "Who", "from": "name"}, {"column": "Firm", "from": "company"}],
    }
    routes = f"destinations/{destination.pk}/routes/"

    seen = viewer.post(f"{routes}preview/", body).json()
    made = api.post(routes, body)

    assert seen["table"] == "People"
    assert seen["rows"][0]["cells"] == {"Who": "Ida", "Firm": "→ Company 1"}
    assert made.status_code == 201
    path = made["Location"]
    assert made.json()["mapping"] == body["mapping"]
    assert viewer.get(f"{path}preview/").json() == seen
    changed = api.patch(path, {"filter": [{"field": "name", "op": "is", "value": "Jo"}]})
    assert changed.status_code == 200
    assert viewer.get(f"{path}preview/").json()["rows"][0]["verdict"] == "dropped"
    assert viewer.get(f"{routes}?record_type=company").json()["results"] == []
    assert api.call("DELETE", path).status_code == 204
    assert not Route.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "record_type"),
        ({"record_type": "person", "mapping": [{"column": "A", "from": "nmae"}]}, "mapping"),
        ({"record_type": "person", "mapping": {"A": "name"}}, "mapping"),
        ({"record_type": "person", "filter": "name"}, "filter"),
        ({"record_type": "deal", "filter": [{"field": "amount", "value": "x"}]}, "filter"),
        ({"record_type": "person", "connection": "7"}, "connection"),
    ],
)
def test_a_route_that_cannot_be_is_refused_with_a_sentence(api, destination, body, field):
    for path in ("", "preview/"):
        response = api.post(f"destinations/{destination.pk}/routes/{path}", body)

        assert response.status_code == 422, response.content
        assert set(response.json()["errors"]) == {field}
    assert not Route.objects.exists()
