"""One sandbox for all tests here, put back to its start before each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations.sandbox import Sandbox

CALLBACK = "https://hub.example/callback"


@dataclass
class Caller:
    """A provider's caller: an HTTP session that ignores the shell's proxies."""

    sandbox: Sandbox
    http: requests.Session

    def at(self, origin: str, path: str) -> str:
        return self.sandbox.addresses()[origin] + path

    def own(self, path: str) -> Any:
        return self.http.get(self.sandbox.url + path).json()

    def control(self, action: str, **order: Any) -> Any:
        answer = self.http.post(f"{self.sandbox.url}/_control", json={"action": action, **order})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def count_slowly(self, slug: str, window: str) -> None:
        """Let this window of the part last ten minutes: no slow machine gets through meanwhile."""
        getattr(self.sandbox.world.parts[slug], window).seconds = 600

    def fill_slowly(self, method: str) -> None:
        """Let Slack's bucket of this method hold as much, and gain one a minute: as above."""
        bucket = self.sandbox.world.parts["slack"].buckets[method]  # type: ignore[attr-defined]
        bucket.burst, bucket.per_minute = bucket.burst * bucket.per_minute, 1

    def truth(self, slug: str, entity: str, account: str = "") -> dict[str, Any]:
        rows = self.own(f"/_truth?slug={slug}&account={account}&entity={entity}")["rows"]
        return {row["id"]: row for row in rows}

    def consent(self, url: str, params: dict[str, str], **changed: str) -> dict[str, str]:
        """What the callback gets after posting the first form of the consent page."""
        page = self.http.get(url, params=params)
        assert page.status_code == 200, page.text
        form = Form(page.text)
        answer = self.http.post(
            self.sandbox.url + form.action, data={**form.fields, **changed}, allow_redirects=False
        )
        assert answer.status_code == 302, answer.text
        return query_of(answer.headers["Location"])

    # One account at each provider, ready to be read.

    def copper(self, resource: str, body: Any = None, **headers: str) -> requests.Response:
        key = self.own("/_credentials")["copper"][0]
        sent = {
            "X-PW-AccessToken": key["key"],
            "X-PW-Application": "developer_api",
            "X-PW-UserEmail": key["user_email"],
            **headers,
        }
        url = self.at("https://api.copper.com", f"/developer_api/v1/{resource}")
        return self.http.post(url, json={} if body is None else body, headers=sent)

    def quickbooks_token(self, number: int = 0, **asked: str) -> dict[str, Any]:
        """The token answer, with realmId and the client added."""
        client = self.own("/_credentials")["quickbooks"]["clients"][number]
        back = self.consent(
            self.at("https://appcenter.intuit.com", "/connect/oauth2"),
            {
                "client_id": client["client_id"],
                "response_type": "code",
                "scope": "com.intuit.quickbooks.accounting",
                "redirect_uri": CALLBACK,
                "state": "s1",
                **asked,
            },
        )
        form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK}
        answer = self.quickbooks_exchange(client, form)
        return {**answer.json(), "realmId": back["realmId"], "client": client}

    def quickbooks_exchange(self, client: Any, form: dict[str, str]) -> requests.Response:
        url = self.at("https://oauth.platform.intuit.com", "/oauth2/v1/tokens/bearer")
        return self.http.post(url, data=form, auth=(client["client_id"], client["client_secret"]))

    def quickbooks(
        self, token: dict[str, Any], path: str, accept: str = "application/json", **params: str
    ) -> requests.Response:
        url = self.at("https://quickbooks.api.intuit.com", f"/v3/company/{token['realmId']}/{path}")
        headers = {"Authorization": f"Bearer {token['access_token']}", "Accept": accept}
        return self.http.get(url, params=params, headers=headers)

    def slack_install(self, number: int = 0, **asked: str) -> dict[str, Any]:
        """The answer of oauth.v2.access, with the client added."""
        client = self.own("/_credentials")["slack"]["clients"][number]
        scope = (
            "team:read,users:read,users:read.email,channels:read,groups:read,"
            "channels:history,groups:history"
        )
        back = self.consent(
            self.at("https://slack.com", "/oauth/v2/authorize"),
            {
                "client_id": client["client_id"],
                "scope": scope,
                "redirect_uri": CALLBACK,
                "state": "s2",
                **asked,
            },
        )
        answer = self.slack_access(client, code=back["code"], redirect_uri=CALLBACK)
        return {**answer, "client": client}

    def slack_access(self, client: Any, **form: str) -> dict[str, Any]:
        url = self.at("https://slack.com", "/api/oauth.v2.access")
        auth = (client["client_id"], client["client_secret"])
        answer: dict[str, Any] = self.http.post(url, data=form, auth=auth).json()
        return answer

    def slack(self, token: str, method: str, **params: str) -> requests.Response:
        url = self.at("https://slack.com", f"/api/{method}")
        return self.http.get(url, params=params, headers={"Authorization": f"Bearer {token}"})


class Form(HTMLParser):
    """Action and default values of the first form of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(html[: html.index("</form>")])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.action = values["action"] or ""
        if tag == "input" and (values.get("type") != "radio" or "checked" in values):
            self.fields[values["name"] or ""] = values["value"] or ""


def query_of(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def forms_in(html: str) -> int:
    return len(re.findall("<form ", html))


@pytest.fixture(scope="session")
def running() -> Iterator[Caller]:
    http = requests.Session()
    http.trust_env = False
    with Sandbox(seed=7) as sandbox:
        yield Caller(sandbox, http)


@pytest.fixture
def caller(running: Caller) -> Caller:
    running.control("reset")
    return running
