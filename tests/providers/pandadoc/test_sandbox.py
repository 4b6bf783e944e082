"""PandaDoc and its sign-in in the sandbox: what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.conftest import Reader
from tests.sandbox.conftest import CALLBACK, Caller


def test_a_refresh_keeps_its_token_until_rotation_is_switched_on(caller: Caller) -> None:
    client = caller.own("/_credentials")["pandadoc"]["clients"][0]
    back = caller.consent(
        caller.at("https://app.pandadoc.com", "/oauth2/authorize"),
        {
            "client_id": client["client_id"],
            "response_type": "code",
            "scope": "read write",
            "redirect_uri": CALLBACK,
            "state": "s",
        },
    )
    app = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    url = caller.at("https://api.pandadoc.com", "/oauth2/access_token")

    def tokens(status: int = 200, **form: str) -> dict[str, Any]:
        answer = caller.http.post(url, data={**app, **form})
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told

    first = tokens(grant_type="authorization_code", code=back["code"], redirect_uri=CALLBACK)
    assert (first["scope"], first["expires_in"]) == ("read+write", 31_535_999)
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert tokens(**again)["refresh_token"] == first["refresh_token"]
    caller.control("set", slug="pandadoc", rotation=True)
    assert tokens(**again)["refresh_token"] != first["refresh_token"]
    assert tokens(400, **again) == {"error": "invalid_grant"}
    assert tokens(400, grant_type="password") == {"error": "unsupported_grant_type"}
    assert tokens(400, grant_type="authorization_code", code=back["code"]) == {
        "error": "invalid_grant"
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("documents?count=101", 400),
        ("documents?count=many", 400),
        ("documents?page=0", 400),
        ("documents?order_by=size", 400),
        ("documents?modified_from=yesterday", 400),
        ("documents?status=15", 400),
        ("documents?limit=10", 400),
        ("contacts?page=2", 400),
        ("documents/unknown/details", 404),
        ("deals", 404),
        ("documents?count=100&order_by=-date_modified", 200),
    ],
)
def test_the_sandbox_refuses_what_pandadoc_refuses(
    pandadoc: Reader, path: str, status: int
) -> None:
    url = pandadoc.sandbox.at("https://api.pandadoc.com", f"/public/v1/{path}")
    token = pandadoc.credentials.access_token

    def get(**headers: str) -> int:
        return pandadoc.sandbox.http.get(url, headers=headers).status_code

    assert get(Authorization=f"Bearer {token}") == status
    if status != 404 or "unknown" in path:
        assert get() == get(Authorization=f"API-Key {token}") == 401
