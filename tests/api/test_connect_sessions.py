"""POST /api/v1/connect-sessions/."""

from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from hub.connect.addresses import set_return_addresses
from hub.connect.models import ConnectSession
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.roles import Role
from tests.api.rows import connected

pytestmark = pytest.mark.django_db


def test_the_answer_holds_a_link_that_opens_and_says_how_long(api):
    response = api.post("connect-sessions/", {"providers": ["copper"], "end_user": "Ada"})

    made = response.json()
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    assert made["url"].startswith(f"{settings.HUB_PUBLIC_URL}/connect/")
    ends_in = datetime.fromisoformat(made["expires_at"]) - timezone.now()
    assert timedelta(minutes=29) < ends_in <= timedelta(minutes=30)
    page = Client().get(made["url"].removeprefix(settings.HUB_PUBLIC_URL))
    assert page.status_code == 200
    assert "Copper" in page.content.decode()
    session = ConnectSession.objects.get()
    assert (session.providers, session.end_user) == (["copper"], "Ada")
    assert session.actor_kind == "api_key"


def test_a_link_can_be_for_one_connection_alone(api):
    connection = connected(revoked=True)

    response = api.post("connect-sessions/", {"connection": str(connection.pk)})

    session = ConnectSession.objects.get()
    assert response.status_code == 201
    assert (session.connection_id, session.providers) == (connection.pk, ["copper"])


def test_a_link_leads_back_to_an_allowed_address_with_the_state_unchanged(api, acme):
    admin = Actor(kind="user", id="1", label="admin@example.com", role=Role.ADMIN)
    set_return_addresses(tenant=acme, addresses=["https://app.acme.example/hub"], actor=admin)
    body = {"return_url": "https://app.acme.example/hub/done?tab=all", "state": " order 66&x "}

    response = api.post("connect-sessions/", body)

    session = ConnectSession.objects.get()
    assert response.status_code == 201
    assert session.return_url == body["return_url"]
    assert session.return_state == body["state"]
    page = Client().get(response.json()["url"].removeprefix(settings.HUB_PUBLIC_URL))
    assert body["return_url"] in page.content.decode()


def test_the_body_may_be_left_out(api):
    assert api.post("connect-sessions/").status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"providers": ["unicorn"]}, "providers"),
        ({"return_url": "https://evil.example/"}, "return_url"),
        ({"return_url": "x" * 2001}, "return_url"),
        ({"state": "x" * 501}, "state"),
        ({"state": "a\nb"}, "state"),
        ({"end_user": "x" * 201}, "end_user"),
        ({"connection": "0198c1b2-0000-7000-8000-000000000000"}, "connection"),
        ({"connection": "7"}, "connection"),
        ({"is_mailed": True}, "end_user"),
    ],
)
def test_what_cannot_be_used_is_named(api, body, field):
    response = api.post("connect-sessions/", body)

    assert response.status_code == 422
    assert set(response.json()["errors"]) == {field}
    assert not ConnectSession.objects.exists()


@pytest.mark.parametrize("status", ["disconnecting", "disconnected"])
def test_what_is_disconnected_is_not_renewed(api, status):
    connection = connected(status=status)

    response = api.post("connect-sessions/", {"connection": str(connection.pk)})

    assert response.status_code == 422


def test_another_tenants_connection_is_as_unknown_as_one_that_never_was(api, globex):
    with in_tenant(globex):
        theirs = connected()

    refused = api.post("connect-sessions/", {"connection": str(theirs.pk)})
    unknown = api.post("connect-sessions/", {"connection": "0198c1b2-0000-7000-8000-000000000000"})

    assert refused.status_code == unknown.status_code == 422
    assert refused.json()["errors"] == unknown.json()["errors"]


def test_a_viewer_makes_no_link(viewer):
    assert viewer.post("connect-sessions/").status_code == 403
    assert not ConnectSession.objects.exists()
