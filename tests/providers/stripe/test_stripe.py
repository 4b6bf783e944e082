"""Stripe: lists once, events from then on, and errors that say whose turn it is."""

from __future__ import annotations

import pytest

from integrations.connectors.lines import count_lines
from integrations.connectors.stripe import StripeConnector
from integrations.errors import (
    AccessTokenRefusedError,
    EntityTypeUnavailableError,
    ReauthorizationRequiredError,
)
from integrations.records import NormalizedRecord
from integrations.testing.clock import SkippingClock
from integrations.types import Checkpoint, Credentials, Cursor, Entity, Unreadable
from tests.providers.conftest import Reader

ALL_TYPES = [declared.name for declared in StripeConnector.entity_types]


def records(reader: Reader, entity_type: str) -> dict[str, NormalizedRecord]:
    connector = StripeConnector(None)
    return {one.source_id: connector.transform(one) for one in reader.known(entity_type)}


@pytest.mark.parametrize("entity_type", ALL_TYPES)
def test_a_later_read_brings_what_changed_in_one_call(stripe: Reader, entity_type: str) -> None:
    stripe.read(entity_type)
    changed = stripe.order("change", entity_type, count=3)
    added = stripe.order("add", entity_type, count=2)

    again = stripe.again(entity_type)

    assert {one.source_id for one in again} == {*changed, *added}
    assert stripe.calls == 1
    assert stripe.ids(entity_type) == stripe.there(entity_type)


@pytest.mark.parametrize("entity_type", ALL_TYPES)
def test_read_in_full_or_through_events_it_becomes_the_same_record(
    stripe: Reader, entity_type: str
) -> None:
    stripe.read(entity_type)
    stripe.order("change", entity_type, count=5)
    stripe.order("add", entity_type, count=2)
    stripe.again(entity_type)
    through_events = records(stripe, entity_type)
    payloads = {one.source_id: one.payload for one in stripe.known(entity_type)}

    stripe.read(entity_type)

    assert records(stripe, entity_type) == through_events
    assert {one.source_id: one.payload for one in stripe.known(entity_type)} == payloads


@pytest.mark.parametrize("entity_type", ["products", "customers"])
def test_what_is_deleted_is_reported_as_gone(stripe: Reader, entity_type: str) -> None:
    stripe.read(entity_type)
    stripe.order("change", entity_type, count=2)
    deleted = stripe.order("delete", entity_type, count=2)

    again = stripe.again(entity_type)

    assert {one.source_id for one in again if one.deleted} == set(deleted)
    assert stripe.ids(entity_type) == stripe.there(entity_type)


def test_a_deleted_draft_is_gone_and_another_invoice_is_only_voided(stripe: Reader) -> None:
    stripe.read("invoices")
    rows = {one.source_id: one.data["status"] for one in stripe.known("invoices")}
    draft = next(id for id, status in rows.items() if status == "draft")
    paid = next(id for id, status in rows.items() if status == "paid")
    stripe.order("delete", "invoices", ids=[draft, paid])

    again = stripe.again("invoices")

    assert {one.source_id: one.deleted for one in again} == {draft: True, paid: False}
    assert records(stripe, "invoices")[paid].to_data()["status"] == "void"


def test_of_several_changes_to_one_object_the_newest_counts(stripe: Reader) -> None:
    stripe.read("customers")
    id = next(iter(stripe.ids("customers")))
    for name in ("First Ltd", "Second Ltd", "Third Ltd"):
        change = {"business_name": name, "name": name}
        stripe.order("change", "customers", ids=[id], set=change)

    again = stripe.again("customers")

    assert [one.source_id for one in again] == [id]
    assert records(stripe, "customers")[id].to_data()["name"] == "Third Ltd"


def test_an_event_in_another_version_is_asked_for_again(stripe: Reader) -> None:
    stripe.read("invoices")
    stripe.sandbox.sandbox.world.parts["stripe"].event_version = "2022-11-15"  # type: ignore[attr-defined]
    changed = stripe.order("change", "invoices", count=3)

    again = stripe.again("invoices")

    assert {one.source_id for one in again} == set(changed)
    assert {one.data["object"] for one in again} == {"invoice"}
    assert stripe.calls == 1 + 3


def test_an_old_event_of_something_deleted_since_tells_that_it_is_gone(stripe: Reader) -> None:
    stripe.read("customers")
    stripe.sandbox.sandbox.world.parts["stripe"].event_version = "2022-11-15"  # type: ignore[attr-defined]
    changed = stripe.order("change", "customers", count=1)
    stripe.order("delete", "customers", ids=changed, at=1)

    again = stripe.again("customers")

    assert [(one.source_id, one.deleted) for one in again] == [(changed[0], True)]


