"""Disconnect and reconnect in the admin: what is asked, what is done, what is shown of it."""

import re

import pytest
from django.conf import settings

from hub.audit.models import AuditEvent
from hub.connect.models import ConnectSession
from hub.fleet.models import Due
from integrations.models import Connection, Disconnection
from tenants.context import in_tenant
from tests.admin.conftest import make_due, make_status
from tests.admin.test_actions import CONNECTIONS, FLEET, post
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(acme) -> Connection:
    connection = ConnectionFactory(name="Nordlicht")
    make_due(acme, connection)
    return connection


def page_of(client, connection) -> str:
    return client.get(f"{CONNECTIONS}{connection.pk}/change/").content.decode()


def test_disconnecting_asks_whether_records_stay(acme_admin, connection):
    asked = post(acme_admin, CONNECTIONS, "disconnect", [connection]).content.decode()

    assert re.findall(r'name="option" value="(\w+)"', asked) == ["keep", "purge"]
    assert "No, take me back" in asked
    connection.refresh_from_db()
    assert connection.status == "active"


@pytest.mark.parametrize("more", [{}, {"option": "x"}])
def test_without_a_choice_nothing_is_done(acme_admin, connection, more):
    answer = post(acme_admin, CONNECTIONS, "disconnect", [connection], confirmed="yes", **more)

    assert "Nothing was chosen" in answer.content.decode()
    connection.refresh_from_db()
    assert connection.status == "active"


@pytest.mark.parametrize(("option", "keeps"), [("keep", True), ("purge", False)])
def test_a_confirmed_disconnect_is_under_way(acme_admin, connection, option, keeps):
    answer = post(
        acme_admin, CONNECTIONS, "disconnect", [connection], confirmed="yes", option=option
    )

    connection.refresh_from_db()
    assert connection.status == "disconnecting"
    assert Disconnection.objects.get().keep_records is keeps
    assert [due.kind for due in Due.objects.all()] == ["disconnect"]
    assert "1 disconnecting" in answer.content.decode()


def test_the_page_shows_how_each_step_went_and_what_is_left_to_do(acme_admin, connection):
    asked = Disconnection(connection=connection, keep_records=True)
    sentence = "At Copper, the key is deleted by hand under System settings."
    asked.note("revoke", Disconnection.Outcome.NOT_POSSIBLE, sentence)
    asked.save()
    Connection.objects.update(status="disconnected", error=sentence)

    shown = page_of(acme_admin, connection)

    assert "<h2>Disconnect</h2>" in shown
    assert "Not possible" in shown
    assert sentence in shown
    assert 'value="disconnect"' not in shown
    assert "<h2>Disconnect</h2>" not in page_of(acme_admin, ConnectionFactory())


def test_an_operator_is_not_offered_to_disconnect_and_is_refused(acme_operator, connection):
    assert 'value="disconnect"' not in page_of(acme_operator, connection)

    answer = post(
        acme_operator, CONNECTIONS, "disconnect", [connection], confirmed="yes", option="purge"
    )

    assert answer.status_code == 403
    connection.refresh_from_db()
    assert connection.status == "active"


@pytest.mark.public
def test_operations_disconnect_a_tenants_connection(ops, acme):
    with in_tenant(acme):
        connection = ConnectionFactory()
        make_due(acme, connection)
        status = make_status(acme, connection)

    post(ops, FLEET, "disconnect", [status], confirmed="yes", option="keep")

    with in_tenant(acme):
        connection.refresh_from_db()
        assert connection.status == "disconnecting"
    event = AuditEvent.objects.get(action="connection.disconnecting")
    assert (event.tenant_id, event.actor_label) == (acme.pk, "ops@example.com")


@pytest.mark.parametrize(
    ("fields", "is_offered"),
    [
        ({"status": "needs_reauth"}, True),
        ({"status": "broken"}, True),
        ({"status": "limited", "error_code": "scopes_missing"}, True),
        ({"status": "active"}, False),
        ({"status": "disconnected"}, False),
    ],
)
def test_reconnecting_is_offered_where_it_helps(acme_operator, viewer, fields, is_offered):
    connection = ConnectionFactory(**fields)

    assert ("Copy reconnect link" in page_of(acme_operator, connection)) is is_offered
    assert "Copy reconnect link" not in page_of(viewer, connection)


def test_a_reconnect_link_is_shown_once_and_is_for_that_connection(acme_operator):
    connection = ConnectionFactory(revoked=True)

    answer = acme_operator.post(f"{CONNECTIONS}connect/", {"id": connection.pk, "copy": "yes"})

    shown = answer.content.decode()
    found = re.search(rf'value="({settings.HUB_PUBLIC_URL}/connect/[^"]+/)"', shown)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert found is not None
    assert acme_operator.get(found[1].removeprefix(settings.HUB_PUBLIC_URL)).status_code == 200
    assert ConnectSession.objects.get().connection_id == connection.pk


def test_a_connect_link_is_for_any_provider(acme_operator):
    assert "Copy connect link" in acme_operator.get(CONNECTIONS).content.decode()

    answer = acme_operator.post(f"{CONNECTIONS}connect/", {"copy": "yes"})

    assert f"{settings.HUB_PUBLIC_URL}/connect/" in answer.content.decode()
    session = ConnectSession.objects.get()
    assert (session.connection_id, session.providers) == (None, [])


def test_a_viewer_copies_no_link(viewer):
    assert viewer.post(f"{CONNECTIONS}connect/", {"copy": "yes"}).status_code == 403
    assert not ConnectSession.objects.exists()
