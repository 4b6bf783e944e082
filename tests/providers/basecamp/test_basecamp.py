"""Basecamp: lists of all projects, newest change first, one walk for each status."""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import orjson
import pytest

from integrations.connectors.base import identify
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
from integrations.records import Message, Person, Project, Task
from integrations.types import Checkpoint, Credentials, Entity, Ref
from tests.providers.conftest import Reader, assert_all_become_records
from tests.sandbox.conftest import CALLBACK, Caller

TYPES = ["people", "projects", "todos", "messages"]
HREF = "https://3.basecampapi.com/5550001"


def place(entity_type: str) -> dict[str, str]:
    return {"slug": "basecamp", "entity": entity_type}


def shown(reader: Reader, entity_type: str) -> dict[str, Any]:
    rows = reader.sandbox.truth("basecamp", entity_type)
    return {source_id: row for source_id, row in rows.items() if row["visible"]}


def read_everything(reader: Reader) -> None:
    for entity_type in TYPES:
        reader.read(entity_type, reader.checkpoint(entity_type))


def asked(reader: Reader) -> list[str]:
    """Path and query of the API calls so far, behind the account."""
    paths = [one["path"] for one in reader.sandbox.own("/_requests?slug=basecamp")]
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
    changed = basecamp.sandbox.control("change", count=3, **place(entity_type))["ids"]
    added = basecamp.sandbox.control("add", count=2, **place(entity_type))["ids"]

    again = basecamp.read(entity_type, basecamp.checkpoint(entity_type))

    came = {entity.source_id for entity in again}
    assert {*changed, *added} <= came
    assert len(came) < 0.5 * len(basecamp.ids(entity_type))
    assert basecamp.calls <= 8
    assert basecamp.ids(entity_type) == set(shown(basecamp, entity_type))


@pytest.mark.parametrize("entity_type", ["projects", "todos", "messages"])
def test_what_is_trashed_is_gone_from_wherever_it_was(basecamp: Reader, entity_type: str) -> None:
    read_everything(basecamp)
    ids = basecamp.sandbox.control("delete", count=2, **place(entity_type))["ids"]

    again = basecamp.read(entity_type, basecamp.checkpoint(entity_type))

    assert {entity.source_id for entity in again if entity.deleted} == set(ids)
    assert {entity.scope for entity in again} == {""}
    assert not set(ids) & basecamp.ids(entity_type)


def test_what_comes_out_of_the_trash_is_there_again(basecamp: Reader) -> None:
    read_everything(basecamp)
    [source_id] = basecamp.sandbox.control("delete", count=1, **place("todos"))["ids"]
    basecamp.read("todos", basecamp.checkpoint("todos"))

    basecamp.sandbox.control("change", ids=[source_id], set={"status": "active"}, **place("todos"))
    basecamp.read("todos", basecamp.checkpoint("todos"))

    assert source_id in basecamp.ids("todos")


def test_a_todo_that_is_archived_is_the_same_record_with_another_status(basecamp: Reader) -> None:
    read_everything(basecamp)
    active = [one.source_id for one in basecamp.known("todos") if one.data["status"] == "active"]

    order = {"ids": active[:1], "set": {"status": "archived", "completed": False}}
    basecamp.sandbox.control("change", **order, **place("todos"))
    basecamp.read("todos", basecamp.checkpoint("todos"))

    entity = basecamp.stored["todos"][active[0]]
    record = BasecampConnector(None).transform(entity)
    assert isinstance(record, Task)
    assert (record.status, entity.scope) == ("archived", "")


