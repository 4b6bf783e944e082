"""Progress that moves, records that are found, first pages that say what needs a person."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.fleet.models import Due, RunHour, Worker
from integrations.models import SyncRun
from tests.admin.conftest import (
    COUNTS,
    make_due,
    make_event,
    make_record,
    make_rejected,
    make_status,
)
from tests.factories import ConnectionFactory, SyncRunFactory
from tests.factories.fleet import DueFactory

pytestmark = pytest.mark.django_db

RECORDS = "/t/acme/admin/integrations/record/"
PROGRESS = "/t/acme/admin/integrations/syncrun/progress/"


def test_progress_tells_how_far_an_open_run_is(viewer):
    run = SyncRunFactory(running=True, entity_types=["companies"], counts=COUNTS, calls=4)

    [told] = viewer.get(PROGRESS, {"run": str(run.pk)}).json()["runs"]

    assert (told["read"], told["share"], told["text"]) == (120, 0.4, "120 of 300")
    assert told["is_open"] is True
    assert told["lines"] == [
        {
            "name": "companies",
            "state": "Running",
            "tone": "busy",
            "counts": [120, 100, 15, 3, 0, 0, 2, 0, 0],
        }
    ]


def test_progress_of_a_finished_run_is_not_open(viewer):
    run = SyncRunFactory(counts=COUNTS)

    [told] = viewer.get(PROGRESS, {"run": str(run.pk)}).json()["runs"]

    assert (told["is_open"], told["state"], told["tone"]) == (False, "Succeeded", "good")


def test_progress_counts_the_entity_types_that_have_not_begun(viewer):
    wanted = ["users", "companies", "people", "leads"]
    counts = {"users": {"state": "done", "read": 9}, **COUNTS}
    run = SyncRunFactory(running=True, entity_types=wanted, counts=counts)

    [told] = viewer.get(PROGRESS, {"run": str(run.pk)}).json()["runs"]

    assert (told["share"], told["text"]) == (0.35, "1 of 4 entity types, 129 read")


def test_progress_leaves_out_what_another_run_reads_or_is_not_due(viewer):
    left = {name: {"state": "waiting", "read": 0} for name in ("pipelines", "stages", "tasks")}
    elsewhere = {"leads": {"state": "backfill", "read": 0}}
    run = SyncRunFactory(running=True, counts={**left, **elsewhere})

    [told] = viewer.get(PROGRESS, {"run": str(run.pk)}).json()["runs"]

    assert (told["share"], told["text"]) == (None, "0 of 5 entity types, 0 read")


def test_progress_is_unknown_while_the_only_entity_type_does_not_say_how_many(viewer):
    counts = {"people": {"state": "running", "read": 7, "expected": None}}
    run = SyncRunFactory(running=True, entity_types=["people"], counts=counts)

    [told] = viewer.get(PROGRESS, {"run": str(run.pk)}).json()["runs"]

    assert (told["share"], told["text"]) == (None, "7 read")


def test_progress_ignores_what_is_no_id(viewer):
    assert viewer.get(PROGRESS, {"run": "1 OR 1=1"}).json() == {"runs": []}


def test_an_open_run_has_a_bar_on_its_page_and_on_the_first_page(viewer):
    run = SyncRunFactory(running=True, entity_types=["companies"], counts=COUNTS)

    for page in ("/t/acme/admin/", f"/t/acme/admin/integrations/syncrun/{run.pk}/change/"):
        html = viewer.get(page).content.decode()
        assert f'data-run="{run.pk}"' in html
        assert '<progress value="0.4">' in html
        assert html.count("hub/progress.js") == 1


def test_the_page_of_a_run_that_waits_says_for_what_and_until_when(viewer):
    reason = "Copper failed several times in a row and is not asked for the next 60 s."
    run = SyncRunFactory(running=True, counts=COUNTS, error=reason)
    until = timezone.now() + timedelta(hours=1)
    due = DueFactory(object_id=run.connection_id, run_id=run.pk, due_at=until)
    page = f"/t/acme/admin/integrations/syncrun/{run.pk}/change/"

    said = f"Waits until {until:%Y-%m-%d %H:%M:%S} UTC: {reason}"

    assert said in viewer.get(page).content.decode()

    Due.objects.filter(pk=due.pk).update(due_at=timezone.now() - timedelta(hours=1))
    assert "Waits until" not in viewer.get(page).content.decode()


def test_records_are_found_by_words_of_the_title_and_by_source_id(viewer):
    connection = ConnectionFactory()
    make_record(connection, 1, title="Bäckerei Hansen")
    make_record(connection, 2, title="Hansen Transporte")
    make_record(connection, 4711, title="Other")

    def found(words: str) -> set[str]:
        answer = viewer.get(RECORDS, {"q": words})
        return {record.title for record in answer.context["cl"].result_list}

    assert found("hansen") == {"Bäckerei Hansen", "Hansen Transporte"}
    assert found("Hansen bäckerei") == {"Bäckerei Hansen"}
    assert found("4711") == {"Other"}
    assert found("\x00") == {"Bäckerei Hansen", "Hansen Transporte", "Other"}


def test_records_are_filtered_by_connection_and_type(viewer):
    one, other = ConnectionFactory(), ConnectionFactory()
    make_record(one, 1, title="mine", record_type="company")
    make_record(other, 2, title="not mine", record_type="person")

    def titles(**query: str) -> list[str]:
        return [record.title for record in viewer.get(RECORDS, query).context["cl"].result_list]

    assert titles(connection=str(one.pk)) == ["mine"]
    assert titles(record_type="person") == ["not mine"]
    assert titles(connection="nonsense") == []


def test_deleted_records_are_listed_only_when_asked_for(viewer):
    make_record(ConnectionFactory(), 1, title="gone", deleted_at=timezone.now())

    assert viewer.get(RECORDS).context["cl"].result_count == 0
    assert viewer.get(RECORDS, {"presence": "deleted"}).context["cl"].result_count == 1


def test_more_than_ten_thousand_rows_are_not_counted(viewer, django_assert_max_num_queries):
    connection = ConnectionFactory()
    template = make_record(connection, 0)
    rows = []
    for number in range(1, 10_002):
        row = type(template)(
            **{field.attname: getattr(template, field.attname) for field in template._meta.fields}
        )
        row.pk, row.source_id, row.change_seq = None, str(number), number
        rows.append(row)
    type(template).objects.bulk_create(rows, batch_size=5_000)

    html = viewer.get(RECORDS).content.decode()

    assert "more than 10000 records" in html.replace(",", "").replace("\xa0", "")


def test_a_record_links_to_the_records_it_names_and_to_those_that_name_it(viewer):
    connection = ConnectionFactory()
    company = make_record(connection, 1, title="Nordlicht")
    person = make_record(connection, 2, title="Jo Hansen")
    person.links.create(
        field="company",
        target=company,
        target_system="copper",
        target_type="companies",
        target_source_id="1",
    )

    of_person = viewer.get(f"{RECORDS}{person.pk}/change/").content.decode()
    of_company = viewer.get(f"{RECORDS}{company.pk}/change/").content.decode()

    assert f"{RECORDS}{company.pk}/change/" in of_person
    assert f"{RECORDS}{person.pk}/change/" in of_company


def test_rejected_records_that_wait_are_listed_first(viewer):
    connection = ConnectionFactory()
    make_rejected(connection, 1)
    make_rejected(connection, 2, resolved_at=timezone.now())
    page = "/t/acme/admin/integrations/rejectedrecord/"

    assert viewer.get(page).context["cl"].result_count == 1
    assert viewer.get(page, {"state": "all"}).context["cl"].result_count == 2


def test_history_shows_who_did_what_to_the_object(viewer, acme):
    connection = ConnectionFactory()
    make_event(acme, connection, mode="full")
    page = f"/t/acme/admin/integrations/connection/{connection.pk}/history/"

    html = viewer.get(page).content.decode()

    assert "jo@example.com" in html
    assert "Sync requested" in html
    assert "mode: full" in html


def test_operations_see_first_what_needs_a_person(ops, acme):
    broken = ConnectionFactory(revoked=True, account_label="Südwind")
    make_status(acme, broken, status="needs_reauth", error="The customer must reconnect.")
    make_status(acme, ConnectionFactory(account_label="Nordlicht"))

    html = ops.get("/admin/").content.decode()

    assert "Südwind" in html
    assert "The customer must reconnect." in html
    assert f"/admin/fleet/connectionstatus/{broken.pk}/change/" in html
    assert "Nordlicht" not in html


def test_operations_see_runs_of_the_last_day_workers_and_late_work(ops, acme, globex):
    for tenant, state in ((acme, "succeeded"), (acme, "succeeded"), (globex, "failed")):
        RunHour.objects.count_run(tenant_id=tenant.pk, provider="copper", state=state, records=5)
    Worker.objects.create(host="a", pid=1, cluster="hub")
    Worker.objects.create(
        host="b", pid=2, cluster="hub", seen_at=timezone.now() - timedelta(hours=1)
    )
    make_due(acme, ConnectionFactory(), due_at=timezone.now() - timedelta(minutes=5))

    context = ops.get("/admin/").context

    tiles = {tile.label: tile for tile in context["tiles"]}
    assert tiles["runs succeeded, 24 h"].figure == "2"
    assert tiles["runs succeeded, 24 h"].note == "1 failed"
    assert tiles["workers alive"].figure == "1"
    assert (tiles["oldest due work"].figure, tiles["oldest due work"].tone) == ("5 min", "bad")
    *_, before, now = context["hours"].hours  # a full hour may strike meanwhile
    assert before.total + now.total == 3


def test_an_operator_may_connect_from_the_first_page(acme_operator):
    assert "/connection/connect/" in acme_operator.get("/t/acme/admin/").content.decode()


def test_a_viewer_sees_the_first_page_without_buttons(viewer, acme):
    connection = ConnectionFactory(name="Nordlicht")
    make_status(acme, connection, records=1234)

    html = viewer.get("/t/acme/admin/").content.decode()

    assert "Acme" in html
    assert "1,234" in html
    assert "Sync now" not in html
    assert "/connection/connect/" not in html
    assert not SyncRun.objects.exists()


def test_the_fleet_lists_those_that_need_a_person_together(ops, acme):
    for status in ("active", "broken", "needs_reauth", "paused"):
        make_status(acme, ConnectionFactory(), status=status)

    listed = ops.get("/admin/fleet/connectionstatus/", {"status": "person"}).context["cl"]

    assert {row.status for row in listed.result_list} == {"broken", "needs_reauth"}


def test_due_work_says_since_when_the_database_has_served_it_at_no_attempt(ops, acme):
    DueFactory(faulted_since=timezone.now() - timedelta(minutes=200))

    html = ops.get("/admin/fleet/due/").content.decode()

    assert "faults of the database" in html
    assert "at every attempt, first <time" in html


def test_the_fleet_lists_one_tenant_by_its_slug(ops, acme, globex):
    make_status(acme, ConnectionFactory())
    theirs = make_status(globex, ConnectionFactory())

    listed = ops.get("/admin/fleet/connectionstatus/", {"tenant": "globex"}).context["cl"]

    assert list(listed.result_list) == [theirs]
