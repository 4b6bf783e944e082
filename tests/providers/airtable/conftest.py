"""One Airtable account to read, connected through its consent page, or to call by its tokens."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from integrations.connectors.airtable import AirtableConnector
from integrations.sandbox.airtable import Airtable
from integrations.testing.access import Access, open_access
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller

API = "https://api.airtable.com"


class Tables:
    """Calls with a personal access token of the first account; number 1 may write."""

    def __init__(self, caller: Caller, number: int) -> None:
        self.caller = caller
        self.key = caller.own("/_credentials")["airtable"]["keys"][number]["key"]
        self.bases = {one["name"]: one["id"] for one in self.get("meta/bases").json()["bases"]}

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.ask("GET", path, params=params)

    def ask(self, method: str, path: str, **how: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        url = self.caller.at(API, f"/v0/{path}")
        return self.caller.http.request(method, url, headers=headers, **how)

    def path(self, base: str, table: str) -> str:
        return f"{self.bases[base]}/{table}"


def count_slowly(caller: Caller) -> None:
    """A base counts five requests in ten minutes and stays locked as long: no slow machine gets
    through meanwhile."""
    part = caller.sandbox.world.parts["airtable"]
    assert isinstance(part, Airtable)
    part.base_calls.seconds = 600
    caller.control("set", slug="airtable", limits=True, lockout_seconds=600)


def code(answer: requests.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    return answer.status_code, error if isinstance(error, str) else error["type"]


@pytest.fixture
def access(caller: Caller) -> Access:
    return open_access(AirtableConnector, caller.sandbox)


@pytest.fixture
def airtable(caller: Caller, access: Access) -> Reader:
    caller.control("set", slug="airtable", limits=False)
    return Reader(AirtableConnector, access.credentials, caller)


@pytest.fixture
def tables(caller: Caller) -> Tables:
    """Calls by a token that reads."""
    caller.control("set", slug="airtable", limits=False)
    return Tables(caller, 0)


@pytest.fixture
def writer(caller: Caller) -> Tables:
    """Calls by a token that writes too, and may make tables in the base "Hub"."""
    caller.control("set", slug="airtable", limits=False)
    return Tables(caller, 1)
