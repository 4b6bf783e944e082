"""Answers recorded at the real providers, read from a folder outside the repository.

HUB_SHARED names that folder; by default it is `shared` beside the repository. Without it this
lane is skipped and says so. Nothing of it is kept here but the names of its files and what each
one is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import pytest

from integrations.connectors import registry
from integrations.errors import FatalError, HubError, NotFoundError, ReauthorizationRequiredError
from integrations.http.answer import Answer
from integrations.http.error_table import judge
from integrations.http.json_reader import read_json
from integrations.http.pages import SinglePage
from integrations.records import NormalizedRecord, dig_all
from integrations.types import Entity

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("HUB_SHARED") or REPOSITORY.parent / "shared")
SAMPLES = SHARED / "vendors" / "samples"

pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason=f"no recorded answers: {SAMPLES} is not there (set HUB_SHARED)"
)

ENTITIES = {
    "copper/companies_search_with_custom_fields.json": ("companies", "", 1),
    "copper/custom_field_definitions.json": ("custom_fields", "", 12),
    "quickbooks/item-read.json": ("items", "QueryResponse.Item", 1),
    "quickbooks/customer-read.json": ("customers", "QueryResponse.Customer", 1),
}
"""File: entity type, where its rows lie, how many."""

EMPTY = {"quickbooks/account-read-empty.json": "QueryResponse.Account"}
"""Lists without rows, of a type not synced; the page itself is ours to read."""

ERRORS: dict[str, tuple[int, type[HubError]]] = {
    "copper/error_invalid_params.json": (422, FatalError),
    "copper/error_unprocessable_entity.json": (422, FatalError),
    "copper/error_not_found.json": (404, NotFoundError),
    # Their codes were simplified by whoever recorded them: 100 is QuickBooks' sign-in failure.
    "quickbooks/error-bad-request.json": (400, ReauthorizationRequiredError),
    "quickbooks/write-error.json": (400, ReauthorizationRequiredError),
}
"""File: the status it came with, and whose turn it makes it."""

NOT_SYNCED = {
    "copper/projects_search_page1.json": ("", 2),
    "quickbooks/account-read-with-next-page.json": ("QueryResponse.Account", 1),
    "quickbooks/php-sdk-transfer.json": ("Transfer", 1),
}
"""File of an entity type no connector declares: where its rows lie, how many."""

NOT_OURS = {
    "quickbooks/change_data_capture_response.xml",
    "quickbooks/customer_duplicate_error.xml",
    "quickbooks/deleted_customer.xml",
    "quickbooks/fault.xml",
    "quickbooks/fetch_payment_by_id.xml",
    "quickbooks/invoice_delete_success_response.xml",
}
"""XML; the hub asks for JSON and reads nothing else."""


def read(name: str, rows_at: str = "") -> Any:
    return read_json((SAMPLES / name).read_bytes(), rows_at)


def connector_of(name: str) -> Any:
    registry.load()
    return registry.get_connector(name.partition("/")[0])(None)


def test_every_recorded_answer_is_accounted_for() -> None:
    there = {
        f"{slug}/{path.name}"
        for slug in ("copper", "quickbooks")
        for path in (SAMPLES / slug).iterdir()
        if path.suffix in (".json", ".xml")
    }

    assert there == {*ENTITIES, *EMPTY, *ERRORS, *NOT_SYNCED, *NOT_OURS}


@pytest.mark.parametrize("name", ENTITIES)
def test_a_recorded_entity_becomes_a_valid_record(name: str) -> None:
    entity_type, rows_at, count = ENTITIES[name]
    connector = connector_of(name)
    rows = dig_all(read(name, rows_at), rows_at)
    assert len(rows) == count

    for number, row in enumerate(rows):
        record = connector.transform(Entity(entity_type, str(row.get("id", number)), row))
        record.validate()
        assert isinstance(record, NormalizedRecord)
        assert isinstance(record, connector.entity_type(entity_type).record_types)


class Recorded:
    """A client that has one answer."""

    provider: ClassVar[Any] = None

    def __init__(self, body: Any) -> None:
        self.body = body

    def get(self, path: str, params: Any = None, *, rows_at: Any = "") -> Answer:
        return Answer(200, {}, self.body)


@pytest.mark.parametrize("name", EMPTY)
def test_a_recorded_empty_page_is_a_complete_list_without_rows(name: str) -> None:
    connector = connector_of(name)
    pages: Any = SinglePage(Recorded(read(name)), "/query", EMPTY[name], "Id")  # type: ignore[arg-type]

    came = list(pages.entities(connector.entity_type("customers")))

    assert [one.is_rest for one in came] == [True]
    assert came[0].position.done


@pytest.mark.parametrize("name", ENTITIES)
def test_a_recorded_success_is_no_error(name: str) -> None:
    provider = connector_of(name).provider

    assert judge(Answer(200, {}, read(name)), provider, None, None) is None


@pytest.mark.parametrize("name", ERRORS)
def test_a_recorded_error_says_whose_turn_it_is(name: str) -> None:
    status, error = ERRORS[name]

    said = judge(Answer(status, {}, read(name)), connector_of(name).provider, None, None)

    assert type(said) is error


@pytest.mark.parametrize("name", NOT_SYNCED)
def test_rows_of_types_not_synced_are_read_all_the_same(name: str) -> None:
    rows_at, count = NOT_SYNCED[name]

    assert len(dig_all(read(name, rows_at), rows_at)) == count
    assert judge(Answer(200, {}, read(name)), connector_of(name).provider, None, None) is None
