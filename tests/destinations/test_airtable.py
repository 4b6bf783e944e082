"""Airtable kept in step with the change feed, at the sandbox's Airtable."""

import pytest

from tests.destinations.conftest import follow, last_run

pytestmark = pytest.mark.django_db


def test_tables_fields_and_rows_are_made_under_names_people_read(base, records, destination, route):
    route("company")
    records.company(1, domain="firm1.example", tags=["vip", "north"], is_active=True)

    assert follow(destination).startswith("Caught up")

    assert base.fields("Companies")["Name"] == "singleLineText"
    assert base.fields("Companies")["Is active"] == "checkbox"
    assert list(base.fields("Companies"))[:2] == ["Name", "Hub ID"]
    row = base.rows("Companies")[f"{records.connection.source_system}:companies:c1"]
    assert row["Name"] == "Firm 1"
    assert row["Tags"] == "vip, north"
    assert row["Is active"] is True
    assert last_run(destination).totals["created"] == 1
