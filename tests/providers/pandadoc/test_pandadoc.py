"""PandaDoc: documents oldest change first with their details, and the list of deleted ones."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
import pytest

from integrations.errors import (
    AccessTokenRefusedError,
    EntityTypeUnavailableError,
    FatalError,
    HubError,
    RateLimitError,
    RetryableError,
)
from integrations.types import Checkpoint, Credentials, Entity
from tests.providers.conftest import Reader, assert_all_become_records

TYPES = ["members", "contacts", "templates", "documents"]
UPLOADED = "document.uploaded"


def asked(reader: Reader) -> list[str]:
    """Path and query of the API calls so far, without what all have in common."""
    paths = reader.asked()
    return [path.partition("/public/v1/")[2] for path in paths if "/public/v1/" in path]


def hashes(entities: dict[str, Entity]) -> dict[str, str]:
    return {
        source_id: sha256(orjson.dumps(one.data, option=orjson.OPT_SORT_KEYS)).hexdigest()
        for source_id, one in entities.items()
    }


@pytest.mark.parametrize("entity_type", TYPES)
def test_a_full_read_brings_all_there_is(pandadoc: Reader, entity_type: str) -> None:
    truth = pandadoc.sandbox.truth("pandadoc", entity_type)

    pandadoc.read(entity_type)

    assert pandadoc.ids(entity_type) == set(truth)
    differing = [
        source_id
        for source_id, found in hashes(pandadoc.stored[entity_type]).items()
        if found != truth[source_id]["sha256"]
    ]
    processing = [
        one.source_id for one in pandadoc.known(entity_type) if one.data.get("status") == UPLOADED
    ]
    assert differing == processing
    assert_all_become_records(pandadoc, entity_type)


def test_a_document_still_being_processed_is_read_as_listed_until_it_changes(
    pandadoc: Reader,
) -> None:
    pandadoc.read("documents")
    [waiting] = [one for one in pandadoc.known("documents") if one.data["status"] == UPLOADED]
    assert f"documents/{waiting.source_id}/details" not in asked(pandadoc)

    ids = [waiting.source_id]
    pandadoc.order("change", "documents", ids=ids, set={"status": "document.draft"})
    pandadoc.again("documents")

    assert pandadoc.stored["documents"][waiting.source_id].data["recipients"]


def test_a_later_read_costs_two_lists_and_a_call_for_each_changed_document(
    pandadoc: Reader,
) -> None:
    pandadoc.read("documents")
    changed = pandadoc.order("change", "documents", count=3)
    added = pandadoc.order("add", "documents", count=2)
    before = pandadoc.stored["documents"].copy()

    again = pandadoc.again("documents")

    came = {entity.source_id for entity in again if not entity.deleted}
    at_the_end = max(one.data["date_modified"] for one in before.values())
    overlapping = {
        one.source_id for one in before.values() if one.data["date_modified"] == at_the_end
    }
    assert {*changed, *added} <= came <= {*changed, *added, *overlapping}
    assert pandadoc.calls == 2 + len(came)


def test_what_was_deleted_is_gone_from_where_it_was_stored(pandadoc: Reader) -> None:
    for entity_type in ("documents", "templates"):
        pandadoc.read(entity_type)
        ids = pandadoc.order("delete", entity_type, count=2)

        again = pandadoc.again(entity_type)

        gone = {entity.source_id for entity in again if entity.deleted}
        assert set(ids) <= gone
        assert {entity.scope for entity in again} == {""}
        assert not set(ids) & pandadoc.ids(entity_type)


def test_a_document_deleted_after_it_was_listed_is_gone(pandadoc: Reader) -> None:
    ids = sorted(pandadoc.there("documents"))
    body = '{"type":"request_error","detail":"Not found"}'
    path = f"documents/{ids[3]}/details"
    pandadoc.order("fault", path=path, status=404, body=body)

    pandadoc.read("documents")

    assert set(ids) - pandadoc.ids("documents") == {ids[3]}


def test_stopped_behind_any_document_none_is_asked_for_twice(pandadoc: Reader) -> None:
    pandadoc.order("add", "documents", count=60)
    since: Checkpoint | None = None
    for _ in range(40):
        came = 0

        def enough(entity: Entity) -> bool:
            nonlocal came
            came += not entity.is_rest and not entity.deleted
            return came >= 8

        pandadoc.read("documents", since, enough)
        since = pandadoc.checkpoint("documents")
        if came < 8:
            break

    assert pandadoc.ids("documents") == pandadoc.there("documents")
    details = [path for path in asked(pandadoc) if path.endswith("/details")]
    assert len(details) == len(set(details)) > 100


def test_a_finished_list_is_not_begun_again_before_that_of_the_deleted(pandadoc: Reader) -> None:
    pandadoc.read("documents")
    calls = len(asked(pandadoc))

    since = pandadoc.checkpoint("documents", finished=frozenset({""}))
    pandadoc.read("documents", since)

    assert asked(pandadoc)[calls:] == ["documents?deleted=true&page=1&count=100"]


def test_a_backfill_date_is_the_first_bound(pandadoc: Reader) -> None:
    pandadoc.read("documents")
    changed = sorted(one.data["date_modified"] for one in pandadoc.known("documents"))
    floor = datetime.fromisoformat(changed[len(changed) // 2][:19] + "+00:00")
    wanted = {
        one.source_id
        for one in pandadoc.known("documents")
        if datetime.fromisoformat(one.data["date_modified"]) >= floor
    }
    pandadoc.stored.clear()

    pandadoc.read("documents", Checkpoint(not_before=floor))

    assert pandadoc.ids("documents") == wanted


def test_a_poisoned_document_is_set_aside_alone(pandadoc: Reader) -> None:
    [poisoned] = pandadoc.order("poison", "documents", index=5, kind="nul")

    read = pandadoc.read("documents")

    assert [one.source_id for one in read if not isinstance(one.payload, dict)] == [poisoned]
    assert pandadoc.ids("documents") == pandadoc.there("documents")


def test_a_key_opens_the_same_workspace_as_a_consent(pandadoc: Reader) -> None:
    pandadoc.read("members")
    by_consent = pandadoc.ids("members")
    key = pandadoc.sandbox.own("/_credentials")["pandadoc"]["keys"][0]

    pandadoc.credentials = Credentials(key=key)
    pandadoc.stored.clear()
    pandadoc.read("members")

    assert pandadoc.ids("members") == by_consent


def test_identity_is_the_workspace(pandadoc: Reader) -> None:
    account = pandadoc.account()

    assert (account.id, account.label) == ("nordlichtWorkspace23ab", "Nordlicht GmbH")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"type": "authentication_error", "detail": "…"}, AccessTokenRefusedError),
        (403, {"type": "permissions_error", "detail": "…"}, EntityTypeUnavailableError),
        (400, {"type": "validation_error", "detail": {"count": ["…"]}}, FatalError),
        (409, {"id": "a", "status": UPLOADED, "info_message": "…"}, RetryableError),
        (423, {}, RetryableError),
        (429, {"type": "throttled", "detail": "…"}, RateLimitError),
        (429, {"type": "request_error", "detail": "… in 13 seconds."}, RateLimitError),
        (200, {"type": "throttled", "detail": "…"}, RetryableError),
    ],
)
def test_an_answer_says_whose_turn_it_is(
    pandadoc: Reader, status: int, body: dict[str, Any], error: type[HubError]
) -> None:
    raised = pandadoc.error_of("members", status=status, body=body)

    assert isinstance(raised, error)


def test_more_than_an_endpoint_allows_is_refused_until_its_minute_is_over(
    pandadoc: Reader,
) -> None:
    pandadoc.order("set", limits=True, limits_scale=0.05)
    pandadoc.sandbox.count_slowly("pandadoc", "details")

    with pytest.raises(RateLimitError) as refused:
        pandadoc.read("documents")
    assert refused.value.retry_after == 60
    assert len(pandadoc.ids("documents")) >= 30
