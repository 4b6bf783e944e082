"""What can be written to Airtable, ten rows in a request: the sandbox's own rules and its log."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.providers.airtable.conftest import Tables, code, count_slowly
from tests.sandbox.conftest import Caller

FIELDS: list[dict[str, Any]] = [
    {"name": "Hub ID", "type": "singleLineText"},
    {"name": "Name", "type": "singleLineText"},
    {"name": "Amount", "type": "currency", "options": {"precision": 2, "symbol": "€"}},
    {"name": "Due", "type": "date", "options": {"dateFormat": {"name": "iso"}}},
    {"name": "Done", "type": "checkbox", "options": {"icon": "check", "color": "greenBright"}},
    {"name": "Status", "type": "singleSelect", "options": {"choices": [{"name": "open"}]}},
]
ON_KEY = {"performUpsert": {"fieldsToMergeOn": ["Hub ID"]}}


class People:
    """A table of the base "Hub", with a key column."""

    def __init__(self, writer: Tables) -> None:
        self.writer = writer
        self.base = writer.bases["Hub"]
        asked = {"name": "People", "fields": FIELDS}
        self.table = writer.ask("POST", f"meta/bases/{self.base}/tables", json=asked).json()
        self.path = f"{self.base}/{self.table['id']}"

    def upsert(self, *rows: dict[str, Any], **more: Any) -> requests.Response:
        records = [{"fields": row} for row in rows]
        return self.writer.ask("PATCH", self.path, json={**ON_KEY, "records": records, **more})

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.writer.get(self.path).json()["records"]
        return found

    def cells(self) -> list[dict[str, Any]]:
        """Sorted by key."""
        return sorted((row["fields"] for row in self.rows()), key=lambda row: row["Hub ID"])

    def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.writer.caller.own("/_log?slug=airtable")
        return found


@pytest.fixture
def people(writer: Tables) -> People:
    return People(writer)


def person(number: int, **cells: Any) -> dict[str, Any]:
    return {"Hub ID": f"copper:person:{number}", "Name": f"Person {number}", **cells}


def test_an_upsert_creates_what_is_missing_and_updates_the_rest(people: People) -> None:
    first = people.upsert(person(1), person(2)).json()
    second = people.upsert(person(2, Name="Jo Sand"), person(3)).json()

    assert (len(first["createdRecords"]), first["updatedRecords"]) == (2, [])
    assert second["updatedRecords"] == [first["createdRecords"][1]]
    assert [row["id"] for row in second["records"]] == [
        *second["updatedRecords"],
        *second["createdRecords"],
    ]
    assert people.cells() == [person(1), person(2, Name="Jo Sand"), person(3)]


def test_the_log_tells_creates_and_updates_of_each_key(people: People) -> None:
    people.upsert(person(1), person(2))
    people.upsert(person(1), person(2, Name="Jo Sand"))

    told = [(one["n"], one["key"], one["kind"], one["changed"]) for one in people.log()]
    assert told == [
        (1, "copper:person:1", "created", True),
        (2, "copper:person:2", "created", True),
        (3, "copper:person:1", "updated", False),
        (4, "copper:person:2", "updated", True),
    ]
    last = people.log()[3]
    assert last["fields"] == person(2, Name="Jo Sand")
    assert (last["table_name"], last["by"], last["base"]) == ("People", "upsert", people.base)
    assert people.writer.caller.own("/_log?slug=airtable&since=3") == [last]


def test_an_answer_that_gets_lost_has_been_applied_and_repeating_it_creates_nothing(
    people: People, caller: Caller
) -> None:
    caller.control("fault", slug="airtable", method="PATCH", reset=True)
    with pytest.raises(requests.ConnectionError):
        people.upsert(person(1), person(2))

    again = people.upsert(person(1), person(2)).json()

    assert again["createdRecords"] == []
    assert [one["kind"] for one in people.log()] == ["created"] * 2 + ["updated"] * 2


def test_one_bad_cell_refuses_the_whole_request(people: People) -> None:
    refused = people.upsert(person(1), person(2, Amount="a lot"), person(3))

    assert code(refused) == (422, "INVALID_VALUE_FOR_COLUMN")
    assert (people.rows(), people.log()) == ([], [])


def test_with_partial_writes_what_came_before_the_bad_cell_is_there(
    people: People, caller: Caller
) -> None:
    caller.control("set", slug="airtable", partial_writes=True)

    refused = people.upsert(person(1), person(2, Amount="a lot"), person(3))

    assert refused.status_code == 422
    assert people.cells() == [person(1)]


@pytest.mark.parametrize(
    ("cells", "refused"),
    [
        ({"Colour": "red"}, "UNKNOWN_FIELD_NAME"),
        ({"Name": 7}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Name": "x" * 100_001}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Amount": "12.50"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Due": "tomorrow"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Done": "yes"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Status": "closed"}, "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ({"Hub ID": None}, "INVALID_REQUEST_UNKNOWN"),
    ],
)
def test_what_a_cell_does_not_take_is_refused_by_name(
    people: People, cells: dict[str, Any], refused: str
) -> None:
    assert code(people.upsert(person(1, **cells))) == (422, refused)


def test_typecast_converts_and_adds_choices(people: People) -> None:
    cells = {"Amount": "€ 1,200.50", "Done": "true", "Status": "closed", "Name": 7}

    answer = people.upsert(person(1, **cells), typecast=True)

    assert answer.status_code == 200
    converted = {"Amount": 1200.5, "Done": True, "Status": "closed", "Name": "7"}
    assert people.cells() == [person(1, **converted)]
    assert people.upsert(person(2, Status="closed")).status_code == 200


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({**ON_KEY, "records": [{"fields": person(n)} for n in range(11)]}, 422),
        ({**ON_KEY, "records": []}, 422),
        ({"performUpsert": {"fieldsToMergeOn": []}, "records": [{"fields": person(1)}]}, 422),
        ({"performUpsert": {"fieldsToMergeOn": ["Amount"]}, "records": [{"fields": {}}]}, 422),
        ({"performUpsert": {"fieldsToMergeOn": ["Hub ID"] * 4}, "records": [{"fields": {}}]}, 422),
        ({**ON_KEY, "records": [{"fields": person(1)}, {"fields": person(1)}]}, 422),
        ({"records": [{"fields": person(1)}]}, 422),
        ({"records": [{"id": "recNobodyKnows123", "fields": person(1)}]}, 404),
    ],
)
def test_a_request_that_is_no_upsert_is_refused(
    people: People, body: dict[str, Any], refused: int
) -> None:
    assert people.writer.ask("PATCH", people.path, json=body).status_code == refused
    assert people.rows() == []


def test_a_key_that_two_rows_have_refuses_the_request(people: People) -> None:
    twice = {"records": [{"fields": person(1)}, {"fields": person(1)}]}
    people.writer.ask("POST", people.path, json=twice)

    assert people.upsert(person(1, Name="?"), person(2)).status_code == 422
    assert len(people.rows()) == 2


def test_patch_leaves_what_it_does_not_name_and_put_clears_it(people: People) -> None:
    made = people.upsert(person(1, Amount=12.5, Due="2026-05-31")).json()["records"][0]["id"]

    people.writer.ask("PATCH", f"{people.path}/{made}", json={"fields": {"Due": None}})
    patched = people.cells()
    put = {"records": [{"id": made, "fields": {"Hub ID": "x"}}]}
    people.writer.ask("PUT", people.path, json=put)

    assert patched == [person(1, Amount=12.5)]
    assert people.cells() == [{"Hub ID": "x"}]


def test_at_most_ten_rows_are_deleted_at_once(people: People) -> None:
    ids = people.upsert(*(person(number) for number in range(10))).json()["createdRecords"]
    more = people.upsert(person(10)).json()["createdRecords"]

    too_many = people.writer.ask("DELETE", people.path, params={"records[]": ids + more})
    some = people.writer.ask("DELETE", people.path, params={"records[]": ids})
    one = people.writer.ask("DELETE", f"{people.path}/{more[0]}")
    again = people.writer.ask("DELETE", f"{people.path}/{more[0]}")

    assert (too_many.status_code, again.status_code) == (422, 404)
    assert some.json()["records"] == [{"id": id, "deleted": True} for id in ids]
    assert one.json() == {"id": more[0], "deleted": True}
    assert people.rows() == []
    assert [entry["kind"] for entry in people.log()][11:] == ["deleted"] * 11


def test_a_link_field_gets_its_other_side_and_both_are_kept_alike(
    people: People, writer: Tables
) -> None:
    tables = f"meta/bases/{people.base}/tables"
    fields = [{"name": "Title", "type": "singleLineText"}]
    deals = writer.ask("POST", tables, json={"name": "Deals", "fields": fields}).json()
    link = {"name": "People", "type": "multipleRecordLinks"}
    link |= {"options": {"linkedTableId": people.table["id"]}}  # type: ignore[dict-item]
    made = writer.ask("POST", f"{tables}/{deals['id']}/fields", json=link).json()
    one, two = people.upsert(person(1), person(2)).json()["createdRecords"]
    path = f"{people.base}/Deals"
    deal = writer.ask("POST", path, json={"fields": {"Title": "A", "People": [one, two]}}).json()

    linked = {row["id"]: row["fields"].get("Deals") for row in people.rows()}
    writer.ask("PATCH", f"{path}/{deal['id']}", json={"fields": {"People": [two]}})
    moved = {row["id"]: row["fields"].get("Deals") for row in people.rows()}

    assert made["options"]["inverseLinkFieldId"].startswith("fld")
    assert linked == {one: [deal["id"]], two: [deal["id"]]}
    assert moved == {one: None, two: [deal["id"]]}


def test_a_link_takes_ids_of_its_table_and_with_typecast_titles(
    people: People, writer: Tables
) -> None:
    link = {"name": "Boss", "type": "multipleRecordLinks"}
    link |= {"options": {"linkedTableId": people.table["id"]}}  # type: ignore[dict-item]
    fields = f"meta/bases/{people.base}/tables/{people.table['id']}/fields"
    assert writer.ask("POST", fields, json=link).status_code == 200

    strict = people.upsert(person(1, Boss=["copper:person:9"]))
    half = people.upsert(person(1, Boss=["copper:person:9"], Amount="?"), typecast=True)
    cast = people.upsert(person(1, Boss=["copper:person:9"]), typecast=True)

    assert code(strict) == (422, "ROW_DOES_NOT_EXIST")
    assert half.status_code == 422
    boss = next(row for row in people.rows() if row["fields"]["Hub ID"] == "copper:person:9")
    assert cast.json()["records"][0]["fields"]["Boss"] == [boss["id"]]
    assert [(one["by"], one["key"]) for one in people.log()] == [
        ("typecast", "copper:person:9"),
        ("upsert", "copper:person:1"),
    ]


@pytest.mark.parametrize(
    ("field", "refused"),
    [
        ({"name": "hub id", "type": "singleLineText"}, "DUPLICATE_OR_EMPTY_FIELD_NAME"),
        ({"name": "Sum", "type": "formula"}, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE"),
        ({"name": "Sum", "type": "number"}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        (
            {"name": "Sum", "type": "number", "options": {"precision": 9}},
            "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE",
        ),
        (
            {"name": "Text", "type": "email", "options": {"precision": 1}},
            "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE",
        ),
        (
            {"name": "L", "type": "multipleRecordLinks", "options": {"linkedTableId": "tbl0"}},
            "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE",
        ),
    ],
)
def test_a_field_that_cannot_be_is_refused(
    people: People, field: dict[str, Any], refused: str
) -> None:
    fields = f"meta/bases/{people.base}/tables/{people.table['id']}/fields"

    assert code(people.writer.ask("POST", fields, json=field)) == (422, refused)


def test_a_field_is_renamed_and_keeps_its_id_and_type(people: People) -> None:
    field = people.table["fields"][1]
    path = f"meta/bases/{people.base}/tables/{people.table['id']}/fields/{field['id']}"

    renamed = people.writer.ask("PATCH", path, json={"name": "Full name"})
    retyped = people.writer.ask("PATCH", path, json={"type": "number"})

    assert renamed.json() == {**field, "name": "Full name"}
    assert retyped.status_code == 422
    assert code(people.upsert(person(1))) == (422, "UNKNOWN_FIELD_NAME")


def test_two_tables_of_one_name_are_refused(people: People) -> None:
    again = {"name": "people", "fields": FIELDS}

    answer = people.writer.ask("POST", f"meta/bases/{people.base}/tables", json=again)

    assert code(answer) == (422, "DUPLICATE_TABLE_NAME")


def test_a_computed_cell_takes_nothing(writer: Tables) -> None:
    path = writer.path("Operations", "Orders")

    refused = writer.ask("POST", path, json={"fields": {"Order": "A-1"}})

    assert code(refused) == (422, "INVALID_VALUE_FOR_COLUMN")


@pytest.mark.parametrize(
    ("number", "base", "method", "path"),
    [
        (0, "Operations", "POST", "{base}/Orders"),
        (0, "Operations", "POST", "meta/bases/{base}/tables"),
        (1, "Content calendar", "POST", "{base}/Posts"),
        (1, "Operations", "POST", "meta/bases/{base}/tables"),
        (1, "Hub", "PATCH", "{base}/Nothing"),
    ],
)
def test_nobody_writes_where_scope_or_permission_level_forbid_it(
    caller: Caller, number: int, base: str, method: str, path: str
) -> None:
    caller.control("set", slug="airtable", limits=False)
    tables = Tables(caller, number)

    answer = tables.ask(method, path.format(base=tables.bases[base]), json={"fields": {}})

    assert code(answer) == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")


def test_what_is_written_to_the_base_of_writers_is_kept_from_readers(
    people: People, caller: Caller
) -> None:
    id = people.upsert(person(1)).json()["createdRecords"][0]

    assert not caller.truth("airtable", "rows")[id]["visible"]
    assert not caller.truth("airtable", "tables")[people.table["id"]]["visible"]


def test_a_table_or_field_that_vanishes_is_named_when_written_to(
    people: People, caller: Caller
) -> None:
    people.upsert(person(1))
    order: dict[str, Any] = {"slug": "airtable", "entity": "tables", "ids": [people.table["id"]]}
    left = [field for field in people.table["fields"] if field["name"] != "Name"]
    caller.control("change", set={"fields": left}, **order)

    without_field = people.upsert(person(2))
    shown = people.cells()
    caller.control("delete", **order)
    without_table = people.upsert(person(2))

    assert code(without_field) == (422, "UNKNOWN_FIELD_NAME")
    assert shown == [{"Hub ID": "copper:person:1"}]
    assert code(without_table) == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")


def test_six_writes_at_a_time_are_too_many_and_nothing_is_written_in_the_lockout(
    people: People, caller: Caller
) -> None:
    count_slowly(caller)

    answers = [people.upsert(person(number)).status_code for number in range(7)]

    assert answers == [200] * 5 + [429] * 2
    assert len(people.log()) == 5
