"""What GitHub refuses, and how its tokens begin, change and end."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.providers.github.conftest import SITE, Install, exchange
from tests.sandbox.conftest import Caller


def ask(caller: Caller, token: str, path: str, **headers: str) -> requests.Response:
    sent = {"Authorization": f"Bearer {token}", **headers}
    return caller.http.get(caller.at("https://api.github.com", path), headers=sent)


def test_pages_hold_thirty_and_the_link_leads_on_by_number(
    caller: Caller, install: Install
) -> None:
    token = install()["access_token"]
    path = "/repos/nordlicht/shop/pulls?state=all&sort=updated&direction=desc"

    first = ask(caller, token, path)

    assert len(first.json()) == 30
    following = first.links["next"]["url"]
    assert following.startswith("https://api.github.com/repositories/")
    assert "page=2" in following
    assert "prev" not in first.links


def test_no_page_holds_more_than_a_hundred(caller: Caller, install: Install) -> None:
    caller.control("add", slug="github", entity="issues", count=400)
    token = install()["access_token"]

    page = ask(caller, token, "/repos/nordlicht/shop/issues?state=all&per_page=500").json()

    assert len(page) == 100


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/repos/nordlicht/shop/issues?state=any", 422),
        ("/repos/nordlicht/shop/issues?since=yesterday", 422),
        ("/user/repos?type=all&affiliation=owner", 422),
        ("/repos/nordlicht/website/issues", 410),
        ("/repos/nordlicht/closed-beta/pulls", 403),
        ("/repos/nordlicht/nothing/pulls", 404),
        ("/orgs/harbour/members", 404),
    ],
)
def test_what_cannot_be_read_is_refused(
    caller: Caller, install: Install, path: str, status: int
) -> None:
    answer = ask(caller, install()["access_token"], path)

    assert answer.status_code == status
    assert answer.json()["message"]


def test_only_open_issues_are_listed_unless_asked(caller: Caller, install: Install) -> None:
    issues = ask(caller, install()["access_token"], "/repos/nordlicht/shop/issues").json()

    assert {issue["state"] for issue in issues} == {"open"}
    assert any("pull_request" in issue for issue in issues)


def test_no_token_a_wrong_one_and_an_unknown_version(caller: Caller, install: Install) -> None:
    api = caller.at("https://api.github.com", "/user")
    token = install()["access_token"]

    assert caller.http.get(api).json()["message"] == "Requires authentication"
    assert ask(caller, "ghp_0", "/user").json()["message"] == "Bad credentials"
    assert ask(caller, token, "/user", **{"X-GitHub-Api-Version": "2001-01-01"}).status_code == 400
    assert ask(caller, token, "/user", **{"User-Agent": ""}).status_code == 403


def test_an_old_name_leads_to_the_number(caller: Caller, install: Install) -> None:
    token = install()["access_token"]
    repositories = ask(caller, token, "/user/repos").json()
    shop = next(str(one["id"]) for one in repositories if one["name"] == "shop")
    name = "nordlicht/renamed"
    caller.control(
        "change", slug="github", entity="repositories", ids=[shop], set={"full_name": name}
    )

    answer = caller.http.get(
        caller.at("https://api.github.com", "/repos/nordlicht/shop/pulls"),
        headers={"Authorization": f"Bearer {token}"},
        allow_redirects=False,
    )

    assert answer.status_code == 301
    assert answer.headers["Location"] == f"https://api.github.com/repositories/{shop}/pulls"


def test_a_renewal_ends_the_tokens_before_it(caller: Caller, install: Install) -> None:
    first: dict[str, Any] = install()
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}

    second = exchange(caller, first["client"], **form)
    again = exchange(caller, first["client"], **form)

    assert ask(caller, first["access_token"], "/user").status_code == 401
    assert ask(caller, second["access_token"], "/user").status_code == 200
    assert again["error"] == "bad_refresh_token"


def test_an_oauth_app_gets_a_token_without_end_that_names_its_scopes(
    caller: Caller, install: Install
) -> None:
    caller.control("set", slug="github", rotation=False)

    said = install()

    assert said["scope"] == "repo,read:org"
    assert "refresh_token" not in said
    assert "expires_in" not in said


def test_a_wrong_verifier_is_refused_under_status_200(caller: Caller, install: Install) -> None:
    assert install(verifier="x" * 43)["error"] == "bad_verification_code"


def test_who_does_not_ask_for_json_gets_a_form(caller: Caller) -> None:
    client = caller.own("/_credentials")["github"]["clients"][0]
    url = caller.at(SITE, "/login/oauth/access_token")

    answer = caller.http.post(url, data={"client_id": client["client_id"]})

    assert answer.text == "error=incorrect_client_credentials"


def test_a_token_can_be_taken_back(caller: Caller, install: Install) -> None:
    said = install()
    client = said["client"]
    url = caller.at("https://api.github.com", f"/applications/{client['client_id']}/grant")
    app = (client["client_id"], client["client_secret"])

    answer = caller.http.delete(url, json={"access_token": said["access_token"]}, auth=app)

    assert answer.status_code == 204
    assert ask(caller, said["access_token"], "/user").status_code == 401
