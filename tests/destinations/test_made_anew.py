"""Tables and fields that are made anew: what is left is known by its id, so no row doubles."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations.models import Destination, Route
from integrations.services.destinations import rewrite_destination
from tests.destinations.conftest import ADMIN, Base, Records, follow

pytestmark = pytest.mark.django_db

MakeRoute = Callable[..., Route]


def change_fields(base: Base, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Somebody changes the fields of the table Companies there."""
    table = base.tables()["Companies"]
    change(table["fields"])
    base.control("change", entity="tables", ids=[table["id"]], set={"fields": table["fields"]})


def names(base: Base, table: str = "Companies") -> list[str]:
    found = base.ask(f"/{base.id}/{base.tables()[table]['id']}")["records"]
    return sorted(row["fields"]["Name"] for row in found)


def key_of(fields: list[dict[str, Any]]) -> dict[str, Any]:
    return next(field for field in fields if field["name"] == "Hub ID")


@pytest.fixture
def written(
    base: Base, records: Records, destination: Destination, route: MakeRoute
) -> Destination:
    """Two companies, written there."""
    route("company", mapping=[{"column": "Name", "from": "name"}])
    for number in (1, 2):
        records.company(number)
    follow(destination)
    assert names(base) == ["Firm 1", "Firm 2"]
    return destination


def test_rows_do_not_come_twice_though_their_hub_id_was_renamed_and_all_is_made_anew(
    base: Base, written: Destination
) -> None:
    change_fields(base, lambda fields: key_of(fields).update(name="Key"))

    rewrite_destination(destination=written, actor=ADMIN, forget_tables=True)
    follow(written)

    assert written.status == "active", written.error
    assert names(base) == ["Firm 1", "Firm 2"]
    assert "Hub ID" not in base.fields("Companies")


def test_without_their_hub_id_rows_are_not_written_a_second_time_but_it_is_asked_for(
    base: Base, written: Destination
) -> None:
    removed = key_of(base.tables()["Companies"]["fields"])
    change_fields(base, lambda fields: fields.remove(removed))

    rewrite_destination(destination=written, actor=ADMIN, forget_tables=True)
    follow(written)

    assert written.status == "blocked"
    assert written.error == (
        "The field 'Hub ID' is no longer in the table 'Companies', so its rows cannot be told "
        "apart. Restore it there, or remove the whole table as well."
    )
    change_fields(base, lambda fields: fields.append(removed))
    follow(written)
    assert written.status == "active", written.error
    assert names(base) == ["Firm 1", "Firm 2"]


def test_a_table_that_was_removed_is_made_anew_beside_one_that_was_renamed(
    base: Base, records: Records, written: Destination, route: MakeRoute
) -> None:
    route(
        "person", mapping=[{"column": "Name", "from": "name"}, {"column": "At", "from": "company"}]
    )
    records.person(1, company=1)
    follow(written)
    tables = base.tables()
    base.control("change", entity="tables", ids=[tables["Companies"]["id"]], set={"name": "Firms"})
    base.control("delete", entity="tables", ids=[tables["People"]["id"]])

    rewrite_destination(destination=written, actor=ADMIN, forget_tables=True)
    follow(written)

    assert written.status == "active", written.error
    assert names(base, "Firms") == ["Firm 1", "Firm 2"]
    assert names(base, "People") == ["Person 1"]
    assert len(base.rows("People")[records.key("people", "p1")]["At"]) == 1
    assert "Companies" not in base.tables()