def test_what_a_list_brings_without_its_content_is_asked_for(basecamp: Reader) -> None:
    basecamp.read("projects")
    source_id = min(shown(basecamp, "todos"))
    brief = {"id": int(source_id), "status": "active", "updated_at": "2026-01-01T00:00:00.000Z"}
    basecamp.sandbox.control(
        "fault",
        slug="basecamp",
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


@pytest.mark.parametrize("entity_type", TYPES)
def test_both_ways_of_reading_bring_equal_records(basecamp: Reader, entity_type: str) -> None:
    read_everything(basecamp)
    ids = basecamp.sandbox.control("change", count=3, **place(entity_type))["ids"]
    basecamp.read(entity_type, basecamp.checkpoint(entity_type))
    connector = BasecampConnector(None)
    later = {one: connector.transform(basecamp.stored[entity_type][one]) for one in ids}

    basecamp.read(entity_type)

    assert {one: connector.transform(basecamp.stored[entity_type][one]) for one in ids} == later


def test_a_poisoned_person_is_set_aside_alone(basecamp: Reader) -> None:
    [poisoned] = basecamp.sandbox.control("poison", index=5, kind="nul", **place("people"))["ids"]

    read = basecamp.read("people")

    assert [one.source_id for one in read if not isinstance(one.payload, dict)] == [poisoned]
    assert basecamp.ids("people") == set(shown(basecamp, "people"))


def test_the_chosen_account_is_where_calls_go(basecamp: Reader) -> None:
    with basecamp.client() as client:
        account = identify(basecamp.connector, client)

    assert basecamp.credentials.extra == {"href": HREF}
    assert account.label == next(iter(shown_people(basecamp))).data["name"]


def shown_people(reader: Reader) -> list[Entity]:
    reader.read("people")
    return [one for one in reader.known("people") if one.data["owner"]]


def test_a_sign_in_opens_accounts_of_other_products_too(basecamp: Reader) -> None:
    url = basecamp.sandbox.at("https://launchpad.37signals.com", "/authorization.json")
    headers = {"Authorization": f"Bearer {basecamp.credentials.access_token}"}

    told = basecamp.sandbox.http.get(url, headers=headers).json()["accounts"]

    assert [(one["product"], one["id"]) for one in told] == [
        ("bcx", 6550001),
        ("bc3", 5550001),
        ("bc3", 7550001),
    ]


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
    said = orjson.dumps(body).decode()
    headers = {"Retry-After": "30"} if issubclass(error, RetryableError) else {}
    basecamp.sandbox.control(
        "fault", slug="basecamp", status=status, body=said, headers=headers, count=None
    )

    with pytest.raises(error):
        basecamp.read("people")


def test_fifty_calls_in_ten_seconds_are_all_there_are(basecamp: Reader) -> None:
    basecamp.sandbox.control("set", slug="basecamp", limits=True, limits_scale=0.04)

    with pytest.raises(RateLimitError) as refused:
        basecamp.read("projects")
        basecamp.read("todos")
    assert refused.value.retry_after == 10


def test_an_expired_token_asks_for_a_refresh(basecamp: Reader) -> None:
    basecamp.sandbox.control("expire_tokens", slug="basecamp")

    with pytest.raises(AccessTokenRefusedError):
        basecamp.read("people")


def test_a_refresh_keeps_its_token_until_rotation_is_switched_on(caller: Caller) -> None:
    client = caller.own("/_credentials")["basecamp"]["clients"][0]
    back = caller.consent(
        caller.at("https://launchpad.37signals.com", "/authorization/new"),
        {
            "client_id": client["client_id"],
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "state": "s",
        },
    )
    app = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    url = caller.at("https://launchpad.37signals.com", "/authorization/token")

    def tokens(status: int = 200, **form: str) -> dict[str, Any]:
        answer = caller.http.post(url, data={**app, **form})
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told

    first = tokens(grant_type="authorization_code", code=back["code"], redirect_uri=CALLBACK)
    assert first["expires_in"] == 1_209_600
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert tokens(**again)["refresh_token"] == first["refresh_token"]
    caller.control("set", slug="basecamp", rotation=True)
    assert tokens(**again)["refresh_token"] != first["refresh_token"]
    assert tokens(400, **again) == {"error": "authorization_expired"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("projects/recordings.json", 400),
        ("projects/recordings.json?type=Task", 400),
        ("projects/recordings.json?type=Todo&status=deleted", 400),
        ("projects/recordings.json?type=Todo&sort=name", 400),
        ("projects/recordings.json?type=Todo&since=2026-01-01", 400),
        ("projects.json?status=gone", 400),
        ("todos/1.json", 404),
        ("deals.json", 404),
        ("projects/recordings.json?type=Comment", 200),
    ],
)
def test_the_sandbox_refuses_what_basecamp_refuses(
    basecamp: Reader, path: str, status: int
) -> None:
    url = basecamp.sandbox.at("https://3.basecampapi.com", f"/5550001/{path}")
    token = f"Bearer {basecamp.credentials.access_token}"

    def get(url: str, **headers: str | None) -> int:
        return basecamp.sandbox.http.get(url, headers=headers).status_code

    assert get(url, Authorization=token) == status
    if path != "deals.json":
        assert get(url) == 401
        assert get(url, **{"Authorization": token, "User-Agent": ""}) == 400
        assert get(url.replace("5550001", "5550002"), Authorization=token) == 404


