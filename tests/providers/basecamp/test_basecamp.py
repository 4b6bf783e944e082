"""Basecamp: lists of all projects, newest change first, one walk for each status."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
import pytest

from integrations.connectors.basecamp import BasecampConnector
from integrations.errors import (
    AccessTokenRefusedError,
    EntityTypeUnavailableError,
    FatalError,
    HubError,
    NotFoundError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.records import Task
from integrations.types import Checkpoint, Credentials, Entity
from tests.providers.conftest import Reader, assert_all_become_records

TYPES = ["people", "projects", "todos", "messages"]
HREF = "https://3.basecampapi.com/5550001"


def shown(reader: Reader, entity_type: str) -> dict[str, Any]:
    rows = reader.sandbox.truth("basecamp", entity_type)
    return {source_id: row for source_id, row in rows.items() if row["visible"]}


def read_everything(reader: Reader) -> None:
    for entity_type in TYPES:
        reader.again(entity_type)


def asked(reader: Reader) -> list[str]:
    """Path and query of the API calls so far, behind the account."""
    paths = reader.asked()
    return [path.partition("/5550001/")[2] for path in paths if "/5550001/" in path]


def test_a_full_read_brings_all_there_is_in_any_project(basecamp: Reader) -> None:
    read_everything(basecamp)

    for entity_type in TYPES:
        stored = basecamp.stored[entity_type]
        assert {
            source_id: sha256(orjson.dumps(one.data, option=orjson.OPT_SORT_KEYS)).hexdigest()
            for source_id, one in stored.items()
        } == {source_id: row["sha256"] for source_id, row in shown(basecamp, entity_type).items()}
        assert_all_become_records(basecamp, entity_type)
    archived = {
        one.source_id for one in basecamp.known("projects") if one.data["status"] == "archived"
    }
    assert archived & {str(one.data["bucket"]["id"]) for one in basecamp.known("todos")}


def test_ids_beyond_what_a_float_holds_stay_exact(basecamp: Reader) -> None:
    read_everything(basecamp)

    assert min(int(source_id) for source_id in basecamp.ids("todos")) > 2**53
    assert basecamp.ids("todos") == set(shown(basecamp, "todos"))


def test_archived_projects_are_named_and_active_ones_are_not(basecamp: Reader) -> None:
    basecamp.read("projects")
    archived = [
        one.source_id for one in basecamp.known("projects") if one.data["status"] == "archived"
    ]

    basecamp.read("todos")

    lists = [path for path in asked(basecamp) if "page=" not in path and "recordings" in path]
    tail = "&sort=updated_at&direction=desc"
    head = "projects/recordings.json?type=Todo&status="
    named = "%2C".join(archived)
    assert lists == [
        f"{head}{status}{bucket}{tail}"
        for status in ("active", "archived", "trashed")
        for bucket in ("", f"&bucket={named}")
    ]


@pytest.mark.parametrize("entity_type", ["todos", "messages"])
def test_a_later_read_brings_the_changed_and_the_new(basecamp: Reader, entity_type: str) -> None:
    read_everything(basecamp)
    changed = basecamp.order("change", entity_type, count=3)
    added = basecamp.order("add", entity_type, count=2)

    again = basecamp.again(entity_type)

    came = {entity.source_id for entity in again}
    assert {*changed, *added} <= came
    assert len(came) < 0.5 * len(basecamp.ids(entity_type))
    assert basecamp.calls <= 8
    assert basecamp.ids(entity_type) == set(shown(basecamp, entity_type))


@pytest.mark.parametrize("entity_type", ["projects", "todos", "messages"])
def test_what_is_trashed_is_gone_from_wherever_it_was(basecamp: Reader, entity_type: str) -> None:
    read_everything(basecamp)
    ids = basecamp.order("delete", entity_type, count=2)

    again = basecamp.again(entity_type)

    assert {entity.source_id for entity in again if entity.deleted} == set(ids)
    assert {entity.scope for entity in again if entity.deleted} == {""}
    assert not set(ids) & basecamp.ids(entity_type)


def test_what_comes_out_of_the_trash_is_there_again(basecamp: Reader) -> None:
    read_everything(basecamp)
    [source_id] = basecamp.order("delete", "todos", count=1)
    basecamp.again("todos")

    basecamp.order("change", "todos", ids=[source_id], set={"status": "active"})
    basecamp.again("todos")

    assert source_id in basecamp.ids("todos")


def test_a_todo_that_is_archived_is_the_same_record_with_another_status(basecamp: Reader) -> None:
    read_everything(basecamp)
    active = [one.source_id for one in basecamp.known("todos") if one.data["status"] == "active"]

    order = {"ids": active[:1], "set": {"status": "archived", "completed": False}}
    basecamp.order("change", "todos", **order)
    basecamp.again("todos")

    entity = basecamp.stored["todos"][active[0]]
    record = BasecampConnector(None).transform(entity)
    assert isinstance(record, Task)
    assert (record.status, entity.scope) == ("archived", str(entity.data["bucket"]["id"]))


def test_what_a_list_brings_without_its_content_is_asked_for(basecamp: Reader) -> None:
    basecamp.read("projects")
    source_id = min(shown(basecamp, "todos"))
    brief = {"id": int(source_id), "status": "active", "updated_at": "2026-01-01T00:00:00.000Z"}
    basecamp.order(
        "fault",
        path="recordings.json.*status=active&sort",
        status=200,
        body=orjson.dumps([brief]).decode(),
    )

    read = basecamp.read("todos")

    assert read[0].source_id == source_id
    assert read[0].data["type"] == "Todo"
    assert f"todos/{source_id}.json" in asked(basecamp)


def test_stopped_anywhere_it_goes_on(basecamp: Reader) -> None:
    basecamp.read("projects")
    finished: set[str] = set()
    since: Checkpoint | None = None
    for _ in range(40):
        came = 0

        def enough(entity: Entity) -> bool:
            nonlocal came
            came += not entity.is_rest
            if entity.position is not None and entity.position.done:
                finished.add(entity.position.scope)
            return came >= 55

        basecamp.read("todos", since, enough)
        since = basecamp.checkpoint("todos", finished=frozenset(finished))
        if came < 55:
            break

    assert basecamp.ids("todos") == set(shown(basecamp, "todos"))
    assert len(finished) == 6


def test_a_backfill_date_bounds_the_first_read(basecamp: Reader) -> None:
    read_everything(basecamp)
    changed = sorted(one.data["updated_at"] for one in basecamp.known("messages"))
    floor = datetime.fromisoformat(changed[len(changed) // 2])
    wanted = {
        one.source_id
        for one in basecamp.known("messages")
        if datetime.fromisoformat(one.data["updated_at"]) >= floor
    }
    basecamp.stored["messages"].clear()

    basecamp.read("messages", Checkpoint(not_before=floor))

    assert basecamp.ids("messages") == wanted


def test_a_poisoned_person_is_set_aside_alone(basecamp: Reader) -> None:
    [poisoned] = basecamp.order("poison", "people", index=5, kind="nul")

    read = basecamp.read("people")

    assert [one.source_id for one in read if not isinstance(one.payload, dict)] == [poisoned]
    assert basecamp.ids("people") == set(shown(basecamp, "people"))


def test_the_chosen_account_is_where_calls_go(basecamp: Reader) -> None:
    account = basecamp.account()

    assert basecamp.credentials.extra == {"href": HREF}
    assert account.label == next(iter(shown_people(basecamp))).data["name"]


def shown_people(reader: Reader) -> list[Entity]:
    reader.read("people")
    return [one for one in reader.known("people") if one.data["owner"]]


def test_an_account_that_is_not_active_needs_a_person(basecamp: Reader) -> None:
    extra = {"href": "https://3.basecampapi.com/7550001"}
    basecamp.credentials = Credentials(basecamp.credentials.access_token, extra=extra)

    with pytest.raises(ReauthorizationRequiredError):
        basecamp.read("people")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"error": "OAuth token expired (old age)."}, AccessTokenRefusedError),
        (403, {}, EntityTypeUnavailableError),
        (404, {}, NotFoundError),
        (400, {"error": "User-Agent is required"}, FatalError),
        (422, {"errors": {"name": ["can't be blank"]}}, FatalError),
        (429, {}, RateLimitError),
        (502, {}, RetryableError),
    ],
)
def test_an_answer_says_whose_turn_it_is(
    basecamp: Reader, status: int, body: dict[str, Any], error: type[HubError]
) -> None:
    raised = basecamp.error_of("people", status=status, body=body)

    assert isinstance(raised, error)


def test_fifty_calls_in_ten_seconds_are_all_there_are(basecamp: Reader) -> None:
    basecamp.order("set", limits=True, limits_scale=0.04)
    basecamp.sandbox.count_slowly("basecamp", "window")

    with pytest.raises(RateLimitError) as refused:
        basecamp.read("projects")
        basecamp.read("todos")
    assert refused.value.retry_after == 10
