"""HubSpot: searches by time of change, associations page by page, archived objects by a list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.connectors.hubspot import HubSpotConnector
from integrations.errors import (
    AccessTokenRefusedError,
    EntityTypeUnavailableError,
    FatalError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.testing.access import Access, renewed
from integrations.types import Checkpoint
from tests.providers.conftest import Reader

SEARCHED = ["companies", "contacts", "deals"]
CALLS = {"companies": 2, "contacts": 3, "deals": 4}
"""The search, a call for each kind of association, and the archived objects."""


@pytest.mark.parametrize("entity_type", SEARCHED)
def test_a_later_read_brings_what_changed_in_few_calls(hubspot: Reader, entity_type: str) -> None:
    hubspot.read(entity_type)
    changed = hubspot.order("change", entity_type, count=3)
    added = hubspot.order("add", entity_type, count=2)

    again = hubspot.again(entity_type)

    assert {entity.source_id for entity in again} >= {*changed, *added}
    assert len(again) < 30
    assert hubspot.calls == CALLS[entity_type]
    assert hubspot.ids(entity_type) == hubspot.there(entity_type)


@pytest.mark.parametrize("entity_type", SEARCHED)
def test_archived_objects_are_gone(hubspot: Reader, entity_type: str) -> None:
    hubspot.read(entity_type)
    archived = hubspot.order("delete", entity_type, count=120)

    again = hubspot.again(entity_type)

    gone = [entity for entity in again if entity.deleted]
    assert {entity.source_id for entity in gone} == set(archived)
    assert {entity.scope for entity in gone} == {""}
    assert hubspot.ids(entity_type) == hubspot.there(entity_type)


def test_what_changed_keeps_its_associations(hubspot: Reader) -> None:
    hubspot.read("deals")
    changed = hubspot.order("change", "deals", count=5)

    hubspot.again("deals")

    connector = HubSpotConnector(None)
    rows = hubspot.sandbox.sandbox.world.parts["hubspot"]
    account = next(iter(rows.accounts.values()))
    for source_id in changed:
        record = connector.transform(hubspot.stored["deals"][source_id])
        row = rows.table(account, "deals").find(source_id)
        assert row is not None
        links = row.data["links"]
        assert [ref.source_id for ref in (record.company,) if ref] == links["companies"]  # type: ignore[attr-defined]
        assert [ref.source_id for ref in (record.person,) if ref] == links["contacts"]  # type: ignore[attr-defined]


def test_more_objects_than_a_search_counts_to_are_all_read(hubspot: Reader) -> None:
    """The search ends at 10,000; asked again from the last stamp, nothing does."""
    at = hubspot.sandbox.sandbox.world.setting.base_time
    hubspot.order("add", "companies", count=5100, at=at + 10)
    hubspot.order("add", "companies", count=5100, at=at + 20)

    hubspot.read("companies")

    assert len(hubspot.ids("companies")) > 10_000
    assert hubspot.ids("companies") == hubspot.there("companies")


def test_a_backfill_begins_at_its_date(hubspot: Reader) -> None:
    rows = hubspot.sandbox.truth("hubspot", "contacts")
    middle = sorted(row["stamp"] for row in rows.values())[160]

    hubspot.read("contacts", Checkpoint(not_before=datetime.fromtimestamp(middle, UTC)))

    assert hubspot.ids("contacts") == {id for id, row in rows.items() if row["stamp"] >= middle}


def test_a_run_that_has_read_what_is_present_goes_on_with_the_archived(hubspot: Reader) -> None:
    hubspot.read("companies")
    hubspot.forget_asked()

    hubspot.read("companies", hubspot.checkpoint("companies", finished=frozenset({""})))

    asked = hubspot.asked()
    assert asked == ["/hubspot/api/crm/objects/2026-03/companies?limit=100&archived=true"]


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, {"category": "EXPIRED_AUTHENTICATION"}, AccessTokenRefusedError),
        (401, {"category": "INVALID_AUTHENTICATION"}, AccessTokenRefusedError),
        (403, {"category": "MISSING_SCOPES"}, EntityTypeUnavailableError),
        (400, {"category": "VALIDATION_ERROR"}, FatalError),
        (429, {"errorType": "RATE_LIMIT", "policyName": "SECONDLY"}, RateLimitError),
        (423, {"status": "error"}, RetryableError),
        (477, {"status": "error"}, RetryableError),
        (502, {}, RetryableError),
        (521, {}, RetryableError),
    ],
)
def test_each_error_says_whose_turn_it_is(
    hubspot: Reader, status: int, body: dict[str, str], outcome: type[Exception]
) -> None:
    raised = hubspot.error_of("companies", status=status, body=body)

    assert isinstance(raised, outcome)


def test_a_used_up_limit_without_retry_after_is_waited_for_as_long_as_its_window(
    hubspot: Reader,
) -> None:
    hubspot.order("set", limits=True, limits_scale=0)

    with pytest.raises(RateLimitError) as refused:
        hubspot.read("companies")

    assert refused.value.retry_after == 10


def test_an_expired_token_is_renewed_by_a_refresh_token_that_stays(
    hubspot: Reader, access: Access
) -> None:
    hubspot.order("expire_tokens")
    with pytest.raises(AccessTokenRefusedError):
        hubspot.read("companies")

    fresh = renewed(HubSpotConnector, hubspot.sandbox.sandbox, access)
    hubspot.credentials = fresh.credentials
    hubspot.read("companies")

    assert fresh.refresh_token == access.refresh_token
    assert fresh.credentials.extra["hub_id"] == "4710001"


def test_a_dead_refresh_token_needs_a_person(hubspot: Reader, access: Access) -> None:
    hubspot.order("revoke")

    with pytest.raises(ReauthorizationRequiredError):
        renewed(HubSpotConnector, hubspot.sandbox.sandbox, access)


def test_identity_is_the_account(hubspot: Reader) -> None:
    account = hubspot.account()

    assert (account.id, account.label) == ("4710001", "4710001")


def test_a_poisoned_row_is_set_aside_and_the_page_survives(hubspot: Reader) -> None:
    hubspot.order("poison", "contacts", index=5, kind="nul", field="note")

    read = hubspot.read("contacts")

    unreadable = [entity for entity in read if not isinstance(entity.payload, dict)]
    assert [entity.payload.reason for entity in unreadable] == ["holds a NUL character"]  # type: ignore[union-attr]
    assert unreadable[0].source_id in hubspot.there("contacts")
    assert len(read) == len(hubspot.there("contacts"))
