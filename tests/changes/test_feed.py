"""/api/v1/changes/: each record once, at its last change, with deletions, from a cursor on."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection as database
from django.utils import timezone

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.models import Connection, Destination, Record
from integrations.services.disconnect import disconnect, go_on
from integrations.sync.feed import prune_tombstones
from integrations.sync.lease import LeaseWatch
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.roles import Role
from tests.api.caller import Caller, reads, with_key
from tests.api.rows import connected, linked, next_change, stored

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(days=91)


@pytest.fixture
def api(acme) -> Caller:
    return with_key(acme, Role.VIEWER)


@pytest.fixture
def crm(acme) -> Connection:
    return connected()


def read(api: Caller, cursor: str = "", **asked: object) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    answer = api.get(f"changes/?{query}" + (f"&cursor={cursor}" if cursor else ""))
    assert answer.status_code == 200, answer.content
    page: dict[str, Any] = answer.json()
    return page


def ids(page: dict[str, Any]) -> list[int]:
    return [row["record"] for row in page["results"]]


def changed(record: Record, **fields: object) -> None:
    """As the engine changes a record: it moves to the end of the feed."""
    Record.objects.filter(pk=record.pk).update(change_seq=next_change(), **fields)


def deleted(record: Record, ago: timedelta = timedelta(0)) -> None:
    changed(record, deleted_at=timezone.now() - ago)


def code_of(api: Caller, cursor: str, query: str = "") -> tuple[int, str]:
    answer = api.get(f"changes/?cursor={cursor}{query}")
    return answer.status_code, answer.json()["code"]


def test_without_a_cursor_everything_comes_the_oldest_change_first(api, crm):
    first, second = stored(crm, "1"), stored(crm, "2")
    changed(first, title="Renamed")

    page = read(api)

    assert ids(page) == [second.pk, first.pk]
    assert page["has_more"] is False
    shown = page["results"][1]
    assert shown["title"] == "Renamed"
    assert shown["source_system"] == crm.source_system
    assert "never shown" not in str(page)


def test_from_a_cursor_on_come_only_later_changes_each_record_once(api, crm):
    first, second = stored(crm, "1"), stored(crm, "2")
    cursor = read(api)["next_cursor"]
    assert ids(read(api, cursor)) == []

    changed(first, title="Once")
    changed(first, title="Twice")
    new = stored(crm, "3")
    page = read(api, cursor)

    assert ids(page) == [first.pk, new.pk]
    assert page["results"][0]["title"] == "Twice"
    assert second.pk not in ids(page)


def test_pages_lead_on_to_one_another_while_records_change(api, crm):
    rows = [stored(crm, str(number)) for number in range(5)]

    first = read(api, page_size=2)
    changed(rows[0])
    second = read(api, first["next_cursor"], page_size=2)
    third = read(api, second["next_cursor"], page_size=2)

    assert [ids(page) for page in (first, second, third)] == [
        [rows[0].pk, rows[1].pk],
        [rows[2].pk, rows[3].pk],
        [rows[4].pk, rows[0].pk],
    ]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]


def test_a_deletion_is_a_change_like_any_other(api, crm):
    gone = stored(crm, "1")
    cursor = read(api)["next_cursor"]

    deleted(gone)

    [change] = read(api, cursor)["results"]
    assert (change["record"], change["is_deleted"]) == (gone.pk, True)


def test_a_reader_of_a_connection_misses_nothing_that_an_earlier_one_had_read(api, crm):
    kept = stored(crm, "1")
    Connection.objects.filter(pk=crm.pk).update(status="disconnected")
    again = connected(source_system=crm.source_system)

    assert ids(read(api, connection=again.pk)) == [kept.pk]


def test_a_reader_of_one_kind_moves_on_past_the_others(api, crm):
    person = stored(crm, "1", record_type="person", entity_type="people")
    stored(crm, "2")
    other = stored(connected(), "3")

    assert ids(read(api, record_type="person")) == [person.pk]
    assert ids(read(api, entity_type="people")) == [person.pk]
    assert ids(read(api, connection=other.connection_id)) == [other.pk]
    before = read(api, record_type="deal")["next_cursor"]
    stored(crm, "4")
    after = read(api, before, record_type="deal")["next_cursor"]
    assert after != before


def test_a_cursor_is_refused_with_other_filters_by_another_tenant_and_when_made_up(
    api, crm, globex
):
    stored(crm, "1")
    cursor = read(api, record_type="company")["next_cursor"]
    with in_tenant(globex):
        stranger = with_key(globex, Role.VIEWER)

    assert code_of(api, cursor) == (422, "invalid_input")
    assert code_of(api, "bm9uZQ") == (422, "invalid_input")
    assert code_of(api, "%C3%A4") == (422, "invalid_input")
    assert code_of(stranger, cursor, "&record_type=company") == (422, "invalid_input")
    assert api.get("changes/?page_size=0").status_code == 422


def test_tombstones_are_forgotten_after_90_days_with_their_links(api, crm):
    here, recent, old = (stored(crm, number) for number in "123")
    linked(here, "parent", old)
    linked(old, "owner", here)
    deleted(old, LONG_AGO)
    deleted(recent)

    assert prune_tombstones() == 1

    assert set(Record.objects.values_list("pk", flat=True)) == {here.pk, recent.pk}
    assert here.links.get().target_id is None
    assert prune_tombstones() == 0


def test_a_cursor_from_before_a_forgotten_deletion_has_expired(api, crm):
    gone = stored(crm, "1")
    before = read(api)["next_cursor"]
    deleted(gone, LONG_AGO)
    after = read(api, before)["next_cursor"]

    prune_tombstones()

    assert code_of(api, before) == (410, "cursor_expired")
    assert ids(read(api, after)) == []


def test_whoever_began_after_a_forgotten_deletion_reads_old_records_undisturbed(api, crm):
    rows = [stored(crm, str(number)) for number in range(4)]
    gone = stored(crm, "gone")
    deleted(gone, LONG_AGO)
    prune_tombstones()

    page = read(api, page_size=2)  # far below the floor

    assert ids(read(api, page["next_cursor"])) == [rows[2].pk, rows[3].pk]


def test_whoever_paused_in_the_middle_of_the_beginning_expires_like_the_others(api, crm):
    rows = [stored(crm, str(number)) for number in range(4)]
    page = read(api, page_size=2)
    deleted(rows[0], LONG_AGO)

    prune_tombstones()

    assert code_of(api, page["next_cursor"]) == (410, "cursor_expired")


def test_what_a_destination_has_not_seen_yet_is_not_forgotten(api, crm):
    first, second = stored(crm, "1"), stored(crm, "2")
    Destination.objects.create(name="Base", type="airtable", checkpoint=second.change_seq)
    deleted(first, LONG_AGO)
    deleted(second, LONG_AGO)

    assert prune_tombstones() == 0

    Destination.objects.update(checkpoint=next_change())
    assert prune_tombstones() == 2


def test_after_records_were_purged_with_their_connection_everybody_begins_again(api, crm):
    other = stored(connected(), "kept")
    stored(crm, "1")
    before = read(api)["next_cursor"]

    disconnect(connection=crm, keep_records=False, actor=Actor.system("tests"))
    due = Due.objects.get(kind=Due.Kind.DISCONNECT)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    assert claim is not None
    assert go_on(due_id=due.pk, fence=claim.fence, watch=LeaseWatch()) == "Disconnected."

    assert code_of(api, before) == (410, "cursor_expired")
    again = read(api)
    assert ids(again) == [other.pk]
    assert ids(read(api, again["next_cursor"])) == []


def test_a_cursor_from_a_future_that_a_restored_backup_does_not_know_has_expired(api, crm):
    stored(crm, "1", change_seq=500)
    cursor = read(api)["next_cursor"]

    Record.objects.update(change_seq=1)
    with database.cursor() as sequence:
        sequence.execute("SELECT setval('integrations_change_seq', 1)")

    assert code_of(api, cursor) == (410, "cursor_expired")


def test_a_page_costs_the_same_however_long_it_is(api, crm):
    for number in range(20):
        stored(crm, str(number))
    read(api, page_size=1)  # the key's last use is noted once a minute

    for size in (2, 20):
        with reads(5):  # key, end, floor, changes, floor
            assert len(ids(read(api, page_size=size))) == size
