"""What people do with connections and runs, and what is refused to whom."""

import pytest
from django.conf import settings

from hub.audit.models import AuditEvent
from hub.fleet.models import RunHour
from integrations.models import Connection, SyncRun
from tenants.context import in_tenant
from tenants.models import Membership
from tests.admin.conftest import make_due, make_rejected, make_status, signed_in
from tests.factories import ConnectionFactory, SyncRunFactory, UserFactory

pytestmark = pytest.mark.django_db

CONNECTIONS = "/t/acme/admin/integrations/connection/"
RUNS = "/t/acme/admin/integrations/syncrun/"
FLEET = "/admin/fleet/connectionstatus/"
ACTIONS = ("sync_now", "full_sync", "pause", "resume", "disconnect")


@pytest.fixture
def connection(acme) -> Connection:
    connection = ConnectionFactory(name="Nordlicht")
    make_due(acme, connection)
    return connection


def post(client, page, action, rows, **more):
    selected = [str(row.pk) for row in rows]
    return client.post(page, {"action": action, "_selected_action": selected, **more}, follow=True)


def test_sync_now_makes_a_run_due(acme_operator, connection):
    answer = post(acme_operator, CONNECTIONS, "sync_now", [connection])

    run = SyncRun.objects.get()
    assert (run.state, run.trigger, run.mode) == ("queued", "manual", "incremental")
    assert "1 due now" in answer.content.decode()


def test_the_button_on_the_first_page_makes_a_run_due_and_comes_back(acme_operator, connection):
    address = f"{CONNECTIONS}{connection.pk}/act/"

    answer = acme_operator.post(address, {"action": "sync_now", "back": "index"}, follow=True)

    assert answer.redirect_chain == [("/t/acme/admin/", 302)]
    assert str(SyncRun.objects.get().pk) in answer.content.decode()


def test_a_full_sync_and_a_pause_ask_first(acme_operator, connection):
    for action in ("full_sync", "pause"):
        asked = post(acme_operator, CONNECTIONS, action, [connection])
        assert "No, take me back" in asked.content.decode()

    assert not SyncRun.objects.exists()
    connection.refresh_from_db()
    assert connection.status == "active"


def test_a_confirmed_full_sync_reads_everything(acme_operator, connection):
    post(acme_operator, CONNECTIONS, "full_sync", [connection], confirmed="yes")

    assert SyncRun.objects.get().mode == "full"


def test_a_full_sync_is_not_said_to_be_due_while_another_run_is_open(acme_operator, connection):
    post(acme_operator, CONNECTIONS, "sync_now", [connection])

    answer = post(acme_operator, CONNECTIONS, "full_sync", [connection], confirmed="yes")

    assert "when that run has ended" in answer.content.decode()
    assert SyncRun.objects.get().mode == "incremental"


def test_pausing_and_resuming(acme_operator, connection):
    post(acme_operator, CONNECTIONS, "pause", [connection], confirmed="yes")
    connection.refresh_from_db()
    assert connection.status == "paused"

    post(acme_operator, CONNECTIONS, "resume", [connection])
    connection.refresh_from_db()
    assert connection.status == "active"


def test_a_refusal_of_the_service_is_shown_as_its_sentence(acme_operator, acme):
    connection = ConnectionFactory(name="Nordlicht", paused=True)
    make_due(acme, connection)

    answer = post(acme_operator, CONNECTIONS, "sync_now", [connection])

    assert "Nordlicht is paused; it cannot sync now." in answer.content.decode()


def test_cancelling_asks_first_and_then_ends_the_run(acme_operator, connection):
    post(acme_operator, CONNECTIONS, "sync_now", [connection])
    run = SyncRun.objects.get()
    address = f"{RUNS}{run.pk}/act/"

    asked = acme_operator.post(address, {"action": "cancel"})
    assert "stop at the next batch" in asked.content.decode()
    acme_operator.post(address, {"action": "cancel", "confirmed": "yes"})

    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_run_that_ends_is_counted_in_its_hour_once(acme_operator, acme, connection):
    post(acme_operator, CONNECTIONS, "sync_now", [connection])
    run = SyncRun.objects.get()
    assert not RunHour.objects.exists()

    for _ in range(2):
        post(acme_operator, RUNS, "cancel", [run], confirmed="yes")

    counted = RunHour.objects.get()
    assert (counted.tenant, counted.provider) == (acme, "copper")
    assert (counted.succeeded, counted.failed, counted.cancelled) == (0, 0, 1)