def test_quiet_events_leave_the_checkpoint_where_it_is(stripe: Reader) -> None:
    stripe.read("charges")
    begun = stripe.cursors["charges"][""]

    assert set(begun) == {"high"}
    assert stripe.again("charges") == []
    assert stripe.cursors["charges"][""] == begun


@pytest.mark.parametrize("entity_type", ["customers", "invoices"])
def test_stopped_at_any_page_the_list_goes_on_there(stripe: Reader, entity_type: str) -> None:
    stripe.order("add", entity_type, count=150)
    since: Checkpoint | None = None
    for _ in range(20):
        before = stripe.ids(entity_type)
        seen = stripe.read(entity_type, since, lambda one: one.position is not None)
        assert not before & {one.source_id for one in seen}
        since = stripe.checkpoint(entity_type)
        if "high" in stripe.cursors[entity_type][""]:
            break

    assert stripe.ids(entity_type) == stripe.there(entity_type)


def test_stopped_within_the_events_nothing_is_lost_or_turned_back(stripe: Reader) -> None:
    stripe.read("customers")
    ids = sorted(stripe.ids("customers"))
    for name in ("Before Ltd", "Now Ltd"):
        for part in (ids[:40], ids[40:]):
            change = {"business_name": name, "name": name}
            stripe.order("change", "customers", ids=part, set=change)
    stripe.order("delete", "customers", ids=ids[:2])

    places: list[Cursor] = []
    while not places or "walk" in places[-1]:
        stripe.read("customers", stripe.checkpoint("customers"), lambda one: bool(one.position))
        assert stripe.cursors["customers"][""] not in places
        places.append(stripe.cursors["customers"][""])

    assert stripe.ids("customers") == stripe.there("customers")
    assert {record.to_data()["name"] for record in records(stripe, "customers").values()} == {
        "Now Ltd"
    }


def test_a_list_that_ends_at_something_deleted_is_begun_again(stripe: Reader) -> None:
    stripe.order("add", "customers", count=150)
    stripe.read("customers", None, _is_at_a_page)
    last = stripe.cursors["customers"][""]["page"]
    stripe.order("delete", "customers", ids=[last])

    stripe.again("customers")

    assert stripe.ids("customers") - {last} == stripe.there("customers")


def test_a_poisoned_customer_is_one_unreadable_row(stripe: Reader) -> None:
    poisoned = stripe.order("poison", "customers", kind="nul", index=3)

    stripe.read("customers")

    assert stripe.ids("customers") == stripe.there("customers")
    assert isinstance(stripe.stored["customers"][poisoned[0]].payload, Unreadable)


def test_identity_is_the_account(stripe: Reader) -> None:
    account = stripe.account()

    assert (account.id, account.label) == ("acct_1NordlichtGmbH01", "Nordlicht GmbH")


def test_a_rolled_key_needs_a_person(stripe: Reader) -> None:
    stripe.order("revoke")

    with pytest.raises(ReauthorizationRequiredError, match="api_key_expired"):
        stripe.read("products")


def test_an_unknown_key_is_refused_and_shows_nothing_of_itself(stripe: Reader) -> None:
    stripe.credentials = Credentials(key="rk_live_0123456789")

    with pytest.raises(AccessTokenRefusedError) as refused:
        stripe.read("products")

    assert "0123456789" not in str(refused.value)


def test_a_key_without_the_permission_makes_one_type_unavailable(stripe: Reader) -> None:
    body = '{"error": {"type": "invalid_request_error", "message": "no permission"}}'
    stripe.order("fault", path="/charges", status=403, body=body)

    with pytest.raises(EntityTypeUnavailableError):
        stripe.read("charges")


@pytest.mark.parametrize(
    ("status", "code"), [(429, "rate_limit"), (409, ""), (424, ""), (400, "lock_timeout")]
)
def test_what_passes_is_asked_again(stripe: Reader, status: int, code: str) -> None:
    body = f'{{"error": {{"type": "api_error", "code": "{code}"}}}}'
    headers = {"Retry-After": "0.1"}
    stripe.order("fault", path="/products", status=status, body=body, headers=headers)
    stripe.clock = SkippingClock()  # or a call that a busy machine holds up ends the walk

    stripe.read("products")

    assert stripe.ids("products") == stripe.there("products")
    assert stripe.calls == 2


def test_it_costs_few_lines() -> None:
    lines = count_lines(StripeConnector)

    assert lines.methods <= 45
    assert lines.declared <= 60


def _is_at_a_page(entity: Entity) -> bool:
    return entity.position is not None and "page" in entity.position.cursor
