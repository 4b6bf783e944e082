"""The sandbox's HubSpot refuses what HubSpot refuses."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.testing.access import Access
from tests.sandbox.conftest import Caller

SEARCH = "/crm/objects/2026-03/contacts/search"


def ask(caller: Caller, access: Access, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {access.credentials.access_token}"}
    url = caller.at("https://api.hubapi.com", path)
    method = "GET" if body is None else "POST"
    answer = caller.http.request(method, url, json=body, headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 0},
        {"after": "10000"},
        {"after": 200},
        {"pageSize": 10},
        {"sorts": [{"propertyName": "email", "direction": "UP"}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "ABOUT"}]}]},
        {"filterGroups": [{"filters": []}] * 6},
        [],
    ],
)
def test_a_search_that_is_wrong_is_refused(caller: Caller, access: Access, body: Any) -> None:
    status, said = ask(caller, access, SEARCH, body)

    assert (status, said["category"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("query", ["limit=101", "limit=0", "limit=x", "after=c_9"])
def test_a_list_that_is_wrong_is_refused(caller: Caller, access: Access, query: str) -> None:
    status, said = ask(caller, access, f"/crm/objects/2026-03/contacts?{query}")

    assert (status, said["category"]) == (400, "VALIDATION_ERROR")


def test_only_properties_asked_for_are_sent(caller: Caller, access: Access) -> None:
    path = "/crm/objects/2026-03/contacts?limit=1&properties=email,nothing"
    _, said = ask(caller, access, path)

    (contact,) = said["results"]
    assert set(contact["properties"]) == {"email", "createdate", "lastmodifieddate", "hs_object_id"}
    assert "associations" not in contact


def test_a_search_knows_no_associations_and_nothing_archived(
    caller: Caller, access: Access
) -> None:
    (id,) = caller.control("delete", slug="hubspot", entity="contacts")["ids"]
    same = {"propertyName": "hs_object_id", "operator": "EQ", "value": id}

    _, found = ask(caller, access, SEARCH, {"filterGroups": [{"filters": [same]}]})
    _, archived = ask(caller, access, "/crm/objects/2026-03/contacts?archived=true")
    _, some = ask(caller, access, SEARCH, {})

    assert found["total"] == 0
    assert [row["id"] for row in archived["results"]] == [id]
    assert all("associations" not in row for row in some["results"])


def test_rows_without_associations_stand_among_the_errors(caller: Caller, access: Access) -> None:
    path = "/crm/associations/2026-03/contacts/companies/batch/read"
    status, said = ask(caller, access, path, {"inputs": [{"id": "1"}]})

    assert (status, said["results"], said["numErrors"]) == (207, [], 1)


def test_the_sixth_search_of_a_second_is_refused_without_a_word_on_when(
    caller: Caller, access: Access
) -> None:
    caller.count_slowly("hubspot", "searches")

    answers = [ask(caller, access, SEARCH, {"limit": 1}) for _ in range(6)]

    assert [status for status, _ in answers] == [200, 200, 200, 200, 200, 429]
    assert answers[-1][1]["policyName"] == "SECONDLY"


def test_a_scope_that_is_missing_is_named_as_such(caller: Caller) -> None:
    client = caller.own("/_credentials")["hubspot"]["clients"][0]
    back = {"redirect_uri": "https://hub.example/callback"}
    code = caller.consent(
        caller.at("https://app.hubspot.com", "/oauth/authorize"),
        {"client_id": client["client_id"], "scope": "oauth", "state": "s", **back},
    )["code"]
    app = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    form = {"grant_type": "authorization_code", "code": code, **app, **back}
    url = caller.at("https://api.hubapi.com", "/oauth/2026-03/token")
    token = caller.http.post(url, data=form).json()["access_token"]

    answer = caller.http.get(
        caller.at("https://api.hubapi.com", "/crm/owners/2026-03"),
        headers={"Authorization": f"Bearer {token}"},
    )

    assert (answer.status_code, answer.json()["category"]) == (403, "MISSING_SCOPES")


def test_revoking_ends_the_refresh_token_and_lets_access_run_out(
    caller: Caller, access: Access
) -> None:
    app = {"client_id": access.app.client_id, "client_secret": access.app.client_secret}
    url = caller.at("https://api.hubapi.com", "/oauth/2026-03/token")

    revoked = caller.http.post(f"{url}/revoke", data={"token": access.refresh_token, **app})
    form = {"grant_type": "refresh_token", "refresh_token": access.refresh_token, **app}
    renewed = caller.http.post(url, data=form)

    assert revoked.status_code == 204
    assert (renewed.status_code, renewed.json()["error"]) == (400, "invalid_grant")
    assert ask(caller, access, "/crm/owners/2026-03")[0] == 200
