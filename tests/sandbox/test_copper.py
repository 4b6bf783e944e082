"""Copper in the sandbox: four headers, strict search bodies, bare arrays with a total."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.sandbox.rows import Row, Table
from tests.sandbox.conftest import CALLBACK, Caller, Form

API = "https://api.copper.com"


def walk(caller: Caller, resource: str, **body: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(1, 20):
        asked = {"page_size": 200, "page_number": number, **body}
        page = caller.copper(f"{resource}/search", asked).json()
        rows += page
        if len(page) < 200:
            return rows
    raise AssertionError("the list does not end")


@pytest.mark.parametrize(
    ("entity", "count"),
    [("companies", 300), ("people", 700), ("opportunities", 250), ("leads", 150)],
)
def test_all_pages_together_are_every_row_once(caller: Caller, entity: str, count: int) -> None:
    rows = walk(caller, entity, sort_by="date_modified")

    assert len(rows) == count
    assert {str(row["id"]) for row in rows} == set(caller.truth("copper", entity))
    assert [row["date_modified"] for row in rows] == sorted(row["date_modified"] for row in rows)


def test_the_total_is_in_a_header_and_twenty_rows_are_the_default(caller: Caller) -> None:
    answer = caller.copper("people/search")

    assert answer.headers["X-PW-TOTAL"] == "700"
    assert len(answer.json()) == 20


def test_rows_refer_to_rows_that_exist(caller: Caller) -> None:
    companies, people = caller.truth("copper", "companies"), caller.truth("copper", "people")

    for person in walk(caller, "people"):
        assert person["company_id"] is None or str(person["company_id"]) in companies
    for deal in walk(caller, "opportunities"):
        assert str(deal["company_id"]) in companies
        assert str(deal["primary_contact_id"]) in people


def test_one_stamp_is_shared_across_the_edge_of_a_page(caller: Caller) -> None:
    asked = {"sort_by": "date_modified", "page_size": 200}
    first = caller.copper("people/search", asked).json()
    second = caller.copper("people/search", {**asked, "page_number": 2}).json()

    assert first[-1]["date_modified"] == second[0]["date_modified"]


@pytest.mark.parametrize("missing", ["X-PW-AccessToken", "X-PW-Application", "X-PW-UserEmail"])
def test_each_of_the_headers_is_needed(caller: Caller, missing: str) -> None:
    assert caller.copper("people/search", **{missing: ""}).status_code == 401


def test_a_call_without_content_type_is_refused(caller: Caller) -> None:
    key = caller.own("/_credentials")["copper"][0]
    headers = {
        "X-PW-AccessToken": key["key"],
        "X-PW-Application": "developer_api",
        "X-PW-UserEmail": key["user_email"],
    }
    url = caller.at(API, "/developer_api/v1/account")

    assert caller.http.get(url, headers=headers).status_code == 401
    headers["Content-Type"] = "application/json"
    assert caller.http.get(url, headers=headers).json()["name"] == "Nordlicht GmbH"


def test_the_key_of_one_owner_does_not_work_with_anothers_address(caller: Caller) -> None:
    other = caller.own("/_credentials")["copper"][1]["user_email"]

    assert caller.copper("people/search", **{"X-PW-UserEmail": other}).status_code == 401


def test_the_key_decides_the_account(caller: Caller) -> None:
    other = caller.own("/_credentials")["copper"][1]
    headers = {"X-PW-AccessToken": other["key"], "X-PW-UserEmail": other["user_email"]}

    mine = {row["id"] for row in caller.copper("people/search").json()}
    theirs = {row["id"] for row in caller.copper("people/search", **headers).json()}

    assert not mine & theirs


def test_an_unknown_body_key_is_refused_in_the_recorded_words(caller: Caller) -> None:
    answer = caller.copper("people/search", {"pageSize": 5})

    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "status": 422,
        "message": "Invalid input: Validation errors: Base: Unrecognized attributes specified: "
        "pageSize",
    }


@pytest.mark.parametrize(
    "body",
    [
        {"page_size": 201},
        {"page_size": 0},
        {"page_number": 0},
        {"page_size": "200"},
        {"sort_by": "shoe_size"},
        {"sort_direction": "up"},
        {"minimum_modified_date": "2026-01-01"},
        {"ids": 5},
    ],
)
def test_a_body_that_means_nothing_is_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert caller.copper("people/search", body).status_code == 422


def test_a_search_must_be_json(caller: Caller) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    assert caller.copper("people/search", **form).status_code == 400


def test_a_window_of_change_includes_both_ends(caller: Caller) -> None:
    rows = walk(caller, "companies", sort_by="date_modified")
    low, high = rows[50]["date_modified"], rows[120]["date_modified"]

    found = walk(
        caller,
        "companies",
        sort_by="date_modified",
        minimum_modified_date=low,
        maximum_modified_date=high,
    )

    assert found == [row for row in rows if low <= row["date_modified"] <= high]


def test_descending_is_the_other_way_round(caller: Caller) -> None:
    rows = walk(caller, "leads", sort_by="date_modified", sort_direction="desc")

    stamps = [row["date_modified"] for row in rows]
    assert stamps == sorted(stamps, reverse=True)


def test_filters_are_added_to_each_other(caller: Caller) -> None:
    won = walk(caller, "opportunities", status_ids=[1])
    company = won[0]["company_id"]

    found = walk(caller, "opportunities", status_ids=[1], company_ids=[company])

    assert found
    assert {(row["status"], row["company_id"]) for row in found} == {("Won", company)}


def test_matches_beyond_the_first_hundred_thousand_are_out_of_reach(caller: Caller) -> None:
    part = caller.sandbox.world.parts["copper"]
    account = next(iter(part.accounts.values()))
    template = next(iter(part.table(account, "companies"))).data
    rows = (Row(str(n), 1.0, {**template, "id": n}) for n in range(100_150))
    part.tables(account)["companies"] = Table(rows)

    last = caller.copper("companies/search", {"page_size": 200, "page_number": 500})
    beyond = caller.copper("companies/search", {"page_size": 200, "page_number": 501})

    assert len(last.json()) == 200
    assert beyond.json() == []
    assert beyond.headers["X-PW-TOTAL"] == "100150"


def test_one_row_is_read_by_id_and_a_missing_one_is_not_found(caller: Caller) -> None:
    row = caller.copper("leads/search").json()[0]
    key = caller.own("/_credentials")["copper"][0]
    headers = {
        "X-PW-AccessToken": key["key"],
        "X-PW-Application": "developer_api",
        "X-PW-UserEmail": key["user_email"],
        "Content-Type": "application/json",
    }
    url = caller.at(API, "/developer_api/v1/leads")

    assert caller.http.get(f"{url}/{row['id']}", headers=headers).json() == row
    missing = caller.http.get(f"{url}/1", headers=headers)
    assert (missing.status_code, missing.json()) == (404, {"error": "not_found"})


def test_the_small_lists_need_no_paging(caller: Caller) -> None:
    key = caller.own("/_credentials")["copper"][0]
    headers = {
        "X-PW-AccessToken": key["key"],
        "X-PW-Application": "developer_api",
        "X-PW-UserEmail": key["user_email"],
        "Content-Type": "application/json",
    }
    for name in ("pipelines", "pipeline_stages", "custom_field_definitions", "tags"):
        url = caller.at(API, f"/developer_api/v1/{name}")
        assert len(caller.http.get(url, headers=headers).json()) == len(
            caller.truth("copper", name)
        )
    stages = caller.truth("copper", "pipeline_stages")
    for deal in walk(caller, "opportunities"):
        assert str(deal["pipeline_stage_id"]) in stages


def test_the_request_after_180_in_a_minute_is_refused(caller: Caller) -> None:
    caller.count_slowly("copper", "window")

    statuses = [caller.copper("users/search").status_code for _ in range(181)]

    assert statuses == [200] * 180 + [429]


def test_the_limit_can_be_switched_off(caller: Caller) -> None:
    caller.control("set", slug="copper", limits=False)

    assert all(caller.copper("users/search").status_code == 200 for _ in range(190))


def test_a_revoked_key_is_refused_until_it_is_restored(caller: Caller) -> None:
    caller.control("revoke", slug="copper", account="Nordlicht GmbH")
    assert caller.copper("people/search").status_code == 401

    caller.control("restore", slug="copper", account="Nordlicht GmbH")
    assert caller.copper("people/search").status_code == 200


def test_oauth_comes_back_by_post_and_its_token_opens_the_account(caller: Caller) -> None:
    client = caller.own("/_credentials")["copper"][1]
    asked = {
        "client_id": client["client_id"],
        "response_type": "code",
        "scope": "developer/v1/all",
        "redirect_uri": CALLBACK,
        "state": "s",
    }
    page = Form(
        caller.http.get(caller.at("https://app.copper.com", "/oauth/authorize"), params=asked).text
    )
    back = Form(caller.http.post(caller.sandbox.url + page.action, data=page.fields).text)
    assert back.action == CALLBACK
    assert back.fields["state"] == "s"

    token = caller.http.post(
        caller.at("https://app.copper.com", "/oauth/token"),
        data={
            "grant_type": "authorization_code",
            "code": back.fields["code"],
            "redirect_uri": CALLBACK,
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
        },
    ).json()

    assert set(token) == {"access_token", "token_type", "scope"}
    headers = {
        "Authorization": f"Bearer {token['access_token']}",
        "Content-Type": "application/json",
    }
    account = caller.http.get(caller.at(API, "/developer_api/v1/account"), headers=headers)
    assert account.json()["name"] == "Harbour & Vale Ltd"