def test_pages_grow_and_name_the_next_one_in_full(basecamp: Reader) -> None:
    url = basecamp.sandbox.at("https://3.basecampapi.com", "/5550001/projects/recordings.json")
    headers = {"Authorization": f"Bearer {basecamp.credentials.access_token}"}
    params = {"type": "Todo"}

    first = basecamp.sandbox.http.get(url, headers=headers, params=params)
    second = basecamp.sandbox.http.get(url, headers=headers, params={**params, "page": "2"})

    assert (len(first.json()), len(second.json())) == (15, 30)
    assert first.headers["Link"] == (
        f'<{HREF}/projects/recordings.json?type=Todo&page=2>; rel="next"'
    )


RECORDING = {
    "id": 9007199254741301,
    "status": "active",
    "created_at": "2026-02-10T08:00:00.000Z",
    "updated_at": "2026-02-12T06:09:34.637Z",
    "title": "Check brake pads",
    "app_url": "https://3.basecamp.com/5550001/buckets/2085958499/todos/9007199254741301",
    "bucket": {"id": 2085958499, "name": "Shop relaunch", "type": "Project"},
    "creator": {"id": 1049715914, "name": "Ida Petersen"},
}


def test_a_todo_is_a_task_of_its_project() -> None:
    payload = {
        **RECORDING,
        "content": "Check brake pads",
        "description": "<div>Front <b>and</b> rear</div>",
        "completed": False,
        "due_on": "2026-02-20",
        "assignees": [{"id": 1049715915, "name": "Jo Sand"}],
    }

    record = BasecampConnector(None).transform(Entity("todos", "9007199254741301", payload))

    assert record == Task(
        name="Check brake pads",
        description="Front and rear",
        status="active",
        assignees=(Ref("people", "1049715915"),),
        project=Ref("projects", "2085958499"),
        due_on=date(2026, 2, 20),
        url="https://3.basecamp.com/5550001/buckets/2085958499/todos/9007199254741301",
    )


def test_a_message_is_a_post_in_its_project() -> None:
    payload = {**RECORDING, "subject": "Relaunch", "content": "<div>Es geht los</div>"}

    record = BasecampConnector(None).transform(Entity("messages", "9007199254741301", payload))

    assert record == Message(
        subject="Relaunch",
        text="Es geht los",
        author=Ref("people", "1049715914"),
        author_name="Ida Petersen",
        channel=Ref("projects", "2085958499"),
        sent_at=datetime(2026, 2, 10, 8, tzinfo=UTC),
        url="https://3.basecamp.com/5550001/buckets/2085958499/todos/9007199254741301",
        kind="post",
    )


def test_a_project_and_a_person() -> None:
    project = {
        "id": 2085958499,
        "status": "archived",
        "name": "Shop relaunch",
        "description": "",
        "start_date": "2026-01-05",
        "end_date": None,
        "app_url": "https://3.basecamp.com/5550001/projects/2085958499",
    }
    person = {
        "id": 1049715914,
        "name": "Ida Petersen",
        "email_address": None,
        "title": "CEO",
        "client": True,
        "company": {"id": 1033447817, "name": "Kunde AG"},
    }

    connector = BasecampConnector(None)

    assert connector.transform(Entity("projects", "2085958499", project)) == Project(
        name="Shop relaunch",
        status="archived",
        starts_on=date(2026, 1, 5),
        url="https://3.basecamp.com/5550001/projects/2085958499",
    )
    assert connector.transform(Entity("people", "1049715914", person)) == Person(
        name="Ida Petersen", title="CEO", role="client", company_name="Kunde AG"
    )
