"""What Airtable's bases, tables and rows become."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.connectors.airtable import AirtableConnector
from integrations.errors import RecordRejectedError
from integrations.records import Folder, NormalizedRecord, Row
from integrations.types import Entity, Ref

NAME = "fldName0000000001"
TAGS = "fldTags0000000002"


def record(entity_type: str, payload: dict[str, Any], scope: str = "") -> NormalizedRecord:
    made = AirtableConnector(None).transform(Entity(entity_type, "1", payload, scope))
    made.validate()
    return made


def titled(cell: object) -> NormalizedRecord:
    payload = {"id": "rec1", "fields": {NAME: cell}, "primaryFieldId": NAME}
    return record("rows", payload, "tbl1")


def test_a_base_is_a_folder_and_a_table_a_folder_in_it() -> None:
    base = {"id": "app1", "name": "Workshop", "permissionLevel": "create"}
    table = {"id": "tbl1", "name": "People", "primaryFieldId": NAME, "fields": [], "views": []}

    assert record("bases", base) == Folder("Workshop", kind="base")
    assert record("tables", table, "app1") == Folder(
        "People", parent=Ref("bases", "app1"), kind="table"
    )


def test_a_row_goes_by_its_primary_cell_and_names_its_table() -> None:
    payload = {
        "id": "recQ1w2E3r4T5y6U7",
        "createdTime": "2026-05-01T08:00:00.000Z",
        "fields": {NAME: "Ida Petersen", TAGS: ["vip"]},
        "primaryFieldId": NAME,
    }

    assert record("rows", payload, "tbl1") == Row("Ida Petersen", table=Ref("tables", "tbl1"))


@pytest.mark.parametrize(
    ("cell", "title"),
    [
        (7, "7"),
        (0, "0"),
        (12.5, "12.5"),
        ("2026-05-31", "2026-05-31"),
        (["Ida", "Jo"], "Ida, Jo"),
        ({"text": "4006381333931", "type": "ean13"}, "4006381333931"),
    ],
)
def test_a_primary_cell_of_any_type_is_told_as_text(cell: object, title: str) -> None:
    assert titled(cell) == Row(title, table=Ref("tables", "tbl1"))


def test_a_row_without_a_primary_cell_has_no_title() -> None:
    payload = {"id": "rec1", "fields": {TAGS: ["vip"]}, "primaryFieldId": NAME}
    of_a_table_nobody_could_read = {**payload, "primaryFieldId": None}

    assert record("rows", payload, "tbl1") == Row(None, table=Ref("tables", "tbl1"))
    assert record("rows", of_a_table_nobody_could_read, "tbl1") == Row(
        None, table=Ref("tables", "tbl1")
    )


def test_a_base_without_a_name_is_refused() -> None:
    with pytest.raises(RecordRejectedError, match="name is missing"):
        record("bases", {"id": "app1", "name": ""})
