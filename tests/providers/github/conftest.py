"""One GitHub user's account to read, consented to on the sandbox's own page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from integrations.connectors.github import GitHubConnector
from integrations.types import Credentials
from tests.providers.conftest import Reader
from tests.sandbox.conftest import CALLBACK, Caller

SITE = "https://github.com"
VERIFIER = "v" * 43
Install = Callable[..., dict[str, Any]]


@pytest.fixture
def install(caller: Caller) -> Install:
    """Consents for one of the two users; returns what the token endpoint said."""

    def consent(number: int = 0, verifier: str = VERIFIER, **form: str) -> dict[str, Any]:
        client = caller.own("/_credentials")["github"]["clients"][number]
        digest = hashlib.sha256(VERIFIER.encode()).digest()
        asked = {
            "client_id": client["client_id"],
            "scope": "repo read:org",
            "redirect_uri": CALLBACK,
            "state": "s",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        back = caller.consent(caller.at(SITE, "/login/oauth/authorize"), asked)
        return exchange(
            caller,
            client,
            code=back["code"],
            redirect_uri=CALLBACK,
            code_verifier=verifier,
            **form,
        )

    return consent


def exchange(caller: Caller, client: dict[str, str], **form: str) -> dict[str, Any]:
    url = caller.at(SITE, "/login/oauth/access_token")
    sent = {"client_id": client["client_id"], "client_secret": client["client_secret"], **form}
    answer = caller.http.post(url, data=sent, headers={"Accept": "application/json"})
    assert answer.status_code == 200
    return {**answer.json(), "client": client}


@pytest.fixture
def github(caller: Caller, install: Install) -> Reader:
    return Reader(GitHubConnector, Credentials(install()["access_token"]), caller)
