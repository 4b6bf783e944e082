"""Salesforce: one query by time of change, newest first, with what lies in the recycle bin."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import unquote_plus

import pytest

from integrations.connectors.salesforce import SalesforceConnector
from integrations.errors import (
    AccessTokenRefusedError,
    EntityTypeUnavailableError,
    FatalError,
    ListRestartError,
    OperatorRequiredError,
    RateLimitError,
    RetryableError,
)
from integrations.testing.access import Access, renewed
from integrations.types import Checkpoint, Credentials
from tests.providers.conftest import Reader, assert_all_become_records

OBJECTS = {declared.name: declared.path for declared in SalesforceConnector.entity_types}
ALL_TYPES = list(OBJECTS)
BINNED = ["accounts", "contacts", "opportunities"]


def truth(reader: Reader, entity_type: str, account: str = "") -> set[str]:
    return reader.there(OBJECTS[entity_type], account)


def order(reader: Reader, action: str, entity_type: str, **how: object) -> set[str]:
    return set(reader.order(action, OBJECTS[entity_type], **how))


def paths(reader: Reader) -> list[str]:
    return [unquote_plus(path) for path in reader.asked() if "/data/" in path]


@pytest.mark.parametrize("entity_type", ALL_TYPES)
def test_a_later_read_brings_what_changed_in_two_calls(
    salesforce: Reader, entity_type: str
) -> None:
    salesforce.read(entity_type)
    changed = order(salesforce, "change", entity_type, count=3)
    added = order(salesforce, "add", entity_type, count=2)

    again = salesforce.again(entity_type)

    assert {entity.source_id for entity in again} >= changed | added
    assert len(again) < 30
    assert salesforce.calls == 2
    assert salesforce.ids(entity_type) == truth(salesforce, entity_type)


@pytest.mark.parametrize("entity_type", BINNED)
def test_what_lies_in_the_recycle_bin_is_gone(salesforce: Reader, entity_type: str) -> None:
    salesforce.read(entity_type)
    deleted = order(salesforce, "delete", entity_type, count=2)

    again = salesforce.again(entity_type)

    assert {entity.source_id for entity in again if entity.deleted} == deleted
    assert salesforce.ids(entity_type) == truth(salesforce, entity_type)


def test_a_user_who_left_stays_and_is_inactive(salesforce: Reader) -> None:
    salesforce.read("users")
    left = order(salesforce, "delete", "users", count=1)

    salesforce.again("users")

    (user,) = (salesforce.stored["users"][source_id] for source_id in left)
    assert user.data["IsActive"] is False
    assert not user.deleted


def test_three_thousand_rows_changed_in_one_second_are_all_read(salesforce: Reader) -> None:
    """F32: one stamp fills many pages."""
    at = salesforce.sandbox.sandbox.world.setting.base_time + 60
    order(salesforce, "add", "accounts", count=3000, at=at)

    salesforce.read("accounts")

    assert salesforce.ids("accounts") == truth(salesforce, "accounts")


def test_rows_changed_while_the_list_is_read_are_in_the_next_read(salesforce: Reader) -> None:
    salesforce.read("contacts", None, lambda entity: bool(entity.source_id and entity.position))
    changed = order(salesforce, "change", "contacts", count=20)
    salesforce.again("contacts")

    again = salesforce.again("contacts")

    assert changed <= {entity.source_id for entity in again}


def test_a_query_whose_next_page_is_too_old_is_asked_again(salesforce: Reader) -> None:
    salesforce.read("contacts", None, lambda entity: bool(entity.source_id and entity.position))
    salesforce.order("expire_cursors")

    salesforce.again("contacts")

    assert salesforce.ids("contacts") == truth(salesforce, "contacts")


def test_only_fields_that_exist_and_show_are_asked_for(harbour: Reader) -> None:
    part = harbour.sandbox.sandbox.world.parts["salesforce"]
    part.hidden.add(("Opportunity", "Probability"))  # type: ignore[attr-defined]
    account = list(part.accounts)[1]

    harbour.read("opportunities")

    query = next(path for path in paths(harbour) if "FROM Opportunity" in path)
    assert "Amount" in query
    assert "CurrencyIsoCode" not in query
    assert "Probability" not in query
    assert harbour.ids("opportunities") == truth(harbour, "opportunities", account)
    assert_all_become_records(harbour, "opportunities")


def test_a_field_hidden_since_the_fields_were_asked_for_begins_the_list_anew(
    salesforce: Reader,
) -> None:
    salesforce.read("contacts", None, lambda entity: entity.is_rest)
    part = salesforce.sandbox.sandbox.world.parts["salesforce"]
    part.hidden.add(("Contact", "Title"))  # type: ignore[attr-defined]

    with pytest.raises(ListRestartError):
        salesforce.again("contacts")

    salesforce.read("contacts")
    assert salesforce.ids("contacts") == truth(salesforce, "contacts")


def test_a_backfill_begins_at_its_date(salesforce: Reader) -> None:
    rows = salesforce.sandbox.truth("salesforce", "Contact")
    middle = sorted(row["stamp"] for row in rows.values())[160]
    since = Checkpoint(not_before=datetime.fromtimestamp(middle, UTC))
    salesforce.read("contacts", since)

    assert salesforce.ids("contacts") == {id for id, row in rows.items() if row["stamp"] >= middle}


def test_an_object_the_user_may_not_see_leaves_the_others_alone(salesforce: Reader) -> None:
    body = '[{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}]'
    salesforce.order("fault", path="OpportunityStage/describe", status=404, body=body)

    with pytest.raises(EntityTypeUnavailableError):
        salesforce.read("stages")


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (403, '[{"errorCode": "REQUEST_LIMIT_EXCEEDED"}]', RateLimitError),
        (420, "", RetryableError),
        (406, "", RetryableError),
        (400, '[{"errorCode": "QUERY_TIMEOUT"}]', RetryableError),
        (503, '[{"errorCode": "SERVER_UNAVAILABLE"}]', RetryableError),
        (403, '[{"errorCode": "API_DISABLED_FOR_ORG"}]', OperatorRequiredError),
        (410, '[{"errorCode": "UNSUPPORTED_API_VERSION"}]', OperatorRequiredError),
        (400, '[{"errorCode": "INVALID_TYPE"}]', EntityTypeUnavailableError),
        (400, '[{"errorCode": "MALFORMED_QUERY"}]', FatalError),
        (401, '[{"errorCode": "INVALID_SESSION_ID"}]', AccessTokenRefusedError),
    ],
)
def test_each_error_says_whose_turn_it_is(
    salesforce: Reader, status: int, body: str, outcome: type[Exception]
) -> None:
    raised = salesforce.error_of("users", status=status, body=body, path="queryAll")

    assert isinstance(raised, outcome)


def test_used_up_calls_of_a_day_put_the_read_off_by_an_hour(salesforce: Reader) -> None:
    salesforce.order("set", limits_scale=0)

    with pytest.raises(RateLimitError) as refused:
        salesforce.read("users")

    assert refused.value.retry_after == 3600


def test_an_expired_session_is_refused_and_a_new_one_goes_on(
    salesforce: Reader, access: Access
) -> None:
    salesforce.read("contacts", None, lambda entity: bool(entity.source_id and entity.position))
    salesforce.order("expire_tokens")
    with pytest.raises(AccessTokenRefusedError):
        salesforce.again("contacts")

    fresh = renewed(SalesforceConnector, salesforce.sandbox.sandbox, access)
    salesforce.credentials = fresh.credentials
    salesforce.again("contacts")

    assert salesforce.ids("contacts") == truth(salesforce, "contacts")
    assert fresh.refresh_token == access.refresh_token


def test_identity_is_the_organization(salesforce: Reader) -> None:
    account = salesforce.account()

    assert (account.id[:3], account.label) == ("00D", "Nordlicht GmbH")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "http://acme.my.salesforce.com",
        "https://my.salesforce.com.evil.example",
    ],
)
def test_an_instance_that_is_not_salesforces_is_not_called(
    salesforce: Reader, address: str
) -> None:
    salesforce.credentials = Credentials("token", extra={"instance_url": address})

    with pytest.raises(FatalError, match="instance_url"):
        salesforce.client()


def test_a_poisoned_row_is_set_aside_and_the_page_survives(salesforce: Reader) -> None:
    order(salesforce, "poison", "accounts", index=5, kind="nul", field="Description")

    read = salesforce.read("accounts")

    unreadable = [entity for entity in read if not isinstance(entity.payload, dict)]
    assert [entity.payload.reason for entity in unreadable] == ["holds a NUL character"]  # type: ignore[union-attr]
    assert len(read) == len(truth(salesforce, "accounts"))