def test_replaying_says_what_came_of_it(acme_operator, connection):
    rejected = make_rejected(connection, raw=b'{"id": 7, "name": "Jo Hansen"}', source_id="7")

    answer = post(acme_operator, "/t/acme/admin/integrations/rejectedrecord/", "replay", [rejected])

    assert "People 7: Stored as a record." in answer.content.decode()
    rejected.refresh_from_db()
    assert rejected.resolved_at is not None


def test_renaming_goes_through_the_service(acme_operator, connection):
    page = f"{CONNECTIONS}{connection.pk}/change/"

    acme_operator.post(page, {"name": "Books", "interval_seconds": 3600})

    connection.refresh_from_db()
    assert connection.name == "Books"
    assert AuditEvent.objects.filter(action="connection.changed").count() == 1


def test_an_interval_that_is_not_offered_is_refused_and_not_saved(acme_operator, connection):
    page = f"{CONNECTIONS}{connection.pk}/change/"

    answer = acme_operator.post(page, {"name": connection.name, "interval_seconds": 1}, follow=True)

    assert "Select a valid choice" in answer.content.decode()
    connection.refresh_from_db()
    assert connection.interval_seconds == 3600


def test_connect_opens_a_session_and_goes_to_its_page(acme_operator):
    answer = acme_operator.post(f"{CONNECTIONS}connect/")

    assert answer.status_code == 302
    assert answer["Location"].startswith(f"{settings.HUB_PUBLIC_URL}/connect/")
    assert acme_operator.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize("action", ACTIONS)
def test_a_viewer_is_offered_no_action_and_is_refused_when_posting_one(viewer, connection, action):
    pages = viewer.get(CONNECTIONS), viewer.get(f"{CONNECTIONS}{connection.pk}/change/")
    assert all(f'value="{action}"' not in page.content.decode() for page in pages)

    from_list = post(viewer, CONNECTIONS, action, [connection], confirmed="yes")
    from_page = viewer.post(f"{CONNECTIONS}{connection.pk}/act/", {"action": action})

    assert (from_list.status_code, from_page.status_code) == (403, 403)
    assert not SyncRun.objects.exists()
    refused = AuditEvent.objects.filter(action="access.refused", outcome="refused")
    assert refused.count() == 2
    assert refused[0].detail == {"asked_for": f"connection.{action}"}


def test_a_viewer_cannot_connect_rename_cancel_or_replay(viewer, connection):
    run = SyncRunFactory(connection=connection, running=True)
    rejected = make_rejected(connection)
    refused = [
        viewer.post(f"{CONNECTIONS}connect/"),
        viewer.post(f"{CONNECTIONS}{connection.pk}/change/", {"name": "x"}),
        viewer.post(f"{RUNS}{run.pk}/act/", {"action": "cancel", "confirmed": "yes"}),
        viewer.post(
            f"/t/acme/admin/integrations/rejectedrecord/{rejected.pk}/act/", {"action": "replay"}
        ),
    ]

    assert [answer.status_code for answer in refused] == [403, 403, 403, 403]


def test_an_operator_sees_neither_members_nor_keys(acme_operator):
    for model in ("membership", "apikey"):
        assert acme_operator.get(f"/t/acme/admin/tenants/{model}/").status_code == 403


@pytest.mark.public
def test_operations_sync_connections_of_several_tenants_at_once(ops, acme, globex):
    statuses = []
    for tenant in (acme, globex):
        with in_tenant(tenant):
            connection = ConnectionFactory()
            make_due(tenant, connection)
            statuses.append(make_status(tenant, connection))

    answer = post(ops, FLEET, "sync_now", statuses)

    assert "2 due now" in answer.content.decode()
    for tenant in (acme, globex):
        with in_tenant(tenant):
            assert SyncRun.objects.get().state == "queued"
    event = AuditEvent.objects.filter(action="sync.requested", tenant_id=globex.pk).get()
    assert event.actor_label == "ops@example.com"


@pytest.mark.public
def test_staff_without_the_permission_see_the_fleet_and_change_nothing(acme):
    from django.contrib.auth.models import Permission

    user = UserFactory(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_connectionstatus"))
    with in_tenant(acme):
        connection = ConnectionFactory()
        make_due(acme, connection)
        status = make_status(acme, connection)
    client = signed_in(user)

    assert client.get(FLEET).status_code == 200
    assert post(client, FLEET, "sync_now", [status]).status_code == 403
    with in_tenant(acme):
        assert not SyncRun.objects.exists()


@pytest.mark.public
def test_a_member_who_is_not_staff_does_not_enter_operations(acme_admin):
    answer = acme_admin.get(FLEET)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
    assert Membership.objects.count() == 1
