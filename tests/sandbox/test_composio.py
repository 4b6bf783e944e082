"""Composio in the sandbox: what it refuses, and what its proxy hands on."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from integrations.sandbox.composio import API, LINK_SECONDS, Composio
from tests.sandbox.conftest import Caller, Form

BACKEND = "https://backend.composio.dev"
TEAM_INFO = "https://slack.com/api/team.info"


@pytest.fixture
def part(caller: Caller) -> Composio:
    found = caller.sandbox.world.parts["composio"]
    assert isinstance(found, Composio)
    return found


def ask(caller: Caller, verb: str, path: str, key: str = "", **body: Any) -> requests.Response:
    key = key or caller.own("/_state")["composio"]["api_key"]
    url = caller.at(BACKEND, API.removeprefix("/composio") + path)
    return caller.http.request(verb, url, json=body or None, headers={"x-api-key": key})


def linked(caller: Caller, toolkit: str = "slack") -> dict[str, Any]:
    new = {"toolkit": {"slug": toolkit}, "auth_config": {"type": "use_composio_managed_auth"}}
    config = ask(caller, "POST", "/auth_configs", **new).json()["auth_config"]["id"]
    asked = {"auth_config_id": config, "user_id": "hub:t1:u9"}
    link: dict[str, Any] = ask(caller, "POST", "/connected_accounts/link", **asked).json()
    return link


def consented(caller: Caller, toolkit: str = "slack") -> str:
    link = linked(caller, toolkit)
    page = caller.http.get(page_of(caller, link))
    form = Form(page.text)
    done = caller.http.post(caller.sandbox.url + form.action, data=form.fields)
    assert done.status_code == 200
    return str(link["connected_account_id"])


def page_of(caller: Caller, link: dict[str, Any]) -> str:
    origin = "https://connect.composio.dev"
    return str(link["redirect_url"]).replace(origin, caller.sandbox.addresses()[origin])


def proxy(caller: Caller, account: str, endpoint: str, **more: Any) -> requests.Response:
    asked = {"connected_account_id": account, "endpoint": endpoint, "method": "GET", **more}
    return ask(caller, "POST", "/tools/execute/proxy", **asked)


def test_the_proxy_answers_with_the_providers_status_headers_and_data(caller: Caller) -> None:
    account = consented(caller)

    said = proxy(caller, account, TEAM_INFO).json()
    relative = proxy(caller, account, "/api/team.info").json()

    assert said["status"] == 200
    assert said["headers"]["content-type"] == "application/json"
    assert said["data"]["team"]["id"] == "T0NORDLICH"
    assert relative == said
    slugs = [one["slug"] for one in caller.own("/_requests")]
    assert slugs.count("slack") == 2


def test_parameters_become_query_and_headers(caller: Caller) -> None:
    account = consented(caller)
    limit = {"name": "limit", "value": "2", "type": "query"}

    said = proxy(caller, account, "https://slack.com/api/users.list", parameters=[limit])

    assert len(said.json()["data"]["members"]) == 2
    odd = proxy(caller, account, TEAM_INFO, parameters=[{**limit, "type": "path"}])
    assert odd.status_code == 400


def test_another_companys_host_is_not_called(caller: Caller) -> None:
    account = consented(caller)

    for endpoint in ("https://evil.example/x", "https://gmail.googleapis.com/gmail/v1/users/me"):
        refused = proxy(caller, account, endpoint)
        assert (refused.status_code, "OriginMismatch" in refused.text) == (400, True)


def test_keys_are_looked_at(caller: Caller, part: Composio) -> None:
    account = consented(caller)
    asked = {"connected_account_id": account, "endpoint": TEAM_INFO, "method": "GET"}
    call = ("POST", "/tools/execute/proxy")

    assert ask(caller, *call, key="ak_wrong", **asked).status_code == 401
    assert ask(caller, *call, key=part.key_without_proxy, **asked).status_code == 403
    shown = ask(caller, "GET", f"/connected_accounts/{account}", key=part.key_without_proxy)
    assert shown.json()["state"]["val"]["access_token"] == "REDACTED"


def test_a_link_works_once_and_for_ten_minutes(caller: Caller, part: Composio) -> None:
    used, late = linked(caller), linked(caller)
    form = Form(caller.http.get(page_of(caller, used)).text)
    caller.http.post(caller.sandbox.url + form.action, data=form.fields)
    part.held[late["connected_account_id"]].made_at -= LINK_SECONDS + 1

    assert caller.http.get(page_of(caller, used)).status_code == 404
    assert caller.http.get(page_of(caller, late)).status_code == 410
    account = ask(caller, "GET", f"/connected_accounts/{late['connected_account_id']}").json()
    assert (account["status"], "10 minutes" in account["status_reason"]) == ("EXPIRED", True)


def test_an_account_expires_when_its_provider_refuses_the_token(caller: Caller) -> None:
    account = consented(caller, "hubspot")
    caller.control("revoke", slug="hubspot", account="4710001")
    endpoint = "https://api.hubapi.com/account-info/v3/details"

    assert proxy(caller, account, endpoint).json()["status"] == 401
    assert proxy(caller, account, endpoint).status_code == 422


def test_a_deleted_account_is_unknown_and_its_token_ends(caller: Caller, part: Composio) -> None:
    account = consented(caller)
    held = part.held[account]

    gone = ask(caller, "DELETE", f"/connected_accounts/{account}?revoke_on_delete=true")

    assert gone.json()["success"] is True
    assert held.part.oauth.access[held.token].revoked
    assert proxy(caller, account, TEAM_INFO).status_code == 404


def test_too_many_requests_are_told_to_wait(caller: Caller) -> None:
    caller.control("set", slug="composio", limits_scale=0.001)
    caller.count_slowly("composio", "window")
    for _ in range(3):
        answer = ask(caller, "GET", "/auth_configs")

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")
    assert "Rate limit exceeded" in answer.json()["message"]
