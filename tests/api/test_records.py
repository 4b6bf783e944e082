"""/api/v1/records/: reading what was synced."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from tests.api.caller import reads
from tests.api.rows import connected, linked, stored

pytestmark = pytest.mark.django_db


def ids(response) -> list[int]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_a_record_is_shown_with_its_data_where_it_comes_from_and_what_it_points_to(api):
    connection = connected()
    company = stored(connection, "1")
    person = stored(connection, "2", entity_type="people", record_type="person")
    linked(person, "company", company)
    linked(person, "owner", None, source_id="77")

    shown = api.get(f"records/{person.pk}/").json()

    assert shown["record_type"] == "person"
    assert shown["data"] == {"name": "Company 2"}
    assert shown["provenance"]["source_system"] == connection.source_system
    assert shown["provenance"]["source_id"] == "2"
    assert shown["provenance"]["deleted_at"] is None
    assert shown["links"] == {
        "company": [{"record": company.pk, "entity_type": "companies", "source_id": "1"}],
        "owner": [{"record": None, "entity_type": "companies", "source_id": "77"}],
    }
    assert "never shown" not in str(shown)


def test_walking_the_pages_meets_every_record_once_while_others_arrive(api):
    connection = connected()
    before = [stored(connection, str(number)).pk for number in range(7)]

    seen, cursor = [], ""
    while cursor is not None:
        page = api.get(f"records/?page_size=3&cursor={cursor}").json()
        seen += [row["id"] for row in page["results"]]
        cursor = page["next_cursor"]
        if len(seen) == 3:
            before.append(stored(connection, "late").pk)

    assert seen == before


def test_a_page_of_records_costs_the_same_however_long_it_is(api):
    connection = connected()
    company = stored(connection, "c")
    for number in range(20):
        linked(stored(connection, str(number)), "company", company)
    api.get("records/?page_size=1")  # the key's last use is noted once a minute

    for size in (2, 20):
        with reads(6):  # key, records, links; connections, their types, open circuits
            assert len(ids(api.get(f"records/?page_size={size}"))) == size


def test_records_are_found_by_what_they_are_and_where_they_come_from(api):
    copper, slack = connected(), connected(provider="slack")
    company = stored(copper, "1")
    person = stored(copper, "2", record_type="person", entity_type="people")
    user = stored(slack, "3", record_type="user", entity_type="users")

    assert ids(api.get("records/?record_type=person")) == [person.pk]
    assert ids(api.get("records/?entity_type=users")) == [user.pk]
    assert ids(api.get(f"records/?connection={copper.pk}")) == [company.pk, person.pk]
    assert ids(api.get(f"records/?source_system={slack.source_system}")) == [user.pk]


def test_records_are_found_by_the_words_of_their_title_or_exactly_by_source_id(api):
    connection = connected()
    found = stored(connection, "1", title="Nordlicht Solar GmbH")
    by_id = stored(connection, "solar-7", title="Something else")

    assert ids(api.get("records/?search=solar+nordlicht")) == [found.pk]
    assert ids(api.get("records/?search=solar-7")) == [by_id.pk]


def test_what_changed_since_a_time_is_asked_for_with_that_time(api):
    connection, now = connected(), timezone.now()
    stored(connection, "old", changed_at=now - timedelta(days=2))
    new = stored(connection, "new", changed_at=now)
    since = quote((now - timedelta(days=1)).isoformat())

    assert ids(api.get(f"records/?changed_since={since}")) == [new.pk]


def test_deleted_records_are_listed_only_when_asked_for_and_always_found_by_id(api):
    connection = connected()
    here = stored(connection, "1")
    gone = stored(connection, "2", deleted_at=timezone.now())

    assert ids(api.get("records/")) == [here.pk]
    assert ids(api.get("records/?include_deleted=true")) == [here.pk, gone.pk]
    shown = api.get(f"records/{gone.pk}/").json()
    assert shown["provenance"]["deleted_at"] is not None


def test_a_viewer_reads_records(viewer):
    record = stored(connected(), "1")

    assert ids(viewer.get("records/")) == [record.pk]
