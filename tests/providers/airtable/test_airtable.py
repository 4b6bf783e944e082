"""Airtable: bases, tables, and the rows of each, in full once and then those modified."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.connectors.airtable import AirtableConnector
from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    EntityTypeUnavailableError,
    FatalError,
    ListRestartError,
    NotFoundError,
    OperatorRequiredError,
    ParentSkippedError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.testing.access import Access, renewed
from integrations.types import Checkpoint, Credentials, Entity
from tests.providers.airtable.conftest import count_slowly
from tests.providers.conftest import Reader

ALL_TYPES = [declared.name for declared in AirtableConnector.entity_types]
TABLES = 6


def read_all(reader: Reader) -> None:
    for entity_type in ALL_TYPES:
        reader.again(entity_type)


def requests(reader: Reader) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = reader.sandbox.own("/_requests?slug=airtable")
    return found


def test_a_later_read_asks_once_for_each_table_and_brings_what_was_modified(
    airtable: Reader,
) -> None:
    read_all(airtable)
    changed = airtable.order("change", "rows", count=3)
    added = airtable.order("add", "rows", count=2)

    again = airtable.again("rows")

    assert {entity.source_id for entity in again} >= {*changed, *added}
    assert len(again) < 30
    assert airtable.calls == TABLES
    assert airtable.ids("rows") == airtable.there("rows")


def test_what_is_asked_for_reaches_back_to_shortly_before_the_last_run(airtable: Reader) -> None:
    began = datetime.now(UTC)
    read_all(airtable)
    ended = datetime.now(UTC)
    airtable.forget_asked()

    airtable.again("rows")

    asked = [parse_qs(urlsplit(one["path"]).query) for one in requests(airtable)]
    (formula,) = {one["filterByFormula"][0] for one in asked}
    since = datetime.fromisoformat(formula.removesuffix("')").rpartition("'")[2])
    assert began - timedelta(seconds=605) <= since <= ended - timedelta(seconds=595)
    assert {one["returnFieldsByFieldId"][0] for one in asked} == {"true"}


def test_deletions_are_seen_by_a_full_read_alone(airtable: Reader) -> None:
    read_all(airtable)
    deleted = airtable.order("delete", "rows", count=7)

    airtable.again("rows")
    fresh = replace(airtable, stored={**airtable.stored, "rows": {}}, cursors={})
    fresh.read("rows")

    assert airtable.ids("rows") >= set(deleted)
    assert fresh.ids("rows") == airtable.there("rows")


def test_a_list_whose_iterator_is_lost_begins_again_from_its_first_page(airtable: Reader) -> None:
    airtable.read("bases")
    airtable.read("tables")
    table = next(one for one in airtable.known("tables") if one.data["name"] == "Companies")
    add = {"set": {}, "count": 700}
    airtable.order("add", "rows", **add)
    airtable.stored["tables"] = {table.source_id: table}
    airtable.read("rows", stop_after=first_page)
    airtable.forget_asked()
    airtable.order("expire_cursors")

    airtable.again("rows")

    below = airtable.sandbox.truth("airtable", "rows").values()
    assert airtable.ids("rows") == {one["id"] for one in below if one["scope"] == table.source_id}
    assert [("offset" in one["path"], one["status"]) for one in requests(airtable)][:2] == [
        (True, 422),
        (False, 200),
    ]


def first_page(entity: Entity) -> bool:
    return entity.position is not None and "page" in entity.position.cursor


def test_a_backfill_begins_at_its_date(airtable: Reader) -> None:
    rows = airtable.sandbox.truth("airtable", "rows")
    middle = sorted(row["stamp"] for row in rows.values())[200]
    airtable.read("bases")
    airtable.read("tables")

    airtable.read("rows", Checkpoint(not_before=datetime.fromtimestamp(middle, UTC)))
    again = airtable.again("rows")

    assert airtable.ids("rows") == {id for id, row in rows.items() if row["stamp"] > middle}
    assert again == []


def test_a_base_that_is_no_longer_shared_is_passed_over(airtable: Reader) -> None:
    airtable.read("bases")
    theirs = Entity("bases", "appOfSomebodyElse", {"name": "Gone"})
    airtable.stored["bases"]["appOfSomebodyElse"] = theirs

    airtable.read("tables")

    assert airtable.skipped == {"appOfSomebodyElse": "parent_skipped"}
    assert airtable.ids("tables") == airtable.there("tables")


def test_a_deleted_table_is_passed_over(airtable: Reader) -> None:
    read_all(airtable)
    (gone,) = airtable.order("delete", "tables")

    airtable.again("rows")

    assert airtable.skipped == {gone: "parent_skipped"}


def test_a_list_of_bases_of_several_pages_is_read_to_its_end(airtable: Reader) -> None:
    added = airtable.order("add", "bases", count=1001)

    airtable.read("bases")

    assert airtable.calls == 2
    assert airtable.ids("bases") > set(added)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, {"error": {"type": "AUTHENTICATION_REQUIRED"}}, AccessTokenRefusedError),
        (401, {"error": {"type": "UNAUTHORIZED"}}, AccessTokenRefusedError),
        (403, {"error": {"type": "INVALID_PERMISSIONS"}}, EntityTypeUnavailableError),
        (403, {"error": {"type": "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"}}, ParentSkippedError),
        (404, {"error": "NOT_FOUND"}, NotFoundError),
        (404, {"error": {"type": "ROW_DOES_NOT_EXIST"}}, NotFoundError),
        (413, {"error": {"type": "REQUEST_TOO_LARGE"}}, FatalError),
        (422, {"error": {"type": "UNKNOWN_FIELD_NAME"}}, FatalError),
        (422, {"error": "INVALID_REQUEST_UNKNOWN"}, FatalError),
        (422, {"error": {"type": "INVALID_FILTER_BY_FORMULA"}}, CheckpointExpiredError),
        (422, {"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}, ListRestartError),
        (422, {"error": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}, ListRestartError),
        (429, {"errors": [{"error": "RATE_LIMIT_REACHED"}]}, RateLimitError),
        (429, {"error": {"type": "RATE_LIMIT_REACHED"}}, RateLimitError),
        (429, {"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED"}, OperatorRequiredError),
        (429, {"errors": [{"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED"}]}, OperatorRequiredError),
        (503, {"error": "SERVICE_UNAVAILABLE"}, RetryableError),
    ],
)
def test_each_error_says_whose_turn_it_is(
    airtable: Reader, status: int, body: dict[str, str], outcome: type[Exception]
) -> None:
    raised = airtable.error_of("bases", status=status, body=body)

    assert isinstance(raised, outcome)


def test_a_base_that_locks_the_hub_out_is_asked_again_after_half_a_minute(
    airtable: Reader,
) -> None:
    airtable.read("bases")
    count_slowly(airtable.sandbox)
    for _ in range(5):
        airtable.read("tables")
    airtable.forget_asked()

    with pytest.raises(RateLimitError) as refused:
        airtable.read("tables")

    assert refused.value.retry_after == 30
    assert [one["status"] for one in requests(airtable)] == [429]


def test_a_refresh_token_works_once_and_its_reuse_ends_the_grant(
    airtable: Reader, access: Access
) -> None:
    sandbox = airtable.sandbox.sandbox
    fresh = renewed(AirtableConnector, sandbox, access)
    with pytest.raises(AccessTokenRefusedError):
        airtable.read("bases")
    airtable.credentials = fresh.credentials
    airtable.read("bases")

    with pytest.raises(ReauthorizationRequiredError):
        renewed(AirtableConnector, sandbox, access)

    assert fresh.refresh_token != access.refresh_token
    with pytest.raises(AccessTokenRefusedError):
        airtable.read("bases")
    with pytest.raises(ReauthorizationRequiredError):
        renewed(AirtableConnector, sandbox, fresh)


def test_identity_is_the_person_and_goes_by_the_address(airtable: Reader) -> None:
    account = airtable.account()

    assert (account.id, account.label) == ("usrNordlichtGmbH1", "ida@nordlicht.example")


def test_a_personal_access_token_reads_the_same(airtable: Reader) -> None:
    key = airtable.sandbox.own("/_credentials")["airtable"]["keys"][0]["key"]
    airtable.credentials = Credentials(key=key)

    read_all(airtable)

    for entity_type in ALL_TYPES:
        assert airtable.ids(entity_type) == airtable.there(entity_type)


def test_a_poisoned_row_is_set_aside_and_the_page_survives(airtable: Reader) -> None:
    airtable.order("poison", "rows", index=5, kind="nul", field="note")
    airtable.read("bases")
    airtable.read("tables")

    read = airtable.read("rows")

    unreadable = [entity for entity in read if not isinstance(entity.payload, dict)]
    assert [entity.payload.reason for entity in unreadable] == ["holds a NUL character"]  # type: ignore[union-attr]
    assert len(read) == len(airtable.there("rows"))
