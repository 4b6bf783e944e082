"""The sandbox's Salesforce refuses what Salesforce refuses."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.testing.access import Access
from tests.sandbox.conftest import Caller

ORIGIN = "https://nordlicht.my.salesforce.com"
CALLBACK = "https://hub.example/callback"


def ask(caller: Caller, access: Access, path: str, **params: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {access.credentials.access_token}"}
    url = caller.at(ORIGIN, f"/services/data/v62.0/{path}")
    answer = caller.http.get(url, params=params, headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("", "MALFORMED_QUERY"),
        ("SELECT * FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Invoice", "INVALID_TYPE"),
        ("SELECT Id, IsDeleted FROM User", "INVALID_FIELD"),
        ("SELECT Id FROM Account ORDER BY Nothing", "INVALID_FIELD"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        (
            "SELECT Id FROM Account WHERE SystemModstamp > '2026-01-01T00:00:00Z'",
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
    ],
)
def test_a_query_that_is_wrong_is_refused(
    caller: Caller, access: Access, soql: str, code: str
) -> None:
    status, said = ask(caller, access, "query", q=soql)

    assert (status, said[0]["errorCode"]) == (400, code)


def test_a_query_without_the_bin_leaves_deleted_rows_out(caller: Caller, access: Access) -> None:
    (id,) = caller.control("delete", slug="salesforce", entity="Contact")["ids"]
    soql = f"SELECT Id, IsDeleted FROM Contact WHERE Id = '{id}'"

    _, present = ask(caller, access, "query", q=soql)
    _, all_there_is = ask(caller, access, "queryAll", q=soql)

    assert present["totalSize"] == 0
    assert [row["IsDeleted"] for row in all_there_is["records"]] == [True]


def test_a_row_leaves_the_bin_after_fifteen_days(caller: Caller, access: Access) -> None:
    now = caller.sandbox.world.setting.now()
    order = {"slug": "salesforce", "entity": "Contact", "at": now - 16 * 86_400}
    caller.control("delete", **order)

    _, found = ask(caller, access, "queryAll", q="SELECT Id FROM Contact WHERE IsDeleted = true")

    assert found["totalSize"] == 0


def test_a_list_ends_when_it_says_so(caller: Caller, access: Access) -> None:
    soql = "SELECT Id FROM Contact"
    _, page = ask(caller, access, "query", q=soql)
    seen, calls = [row["Id"] for row in page["records"]], 1
    while not page["done"]:
        _, page = ask(caller, access, page["nextRecordsUrl"].removeprefix("/services/data/v62.0/"))
        seen += [row["Id"] for row in page["records"]]
        calls += 1

    assert calls > 1
    assert set(seen) == set(caller.truth("salesforce", "Contact"))
    assert all(len(id) == 18 for id in seen)


def test_every_answer_says_how_many_calls_are_used(caller: Caller, access: Access) -> None:
    headers = {"Authorization": f"Bearer {access.credentials.access_token}"}
    url = caller.at(ORIGIN, "/services/data/v62.0/limits")

    answer = caller.http.get(url, headers=headers)

    assert answer.headers["Sforce-Limit-Info"] == "api-usage=1/100000"


def test_a_session_is_of_no_use_at_another_organization(caller: Caller, access: Access) -> None:
    headers = {"Authorization": f"Bearer {access.credentials.access_token}"}
    url = caller.at("https://harbour.my.salesforce.com", "/services/data/v62.0/limits")

    answer = caller.http.get(url, headers=headers)

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")


def test_consent_without_a_challenge_is_refused(caller: Caller) -> None:
    client = caller.own("/_credentials")["salesforce"]["clients"][0]
    params = {
        "client_id": client["client_id"],
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "api refresh_token",
        "state": "s",
    }
    url = caller.at("https://login.salesforce.com", "/services/oauth2/authorize")

    answer = caller.http.get(url, params=params)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "5Aep-old"}, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "no"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "refresh_token", "client_id": "wrong"}, "invalid_client_id"),
    ],
)
def test_the_token_endpoint_says_what_is_wrong(
    caller: Caller, form: dict[str, str], error: str
) -> None:
    client = caller.own("/_credentials")["salesforce"]["clients"][0]
    app = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    url = caller.at("https://login.salesforce.com", "/services/oauth2/token")

    answer = caller.http.post(url, data={**app, **form})

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_revoked_refresh_token_ends_its_session(caller: Caller, access: Access) -> None:
    url = caller.at("https://login.salesforce.com", "/services/oauth2/revoke")

    first = caller.http.post(url, data={"token": access.refresh_token})
    second = caller.http.post(url, data={"token": access.refresh_token})

    assert (first.status_code, second.status_code) == (200, 400)
    assert ask(caller, access, "limits")[0] == 401
