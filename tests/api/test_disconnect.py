"""POST /api/v1/connections/{id}/disconnect/."""

import pytest

from hub.fleet.models import Due
from integrations.models import Connection, Disconnection
from tenants.context import in_tenant
from tenants.roles import Role
from tests.api.caller import Caller, with_key
from tests.api.rows import connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(acme) -> Caller:
    return with_key(acme, Role.ADMIN)


def test_a_connection_is_disconnecting_when_the_answer_comes(admin):
    connection = connected()

    response = admin.post(f"connections/{connection.pk}/disconnect/", {"keep_records": True})

    said = response.json()
    assert response.status_code == 202
    assert said["connection"] == str(connection.pk)
    assert (said["keep_records"], said["ended_at"]) == (True, None)
    assert [(step["name"], step["outcome"]) for step in said["steps"]] == [("stop", "done")]
    assert admin.get(f"connections/{connection.pk}/").json()["status"] == "disconnecting"
    assert Due.objects.get().kind == "disconnect"


def test_whether_records_stay_must_be_said(admin):
    connection = connected()

    response = admin.post(f"connections/{connection.pk}/disconnect/", {})

    assert response.status_code == 422
    assert set(response.json()["errors"]) == {"keep_records"}
    connection.refresh_from_db()
    assert connection.status == "active"


def test_asking_again_says_how_far_it_is_also_after_the_end(admin):
    connection = connected()
    path = f"connections/{connection.pk}/disconnect/"
    first = admin.post(path, {"keep_records": True}).json()
    Connection.objects.update(status="disconnected")
    Disconnection.objects.update(ended_at="2026-03-02T10:00:00Z")

    again = admin.post(path, {"keep_records": False})

    assert again.status_code == 202
    assert again.json() == {**first, "ended_at": "2026-03-02T10:00:00Z"}
    assert admin.get(f"connections/{connection.pk}/").status_code == 404


def test_why_a_provider_could_not_be_asked_is_not_said(admin):
    connection = connected()
    asked = Disconnection(connection=connection, keep_records=True)
    asked.note("revoke", Disconnection.Outcome.FAILED, "Check client id and secret of the app.")
    asked.save()
    Connection.objects.update(status="disconnecting")

    said = admin.post(f"connections/{connection.pk}/disconnect/", {"keep_records": True}).json()

    revoke = next(step for step in said["steps"] if step["name"] == "revoke")
    assert revoke["outcome"] == "failed"
    assert "client id" not in revoke["sentence"]
    assert "by hand" in revoke["sentence"]


def test_an_operator_may_not(api):
    connection = connected()

    response = api.post(f"connections/{connection.pk}/disconnect/", {"keep_records": True})

    assert (response.status_code, response.json()["code"]) == (403, "permission_refused")
    connection.refresh_from_db()
    assert connection.status == "active"


def test_another_tenants_connection_goes_on(admin, globex):
    with in_tenant(globex):
        theirs = connected()

    response = admin.post(f"connections/{theirs.pk}/disconnect/", {"keep_records": False})

    assert response.status_code == 404
    with in_tenant(globex):
        theirs.refresh_from_db()
        assert theirs.status == "active"
