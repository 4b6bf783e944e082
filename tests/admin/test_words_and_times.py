"""What people read on the pages: labels instead of slugs, one style of times, what to do next."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from hub.audit.event_admin import ABOUT
from hub.audit.models import AuditAction, AuditEvent, Outcome
from hub.audit.record import record_event
from hub.connect.provider_apps import set_provider_app
from hub.fleet.models import Due
from integrations.models import Connection, DestinationRun, Record, SyncRun
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tests.admin.conftest import COUNTS, make_destination, make_event, make_record, make_status
from tests.factories import ConnectionFactory, SyncRunFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]

HERE = "/t/acme/admin/integrations"
AUDIT = "/t/acme/admin/audit/auditevent/"


@pytest.fixture
def connection(acme: Tenant) -> Connection:
    with in_tenant(acme):
        made: Connection = ConnectionFactory(provider="teams", name="Harbour")
    return made


def test_filters_offer_what_occurs_by_its_label(acme, connection, viewer, ops):
    make_status(acme, connection)

    for page in (f"{HERE}/connection/", "/admin/fleet/connectionstatus/"):
        html = (viewer if page.startswith("/t/") else ops).get(page).content.decode()
        assert '<a href="?provider=teams">Microsoft Teams</a>' in html
        assert ">teams<" not in html
        assert "Salesforce" not in html
    assert "Microsoft Teams" in ops.get("/admin/").content.decode()


def test_a_filter_says_what_is_chosen_and_an_empty_answer_leads_back(connection, viewer):
    html = viewer.get(f"{HERE}/connection/?provider=slack").content.decode()

    assert "Provider: <strong>slack</strong>" not in html  # it does not occur, so it has no choice
    assert "Nothing matches" in html
    html = viewer.get(f"{HERE}/connection/?provider=teams").content.decode()
    assert "Provider: <strong>Microsoft Teams</strong>" in html
    for asked in ("connection/?status=nonsense", "syncrun/?id=no-such-id"):
        assert "Nothing matches" in viewer.get(f"{HERE}/{asked}", follow=True).content.decode()


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("connection", "Press Connect above"),
        ("syncrun", "The first one comes with the first connection"),
        ("route", "A destination writes what its routes say"),
        ("identitygroup", "No group waits for a decision"),
    ],
)
def test_an_empty_list_says_what_to_do_next(viewer, page, said):
    assert said in viewer.get(f"{HERE}/{page}/").content.decode()


def test_times_are_how_long_ago_in_lists_with_the_exact_one_beside_on_the_page(
    acme, connection, viewer
):
    with in_tenant(acme):
        began = timezone.now() - timedelta(minutes=5)
        run = SyncRunFactory(connection=connection, started_at=began, ended_at=began)
        SyncRun.objects.filter(pk=run.pk).update(created_at=began)

    listed = viewer.get(f"{HERE}/syncrun/").content.decode()
    shown = viewer.get(f"{HERE}/syncrun/{run.pk}/change/").content.decode()

    exact = f"{began:%Y-%m-%d %H:%M:%S} UTC"
    assert f'title="{exact}">5 min ago</time>' in listed
    assert f'5 min ago</time> <span class="quiet">{exact}</span>' in shown
    for html in (listed, shown):
        assert "a.m." not in html and "p.m." not in html


def test_no_page_of_the_tenant_writes_a_time_in_another_style(acme, connection, acme_admin: Client):
    with in_tenant(acme):
        now = datetime.now(UTC)
        connection.last_success_at = connection.access_expires_at = now
        connection.save()

    html = acme_admin.get(f"{HERE}/connection/{connection.pk}/change/").content.decode()

    assert "a.m." not in html and "p.m." not in html
    assert "every 1 h" in html
    assert ">3600<" not in html


def test_figures_of_an_open_run_are_marked_and_told_to_the_script(acme, connection, viewer):
    with in_tenant(acme):
        run = SyncRunFactory(
            connection=connection, state=SyncRun.State.RUNNING, ended_at=None, counts=COUNTS
        )

    html = viewer.get(f"{HERE}/syncrun/").content.decode()
    [told] = viewer.get(f"{HERE}/syncrun/progress/?run={run.pk}").json()["runs"]

    assert f'<span data-of="{run.pk}" data-figure="changed">115</span>' in html
    assert told["figures"] == {"read": "120", "changed": "115", "rejected": "2", "calls": "0"}


def test_a_destination_at_work_shows_how_far_it_is(acme, viewer, globex):
    with in_tenant(acme):
        destination = make_destination()
        run = DestinationRun.objects.create(
            destination=destination, counts={"read": 40, "created": 30, "dropped": 10}, calls=6
        )

    html = viewer.get(f"{HERE}/destination/{destination.pk}/change/").content.decode()
    [told] = viewer.get(f"{HERE}/destination/progress/?run={run.pk}").json()["runs"]

    assert "data-reload-when-done" in html
    assert f'<span data-of="{run.pk}" data-figure="created">30</span>' in html
    assert (told["text"], told["is_open"]) == ("40 of 40", True)
    assert (told["figures"]["calls"], told["figures"]["dropped"]) == ("6", "10")


def test_the_audit_log_is_narrowed_by_what_it_is_about_by_whom_and_by_words(acme, connection, ops):
    asked = make_event(acme, connection)  # a sync, by a person
    record_event(
        AuditAction.CREDENTIALS_REFRESHED,
        actor=Actor.system("engine"),
        target=connection,
        tenant_id=acme.pk,
    )
    renewed = AuditEvent.objects.latest("seq")

    def found(query: str) -> set[object]:
        listed = ops.get(f"/admin/audit/auditevent/?{query}").context["cl"].result_list
        return {event.pk for event in listed} & {asked.pk, renewed.pk}

    assert found("") == {asked.pk}
    assert found("routine=shown") == {asked.pk, renewed.pk}
    assert found("about=syncs") == {asked.pk}
    assert found("about=keys") == {renewed.pk}
    assert found("by=others") == {asked.pk}
    assert found("by=hub") == {renewed.pk}
    assert found("q=access+renewed") == {renewed.pk}
    assert found("action__exact=sync.requested") == {asked.pk}
    assert found("about=nothing") == set()


@pytest.mark.parametrize("page", ["/admin/audit/auditevent/", AUDIT])
def test_the_audit_log_says_what_it_leaves_out_and_shows_it_with_a_click(
    acme, acme_admin, connection, ops, page
):
    def read(outcome: Outcome = Outcome.SUCCEEDED) -> object:
        record_event(
            AuditAction.CREDENTIALS_READ,
            actor=Actor.system("engine"),
            outcome=outcome,
            target=connection,
            tenant_id=acme.pk,
        )
        return AuditEvent.objects.latest("seq").pk

    routine = read()
    in_vain = read(Outcome.FAILED)
    reader = ops if page.startswith("/admin/") else acme_admin
    left_out = "Left out: “Credentials read” and “Access renewed”"

    answer = reader.get(page)
    shown = {event.pk for event in answer.context["cl"].result_list}
    assert shown & {routine, in_vain} == {in_vain}
    assert left_out in answer.content.decode()

    [way] = re.findall(r'href="(\?[^"]*routine=shown[^"]*)">Show them too', answer.content.decode())
    answer = reader.get(page + unescape(way))
    assert routine in {event.pk for event in answer.context["cl"].result_list}
    assert left_out not in answer.content.decode()


def test_every_action_belongs_to_something_one_can_look_for():
    objects = {name for _, names in ABOUT.values() for name in names}

    assert {action.partition(".")[0] for action in AuditAction} <= objects


def test_operations_see_how_long_ago_connections_were_read(acme, ops):
    now = timezone.now()
    for hours in (0, 0, 3, 40):
        with in_tenant(acme):
            made = ConnectionFactory()
        make_status(acme, made, last_success_at=now - timedelta(hours=hours))
    with in_tenant(acme):
        make_status(acme, ConnectionFactory(), status="paused")

    bars = {bar.label: (bar.shown, bar.tone) for bar in ops.get("/admin/").context["freshness"]}

    assert bars["within an hour"] == ("2", "good")
    assert bars["within 6 hours"] == ("1", "good")
    assert bars["longer ago"] == ("1", "bad")
    assert bars["not yet"] == ("0", "warning")


def test_a_record_leads_to_the_run_that_changed_it_while_that_is_kept(acme, connection, viewer):
    with in_tenant(acme):
        run = SyncRunFactory(connection=connection)
        kept = make_record(connection, 1, run_id=run.pk)
        forgotten = make_record(connection, 2)

    def page(record: Record) -> str:
        return viewer.get(f"{HERE}/record/{record.pk}/change/").content.decode()

    assert f"/syncrun/{run.pk}/change/" in page(kept)
    assert f"/syncrun/{forgotten.run_id}/change/" not in page(forgotten)
    assert str(forgotten.run_id) in page(forgotten)


def test_the_gateway_is_called_by_its_label_in_the_filter_of_provider_apps(ops):
    for provider in ("composio", "teams"):
        set_provider_app(
            provider=provider, client_id="hub", client_secret="k", actor=Actor.system("tests")
        )

    html = ops.get("/admin/connect/providerapp/").content.decode()

    assert '<a href="?provider=composio">Composio</a>' in html
    assert ">composio<" not in html


def test_the_page_of_an_audit_event_leads_to_its_object_and_shows_no_json(
    acme, connection, acme_admin
):
    event = make_event(acme, connection, mode="full", **{"why <b>": "asked"})

    html = acme_admin.get(f"/t/acme/admin/audit/auditevent/{event.pk}/change/").content.decode()

    assert f'<a href="{HERE}/connection/{connection.pk}/change/">Harbour</a>' in html
    assert "why &lt;b&gt;</td>" in html
    assert ">full</td>" in html
    assert "{" not in html.partition("Detail")[2].partition("</table>")[0]


def test_the_audit_log_names_the_kind_of_an_object_as_people_do(acme, ops):
    app = set_provider_app(
        provider="copper", client_id="id", client_secret="s", actor=Actor.system("tests")
    )
    make_event(None, app)

    html = ops.get("/admin/audit/auditevent/").content.decode()

    assert ">provider app</div>" in html
    assert "providerapp<" not in html


def test_entity_types_stand_in_the_order_in_which_the_provider_is_read(acme, connection, viewer):
    lines = dict.fromkeys(("messages", "gone", "channels", "teams"), COUNTS["companies"])
    with in_tenant(acme):
        run = SyncRunFactory(connection=connection, counts=lines)

    html = viewer.get(f"{HERE}/syncrun/{run.pk}/change/").content.decode()

    places = [html.index(f">{name}</td>") for name in ("teams", "channels", "messages", "gone")]
    assert places == sorted(places)


def test_a_connection_that_nobody_named_is_not_said_twice(acme, connection, viewer):
    with in_tenant(acme):
        ConnectionFactory(provider="teams", account_label="Acme", name="Microsoft Teams · Acme")

    html = viewer.get(f"{HERE}/connection/").content.decode()

    assert html.count("Microsoft Teams · Acme") == 1
    assert '<div class="mini quiet">Microsoft Teams · ' in html  # of the one that has a name


def test_the_address_of_the_hub_alone_leads_to_operations(client):
    assert client.get("/").headers["Location"] == "/admin/"


def test_due_work_leads_to_its_connection_and_speaks_no_slugs(acme, connection, ops):
    make_status(acme, connection)
    due = Due.objects.create(
        kind=Due.Kind.SYNC, tenant=acme, object_id=connection.pk, provider="teams"
    )

    html = ops.get(f"/admin/fleet/due/{due.pk}/change/").content.decode()

    assert "<h1>Sync · Microsoft Teams</h1>" in html
    page = f"/admin/fleet/connectionstatus/{connection.pk}/change/"
    assert f'<a href="{page}">Open the connection</a>' in html
    assert ops.get(page).status_code == 200
    assert ">1 h</div>" in html
    assert ">teams<" not in html


def test_a_provider_app_is_titled_by_its_provider(ops):
    app = set_provider_app(
        provider="teams", client_id="id", client_secret="s", actor=Actor.system("tests")
    )

    html = ops.get(f"/admin/connect/providerapp/{app.pk}/change/").content.decode()

    assert "<h1>Microsoft Teams app of all tenants</h1>" in html


@pytest.mark.parametrize("path", ["/nowhere/", "/t/nobody/admin/", "/t/acme/admin/nowhere/"])
def test_an_address_that_is_not_there_is_answered_in_a_sentence(viewer, path):
    response = viewer.get(path)

    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()
