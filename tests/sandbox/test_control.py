"""What a test can do to the sandbox: change the data, order faults, read what happened."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from typing import Any

import orjson
import pytest
import requests

from integrations.sandbox import Sandbox
from integrations.sandbox.rows import POISONS
from tests.sandbox.conftest import Caller

BASE_TIME = 1_767_225_600


def truths(caller: Caller) -> dict[str, Any]:
    places = [("copper", "companies"), ("quickbooks", "Invoice"), ("slack", "messages")]
    return {entity: caller.truth(slug, entity) for slug, entity in places}


def test_the_same_seed_and_base_time_make_the_same_rows() -> None:
    found = []
    for seed in (3, 3, 4):
        http = requests.Session()
        http.trust_env = False
        with Sandbox(seed=seed, base_time=BASE_TIME) as sandbox:
            found.append(truths(Caller(sandbox, http)))

    assert found[0] == found[1]
    assert found[0] != found[2]


def test_rows_lie_within_the_two_years_before_the_base_time(caller: Caller) -> None:
    base = caller.sandbox.world.setting.base_time
    two_years = 731 * 86_400

    for rows in truths(caller).values():
        assert all(base - two_years < row["stamp"] < base + 3600 for row in rows.values())


def test_two_accounts_of_the_demo_hold_more_than_five_thousand_rows(caller: Caller) -> None:
    credentials = caller.own("/_credentials")
    accounts = {
        "copper": [entry["account_id"] for entry in credentials["copper"]],
        "quickbooks": [entry["id"] for entry in credentials["quickbooks"]["accounts"]],
        "slack": [entry["id"] for entry in credentials["slack"]["accounts"]],
    }
    entities = {
        "copper": ("companies", "people", "opportunities", "leads"),
        "quickbooks": ("Customer", "Invoice", "Payment"),
        "slack": ("users", "channels", "messages"),
    }

    total = sum(
        row["visible"]
        for slug in entities
        for account in accounts[slug]
        for entity in entities[slug]
        for row in caller.truth(slug, entity, account).values()
    )

    assert total > 5_000


def test_the_truth_hashes_rows_as_they_are_sent(caller: Caller) -> None:
    truth = caller.truth("copper", "leads")

    for row in caller.copper("leads/search", {"page_size": 200}).json():
        sent = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
        assert truth[str(row["id"])]["sha256"] == sha256(sent).hexdigest()
        assert truth[str(row["id"])]["stamp"] == row["date_modified"]


def test_changed_rows_have_a_new_stamp_and_are_found_by_it(caller: Caller) -> None:
    before = int(time.time())
    done = caller.control("change", slug="copper", entity="people", count=5)

    found = caller.copper("people/search", {"minimum_modified_date": before}).json()

    assert {str(row["id"]) for row in found} == set(done["ids"])
    assert len(found) == 5


def test_which_rows_are_hit_follows_from_the_order_alone(caller: Caller) -> None:
    order = {"slug": "copper", "entity": "people", "count": 5}
    first = caller.control("change", **order)["ids"]
    caller.control("reset")

    assert caller.control("change", **order)["ids"] == first


def test_fields_can_be_set_and_taken_away(caller: Caller) -> None:
    [id] = caller.control(
        "change", slug="copper", entity="leads", set={"name": 7}, unset=["title"]
    )["ids"]

    row = caller.copper("leads/search", {"ids": [int(id)]}).json()[0]

    assert row["name"] == 7
    assert "title" not in row


@pytest.mark.parametrize(
    ("slug", "entity"),
    [
        ("copper", "companies"),
        ("copper", "people"),
        ("copper", "opportunities"),
        ("copper", "leads"),
        ("copper", "tasks"),
        ("quickbooks", "Customer"),
        ("quickbooks", "Vendor"),
        ("quickbooks", "Invoice"),
        ("quickbooks", "Payment"),
        ("slack", "users"),
        ("slack", "channels"),
        ("slack", "messages"),
    ],
)
def test_rows_can_be_added_changed_and_deleted(caller: Caller, slug: str, entity: str) -> None:
    before = caller.truth(slug, entity)
    added = caller.control("add", slug=slug, entity=entity, count=3, at=BASE_TIME)["ids"]
    after = caller.truth(slug, entity)
    assert set(after) - set(before) == set(added)
    assert all(BASE_TIME <= after[id]["stamp"] < BASE_TIME + 700 for id in added)

    caller.control("change", slug=slug, entity=entity, ids=added[:1])
    assert caller.truth(slug, entity)[added[0]]["sha256"] != after[added[0]]["sha256"]

    caller.control("delete", slug=slug, entity=entity, ids=added[1:2])
    last = caller.truth(slug, entity).get(added[1])
    assert last is None or last["sha256"] != after[added[1]]["sha256"]


@pytest.mark.parametrize("kind", list(POISONS))
def test_a_poisoned_row_is_sent_byte_for_byte_until_it_is_healed(caller: Caller, kind: str) -> None:
    order = {"slug": "copper", "entity": "leads"}
    clean = caller.copper("leads/search", {"sort_by": "date_modified"}).content
    caller.control("poison", **order, index=3, kind=kind)

    poisoned = caller.copper("leads/search", {"sort_by": "date_modified"}).content
    poison = b',"poison":' + POISONS[kind]
    assert poisoned.count(poison) == 1
    assert poisoned[: poisoned.index(poison)].count(b'"date_modified":') == 4
    assert poisoned.replace(poison, b"") == clean

    caller.control("heal", **order)
    assert caller.copper("leads/search", {"sort_by": "date_modified"}).content == clean


def test_every_provider_request_is_listed(caller: Caller) -> None:
    caller.copper("people/search", {"page_size": 3})
    caller.slack("nobody", "auth.test")

    copper, slack = caller.own("/_requests")

    assert (copper["n"], copper["slug"], copper["method"], copper["status"]) == (
        1,
        "copper",
        "POST",
        200,
    )
    assert copper["path"] == "/copper/api/developer_api/v1/people/search"
    assert json.loads(copper["body"]) == {"page_size": 3}
    assert (copper["account"], copper["rows"]) == ("710001", 3)
    key = caller.own("/_credentials")["copper"][0]["key"]
    assert copper["token"]
    assert key not in json.dumps(copper)
    assert slack["status"] == 200
    assert caller.own("/_requests?slug=slack") == [slack]
    assert caller.own("/_requests?since=1") == [slack]


def test_the_request_list_can_be_emptied(caller: Caller) -> None:
    caller.copper("people/search")
    caller.http.delete(f"{caller.sandbox.url}/_requests")

    assert caller.own("/_requests") == []


@pytest.mark.parametrize(
    "order",
    [
        {"action": "dance"},
        {"action": "change", "slug": "nobody", "entity": "x"},
        {"action": "change", "slug": "copper", "entity": "ships"},
        {"action": "change", "slug": "copper", "account": "nobody", "entity": "people"},
        {"action": "delete", "slug": "copper", "entity": "people", "ids": ["1"]},
        {"action": "add", "slug": "copper", "entity": "tags"},
        {"action": "poison", "slug": "copper", "entity": "people", "kind": "arsenic"},
        {"action": "set", "slug": "copper", "volume": 11},
        {"action": "fault", "status": 500, "colour": "red"},
        {"action": "fault", "path": "x"},
    ],
)
def test_an_order_that_means_nothing_is_refused(caller: Caller, order: dict[str, Any]) -> None:
    answer = caller.http.post(f"{caller.sandbox.url}/_control", json=order)

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_reset_puts_everything_back(caller: Caller) -> None:
    start = truths(caller)
    caller.control("change", slug="copper", entity="companies", count=9)
    caller.control("delete", slug="slack", entity="messages", count=9)
    caller.control("fault", status=500)

    caller.control("reset")

    assert truths(caller) == start
    assert caller.copper("people/search").status_code == 200


def test_only_what_is_written_to_a_provider_is_in_its_log(caller: Caller) -> None:
    caller.control("add", slug="copper", entity="people")

    assert caller.own("/_log?slug=copper") == []
    assert caller.http.get(f"{caller.sandbox.url}/_log?slug=nobody").status_code == 400
