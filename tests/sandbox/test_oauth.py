"""Consent pages, codes and tokens: what an authorization server checks and refuses."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.sandbox.conftest import CALLBACK, Caller, Form, forms_in, query_of

AUTHORIZE = ("https://appcenter.intuit.com", "/connect/oauth2")


def asked_of(caller: Caller, **changed: str) -> dict[str, str]:
    client = caller.own("/_credentials")["quickbooks"]["clients"][0]
    asked = {
        "client_id": client["client_id"],
        "response_type": "code",
        "scope": "com.intuit.quickbooks.accounting",
        "redirect_uri": CALLBACK,
        "state": "a b&c",
    }
    return {name: value for name, value in {**asked, **changed}.items() if value}


def refresh(caller: Caller, token: dict[str, Any], value: str = "") -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": value or token["refresh_token"]}
    return caller.quickbooks_exchange(token["client"], form)


def test_the_page_asks_plainly_and_needs_no_script(caller: Caller) -> None:
    page = caller.http.get(caller.at(*AUTHORIZE), params=asked_of(caller)).text

    assert "QuickBooks" in page
    assert "com.intuit.quickbooks.accounting" in page
    assert "Nordlicht GmbH" in page
    assert "Harbour &amp; Vale Ltd" in page
    assert ">Allow</button>" in page
    assert ">Deny</button>" in page
    assert "<script" not in page
    assert forms_in(page) == 2


def test_posting_the_first_form_is_a_consent_for_the_apps_own_account(caller: Caller) -> None:
    back = caller.consent(caller.at(*AUTHORIZE), asked_of(caller))

    assert back["state"] == "a b&c"
    assert back["realmId"] == "9130350000000101"
    assert back["code"]


@pytest.mark.parametrize(
    "hint", ["9130350000000202", "Harbour & Vale Ltd", "anyone@harbourvale.example"]
)
def test_a_hint_preselects_an_account(caller: Caller, hint: str) -> None:
    back = caller.consent(caller.at(*AUTHORIZE), asked_of(caller, login_hint=hint))

    assert back["realmId"] == "9130350000000202"


def test_a_person_can_choose_another_account(caller: Caller) -> None:
    url = caller.at(*AUTHORIZE)

    back = caller.consent(url, asked_of(caller), account="9130350000000202")

    assert back["realmId"] == "9130350000000202"


def test_deny_goes_back_without_a_code(caller: Caller) -> None:
    back = caller.consent(caller.at(*AUTHORIZE), asked_of(caller), decision="deny")

    assert back == {"error": "access_denied", "state": "a b&c"}


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "unknown"},
        {"redirect_uri": ""},
        {"redirect_uri": "http://hub.example/callback"},
        {"redirect_uri": "https://hub.example/\r\nX-Injected: 1"},
        {"state": ""},
    ],
)
def test_a_question_that_cannot_be_trusted_gets_a_page_and_no_way_back(
    caller: Caller, changed: dict[str, str]
) -> None:
    answer = caller.http.get(
        caller.at(*AUTHORIZE), params=asked_of(caller, **changed), allow_redirects=False
    )

    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
def test_a_question_for_too_much_goes_back_with_an_error(
    caller: Caller, changed: dict[str, str], error: str
) -> None:
    answer = caller.http.get(
        caller.at(*AUTHORIZE), params=asked_of(caller, **changed), allow_redirects=False
    )

    assert query_of(answer.headers["Location"])["error"] == error


def test_a_token_answer_has_the_documented_fields(caller: Caller) -> None:
    token = caller.quickbooks_token()

    assert token["token_type"] == "bearer"
    assert token["expires_in"] == 3600
    assert token["x_refresh_token_expires_in"] == 8726400
    assert token["refresh_token"].startswith("RT1-")


def test_a_code_works_once(caller: Caller) -> None:
    client = caller.own("/_credentials")["quickbooks"]["clients"][0]
    code = caller.consent(caller.at(*AUTHORIZE), asked_of(caller))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}

    assert caller.quickbooks_exchange(client, form).status_code == 200
    again = caller.quickbooks_exchange(client, form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(("client", "redirect"), [(1, CALLBACK), (0, f"{CALLBACK}/other")])
def test_a_code_is_bound_to_client_and_address(caller: Caller, client: int, redirect: str) -> None:
    clients = caller.own("/_credentials")["quickbooks"]["clients"]
    code = caller.consent(caller.at(*AUTHORIZE), asked_of(caller))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}

    answer = caller.quickbooks_exchange(clients[client], form)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_code_expires_after_ten_minutes(caller: Caller) -> None:
    client = caller.own("/_credentials")["quickbooks"]["clients"][0]
    code = caller.consent(caller.at(*AUTHORIZE), asked_of(caller))["code"]
    oauth = caller.sandbox.world.parts["quickbooks"].oauth  # type: ignore[attr-defined]
    oauth.codes[code].expires_at -= 601

    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    assert caller.quickbooks_exchange(client, form).json()["error"] == "invalid_grant"


def test_a_wrong_client_secret_is_refused(caller: Caller) -> None:
    client = caller.own("/_credentials")["quickbooks"]["clients"][0]
    wrong = {**client, "client_secret": "guess"}

    answer = caller.quickbooks_exchange(wrong, {"grant_type": "refresh_token"})

    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


def test_a_used_refresh_token_is_refused_and_counted(caller: Caller) -> None:
    token = caller.quickbooks_token()

    fresh = refresh(caller, token).json()
    again = refresh(caller, token)

    assert fresh["refresh_token"] != token["refresh_token"]
    assert again.status_code == 400
    assert again.json() == {
        "error": "invalid_grant",
        "error_description": "Incorrect or invalid refresh token",
    }
    assert caller.own("/_state")["quickbooks"]["tokens"]["reuse_refused"] == 1
    assert refresh(caller, token, fresh["refresh_token"]).status_code == 200


def test_reuse_can_be_forgiven_or_made_fatal(caller: Caller) -> None:
    token = caller.quickbooks_token()
    caller.control("set", slug="quickbooks", refresh_grace_seconds=600)
    fresh = refresh(caller, token).json()
    assert refresh(caller, token).status_code == 200

    caller.control("set", slug="quickbooks", refresh_grace_seconds=0, reuse_revokes=True)
    assert refresh(caller, token).status_code == 400
    assert refresh(caller, token, fresh["refresh_token"]).status_code == 400


def test_without_rotation_the_refresh_token_stays(caller: Caller) -> None:
    token = caller.quickbooks_token()
    caller.control("set", slug="quickbooks", rotation=False)

    assert refresh(caller, token).json()["refresh_token"] == token["refresh_token"]
    assert refresh(caller, token).status_code == 200


def test_the_lifetime_of_access_tokens_can_be_set(caller: Caller) -> None:
    caller.control("set", slug="quickbooks", token_lifetime=0)
    short = caller.quickbooks_token()
    caller.control("set", slug="quickbooks", token_lifetime=600)
    longer = caller.quickbooks_token()

    assert (short["expires_in"], longer["expires_in"]) == (0, 600)
    asked = {"query": "SELECT COUNT(*) FROM Item"}
    assert caller.quickbooks(short, "query", **asked).status_code == 401
    assert caller.quickbooks(longer, "query", **asked).status_code == 200


def test_revoking_the_refresh_token_ends_the_connection(caller: Caller) -> None:
    token = caller.quickbooks_token()
    client = token["client"]

    answer = caller.http.post(
        caller.at("https://developer.api.intuit.com", "/v2/oauth2/tokens/revoke"),
        json={"token": token["refresh_token"]},
        auth=(client["client_id"], client["client_secret"]),
    )

    assert answer.status_code == 200
    assert refresh(caller, token).json()["error"] == "invalid_grant"
    assert caller.quickbooks(token, "query", query="SELECT * FROM Item").status_code == 401


def test_control_revokes_every_grant_of_one_account_only(caller: Caller) -> None:
    mine, theirs = caller.quickbooks_token(0), caller.quickbooks_token(1)

    caller.control("revoke", slug="quickbooks", account=mine["realmId"])

    assert refresh(caller, mine).status_code == 400
    assert refresh(caller, theirs).status_code == 200


def test_slack_installs_with_a_bot_token_that_does_not_expire(caller: Caller) -> None:
    install = caller.slack_install()

    assert install["ok"] is True
    assert install["access_token"].startswith("xoxb-")
    assert install["token_type"] == "bot"
    assert install["team"] == {"id": "T0NORDLICH", "name": "Nordlicht GmbH"}
    assert install["bot_user_id"] in caller.truth("slack", "users")
    assert "expires_in" not in install
    caller.control("expire_tokens", slug="slack")
    assert caller.slack(install["access_token"], "auth.test").json()["ok"] is True


def test_slack_gives_the_user_token_beside_the_bot_token(caller: Caller) -> None:
    both = caller.slack_install(user_scope="channels:read")
    only = caller.slack_install(scope="", user_scope="channels:read")

    assert both["authed_user"]["access_token"].startswith("xoxp-")
    assert both["access_token"].startswith("xoxb-")
    assert "access_token" not in only


def test_slack_rotates_when_told_to(caller: Caller) -> None:
    caller.control("set", slug="slack", rotation=True)
    install = caller.slack_install()
    assert install["access_token"].startswith("xoxe.xoxb-1-")
    assert install["expires_in"] == 43200

    caller.control("expire_tokens", slug="slack")
    expired = caller.slack(install["access_token"], "auth.test").json()
    form = {"grant_type": "refresh_token", "refresh_token": install["refresh_token"]}
    fresh = caller.slack_access(install["client"], **form)
    again = caller.slack_access(install["client"], **form)

    assert expired == {"ok": False, "error": "token_expired"}
    assert caller.slack(fresh["access_token"], "auth.test").json()["ok"] is True
    assert again == {"ok": False, "error": "invalid_refresh_token"}


def slack_code(caller: Caller, **asked: str) -> tuple[Any, str]:
    client = caller.own("/_credentials")["slack"]["clients"][0]
    params = {
        "client_id": client["client_id"],
        "scope": "users:read",
        "redirect_uri": CALLBACK,
        "state": "s",
        **asked,
    }
    back = caller.consent(caller.at("https://slack.com", "/oauth/v2/authorize"), params)
    return client, back["code"]


@pytest.mark.parametrize(
    ("verifier", "accepted"), [("right" * 10, True), ("wrong" * 10, False), ("", False)]
)
def test_slack_checks_the_code_verifier(caller: Caller, verifier: str, accepted: bool) -> None:
    digest = hashlib.sha256(("right" * 10).encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    client, code = slack_code(caller, code_challenge=challenge, code_challenge_method="S256")

    form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
    assert caller.slack_access(client, **form)["ok"] is accepted


def test_slack_refuses_with_ok_false(caller: Caller) -> None:
    client, code = slack_code(caller)
    stranger = {**client, "client_id": "1.2"}
    wrong = {**client, "client_secret": "guess"}

    def refused(of: Any, **form: str) -> str:
        answer = caller.slack_access(of, **form)
        assert answer["ok"] is False
        return str(answer["error"])

    assert refused(stranger, code=code) == "invalid_client_id"
    assert refused(wrong, code=code) == "bad_client_secret"
    assert refused(client, code="nonsense") == "invalid_code"
    assert refused(client, grant_type="password") == "invalid_grant_type"
    assert refused(client, code=code, redirect_uri="https://x.example") == "bad_redirect_uri"


def test_what_is_typed_into_the_address_is_not_run_on_the_page(caller: Caller) -> None:
    asked = asked_of(caller, state='"><script>alert(1)</script>')

    page = caller.http.get(caller.at(*AUTHORIZE), params=asked).text

    assert "<script>" not in page
    assert Form(page).fields["state"] == asked["state"]
