"""Bases and tables as a client library recorded them, through the connector's own pages.

HUB_SHARED names the folder of recorded answers, by default `shared` beside the repository.
Without it these are skipped, and say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from integrations.connectors.airtable import AirtableConnector
from integrations.records import Folder
from integrations.types import Ref
from tests.providers.conftest import Reader
from tests.providers.official import SAMPLES, needs

RECORDED = SAMPLES / "airtable"
APARTMENTS = "appLkNDICXNqxSDhG"

pytestmark = needs(RECORDED)


@pytest.fixture
def recorded(airtable: Reader) -> Iterator[Reader]:
    """An account that answers what was recorded: two bases, and the first one's two tables."""
    paths = {
        r"/v0/meta/bases(\?|$)": sample("Bases"),
        f"/v0/meta/bases/{APARTMENTS}/tables": sample("BaseSchema"),
        r"/v0/meta/bases/app\w+/tables": {"tables": [sample("TableSchema")]},
    }
    for path, body in paths.items():
        text = orjson.dumps(body).decode()
        airtable.sandbox.control("fault", path=path, status=200, body=text, count=None)
    yield airtable


def sample(name: str) -> Any:
    return orjson.loads((RECORDED / f"{name}.json").read_bytes())


def test_recorded_bases_become_folders(recorded: Reader) -> None:
    bases = recorded.read("bases")

    connector = AirtableConnector(None)
    assert {one.source_id: connector.transform(one) for one in bases} == {
        APARTMENTS: Folder("Apartment Hunting", kind="base"),
        "appSW9R5uCNmRmfl6": Folder("Project Tracker", kind="base"),
    }


def test_recorded_tables_become_folders_of_their_base(recorded: Reader) -> None:
    recorded.read("bases")

    tables = recorded.read("tables")

    connector = AirtableConnector(None)
    assert [connector.transform(one) for one in tables] == [
        Folder("Apartments", parent=Ref("bases", APARTMENTS), kind="table"),
        Folder("Districts", parent=Ref("bases", APARTMENTS), kind="table"),
        Folder("Apartments", parent=Ref("bases", "appSW9R5uCNmRmfl6"), kind="table"),
    ]


def test_the_sandbox_describes_bases_and_tables_as_they_were_recorded(airtable: Reader) -> None:
    airtable.read("bases")
    airtable.read("tables")

    (base,) = {frozenset(one.data) for one in airtable.known("bases")}
    assert base == set(sample("Bases")["bases"][0])
    there = [*sample("BaseSchema")["tables"], sample("TableSchema")]
    known = {name for table in there for name in table}
    for table in airtable.known("tables"):
        assert set(there[1]) <= set(table.data) <= known
        for field in table.data["fields"]:
            assert {"id", "name", "type"} <= set(field) <= {"id", "name", "type", "options"}
        assert set(table.data["views"][0]) == set(there[0]["views"][0])
