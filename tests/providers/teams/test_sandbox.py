"""The stand-in for Teams refuses what Graph refuses, and shows what Graph shows."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
import requests

from integrations.connectors.teams import TeamsConnector
from integrations.testing.access import Access, egress_of, renewed
from tests.providers.conftest import Reader
from tests.sandbox.conftest import CALLBACK, Caller

GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com/organizations"


@pytest.fixture
def path(with_channels: Reader) -> str:
    """The address of the messages of a channel with many."""
    [team] = [one for one in with_channels.known("teams") if one.data["displayName"] == "Vertrieb"]
    inside = [one for one in with_channels.known("channels") if one.scope == team.source_id]
    [channel] = [one for one in inside if one.data["displayName"] == "General"]
    return f"/v1.0/teams/{channel.scope}/channels/{quote(channel.source_id, safe='')}/messages"


def ask(reader: Reader, path: str, **headers: str) -> requests.Response:
    address = egress_of(reader.sandbox.sandbox).overridden(f"{GRAPH}{path}")
    sent = {"Authorization": f"Bearer {reader.credentials.access_token}", **headers}
    return reader.sandbox.http.get(address, headers=sent)


def test_only_what_a_list_of_messages_knows_may_be_asked(teams: Reader, path: str) -> None:
    since = "lastModifiedDateTime gt 2026-11-01T00:00:00.000Z"
    refused = [
        *("?$top=51", "?$top=0", "?$orderby=createdDateTime", "?$expand=hostedContents"),
        *("?$skiptoken=bogus", f"?$filter={since}", "/delta?$deltatoken=bogus"),
        "/delta?$filter=lastModifiedDateTime ge 2026-11-01T00:00:00Z",
        "/delta?$filter=createdDateTime gt 2026-11-01T00:00:00Z",
    ]
    for asked in refused:
        answer = ask(teams, path + asked)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest"), asked

    for asked in ("?$top=50&$expand=replies", f"/delta?$top=50&$filter={since}"):
        assert ask(teams, path + asked).status_code == 200, asked
    assert ask(teams, f"{path}/1/replies").status_code == 404


def test_unknown_places_wrong_tokens_and_options_are_refused(teams: Reader, path: str) -> None:
    assert ask(teams, "/v1.0/teams/none/channels").status_code == 404
    assert ask(teams, "/v1.0/me/joinedTeams?$top=5").status_code == 400
    elsewhere = path.replace(path.split("/")[3], "none")
    assert ask(teams, elsewhere).json()["error"]["code"] == "NotFound"
    refused = ask(teams, path, Authorization="Bearer other")
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "InvalidAuthenticationToken"


def test_twenty_posts_come_unless_more_are_asked_for(teams: Reader, path: str) -> None:
    few, many = ask(teams, path).json(), ask(teams, path + "?$top=50").json()

    assert (len(few["value"]), few["@odata.count"]) == (20, 20)
    assert 20 < len(many["value"]) <= 50
    assert few["@odata.nextLink"].startswith(f"{GRAPH}{path}?$skiptoken=")
    assert all(post["replyToId"] is None and "replies" not in post for post in few["value"])


def test_events_of_the_system_are_told_to_those_who_know_them(with_channels: Reader) -> None:
    knows = TeamsConnector.provider.headers["Prefer"]

    def kinds(**headers: str) -> set[str]:
        answers = [
            ask(
                with_channels,
                f"/v1.0/teams/{one.scope}/channels/{one.source_id}/messages",
                **headers,
            )
            for one in with_channels.known("channels")
        ]
        posts = [post for one in answers for post in one.json().get("value", ())]
        return {post["messageType"] for post in posts}

    assert kinds(Prefer=knows) == {"message", "systemEventMessage"}
    assert kinds() == {"message", "unknownFutureValue"}


def test_five_calls_to_one_channel_within_a_second_are_too_many(
    with_channels: Reader, path: str
) -> None:
    with_channels.order("set", limits=True)
    with_channels.sandbox.count_slowly("teams", "place")

    answers = [ask(with_channels, path + "?$top=1") for _ in range(5)]

    assert [one.status_code for one in answers] == [200, 200, 200, 200, 429]
    assert answers[-1].json()["error"]["code"] == "TooManyRequests"
    assert answers[-1].headers["Retry-After"] == "1"


def test_a_scope_that_was_not_granted_is_missed(caller: Caller) -> None:
    token = _consented(caller, "User.Read offline_access")["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    origin = f"{GRAPH}/v1.0/me/joinedTeams"

    refused = caller.http.get(caller.at(origin, ""), headers=headers)

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "Forbidden")
    origin = f"{GRAPH}/v1.0/organization"
    assert caller.http.get(caller.at(origin, ""), headers=headers).status_code == 200


def test_every_refresh_brings_a_new_refresh_token(caller: Caller, access: Access) -> None:
    second = renewed(TeamsConnector, caller.sandbox, access)

    assert second.refresh_token not in ("", access.refresh_token)
    assert second.credentials.access_token != access.credentials.access_token


def test_a_refused_refresh_token_says_why(caller: Caller) -> None:
    token = _consented(caller, "User.Read offline_access")
    form = {"grant_type": "refresh_token", "refresh_token": "0.AXother"}

    gone = caller.http.post(caller.at(LOGIN, "/oauth2/v2.0/token"), data={**form, **_app(caller)})

    assert (gone.status_code, gone.json()["error"]) == (400, "invalid_grant")
    assert gone.json()["error_codes"] == [50173]
    assert token["scope"] == "User.Read"


def _app(caller: Caller) -> dict[str, str]:
    client = caller.own("/_credentials")["teams"]["clients"][0]
    return {"client_id": client["client_id"], "client_secret": client["client_secret"]}


def _consented(caller: Caller, scope: str) -> Any:
    app = _app(caller)
    asked = {"response_type": "code", "scope": scope, "redirect_uri": CALLBACK, "state": "s"}
    address = caller.at(LOGIN, "/oauth2/v2.0/authorize")
    back = caller.consent(address, {"client_id": app["client_id"], **asked})
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK}
    return caller.http.post(caller.at(LOGIN, "/oauth2/v2.0/token"), data={**form, **app}).json()
