"""The authorization server of this folder, running, with the hub registered as its client.

It needs Node and npm; where they are not installed these tests are skipped, visibly.
"""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from hub.connect.provider_apps import set_provider_app
from integrations.connectors import registry
from integrations.services.connect_links import callback_url, create_connect_session
from tenants.actor import Actor
from tenants.models import Tenant
from tests.connecting.conftest import Browser, first_form
from tests.oidc.judge import JudgeConnector

HERE = Path(__file__).parent
PUBLIC_URL = "http://127.0.0.1:8000"
ORIGIN = "https://judge.example"
TOKEN_SECONDS = 300
CLIENT = {"client_id": "hub", "client_secret": "made-up/with+signs:in=it"}
PAGES_AT_MOST = 12


@dataclass
class Judge:
    """The running server, and a person who signs in there and allows what is asked."""

    url: str
    http: requests.Session = field(default_factory=requests.Session)

    def log(self) -> list[dict[str, str]]:
        """What its token endpoint has decided, oldest first."""
        return self.http.get(f"{self.url}/log").json()  # type: ignore[no-any-return]

    def refreshes(self) -> list[str]:
        """How each request for renewal so far ended."""
        return [one["event"] for one in self.log() if one["grant_type"] == "refresh_token"]

    def forget_access(self) -> None:
        """Take no access token that was given out so far."""
        self.http.get(f"{self.url}/forget-access")

    def takes(self, token: str) -> bool:
        answer = self.http.get(f"{self.url}/contacts", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code == 200

    def consent(self, address: str) -> str:
        """Sign in as Ada and allow everything; return where the browser is sent back to."""
        person = requests.Session()
        person.trust_env = False
        address = address.replace(ORIGIN, self.url)
        answer = person.get(address, allow_redirects=False)
        for _ in range(PAGES_AT_MOST):
            if answer.is_redirect:
                address = urljoin(address, answer.headers["Location"])
                if address.startswith(PUBLIC_URL):
                    return address
                answer = person.get(address, allow_redirects=False)
            else:
                action, values = first_form(answer.text)
                values.update({"login": "ada", "password": "any"} if "login" in values else {})
                address = urljoin(address, action)
                answer = person.post(address, data=values, allow_redirects=False)
        raise AssertionError(f"no way back from {address}: {answer.text[:500]}")


@pytest.fixture(scope="session")
def installed() -> Path:
    """The server's packages, installed once from the lock file of this folder."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node and npm are not installed")
    with open(HERE / "package-lock.json") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test process may be installing
        if not (HERE / "node_modules" / "oidc-provider").exists():
            done = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=HERE,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                shutil.rmtree(HERE / "node_modules", ignore_errors=True)
                pytest.skip("npm could not install oidc-provider")
    return HERE / "server.mjs"


@pytest.fixture
def judge(installed: Path, settings: Any) -> Iterator[Judge]:
    settings.HUB_PUBLIC_URL = PUBLIC_URL
    settings.HUB_EGRESS_ALLOW = ["127.0.0.1"]
    order = {**CLIENT, "redirect_uri": callback_url("judge"), "seconds": TOKEN_SECONDS}
    with subprocess.Popen(
        ["node", str(installed), json.dumps(order)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        judge = Judge(json.loads(process.stdout.readline())["url"])
        judge.http.trust_env = False
        settings.HUB_PROVIDER_ADDRESSES = {ORIGIN: judge.url}
        yield judge
        process.stdin.close()


@pytest.fixture
def registered(judge: Judge, db: None) -> Iterator[Judge]:
    """The connector from outside the source tree, and the hub's app at the server."""
    before = dict(registry._registered)
    registry.register(JudgeConnector)
    set_provider_app(
        provider="judge",
        client_id=CLIENT["client_id"],
        client_secret=CLIENT["client_secret"],
        actor=Actor.system("tests"),
    )
    yield judge
    registry._registered.clear()
    registry._registered.update(before)


@pytest.fixture
def link(registered: Judge, acme: Tenant, operator: Actor) -> str:
    _, token = create_connect_session(tenant=acme, actor=operator, end_user="Ada of Acme")
    return token


@pytest.fixture
def browser() -> Browser:
    return Browser(world=None)  # type: ignore[arg-type]
