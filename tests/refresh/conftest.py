"""A QuickBooks connection other processes see, at a provider that takes a refresh token once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings

from integrations.models import Connection
from tests import warm
from tests.connecting.conftest import Browser, World, apps, browser, link, world
from tests.faults.conftest import database_url, running, syncs

__all__ = ["apps", "browser", "link", "running", "syncs", "world"]


@dataclass
class Outside:
    """Starts Python processes that work with the test's database and the sandbox."""

    world: World

    def start(self, *command: str, crash: str = "") -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=self._environment(crash),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask_once(self, connection: Connection, *, crash: str = "") -> warm.Process:
        """A process that asks for the connection's access."""
        command = ("-m", "tests.refresh.ask_once", str(connection.pk))
        return warm.start(*command, env=self._environment(crash))

    def _environment(self, crash: str) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "hub.settings.test",
            "HUB_PROVIDER_ADDRESSES": json.dumps(self.world.sandbox.addresses()),
            "HUB_CRASH": crash,
        }


@dataclass
class Askers:
    """The processes of tests/refresh/askers.py, released together once per round."""

    process: "subprocess.Popen[str]"

    def ask(self) -> list[dict[str, str]]:
        """What each process got in one more round."""
        assert self.process.stdin and self.process.stdout
        print("ask", file=self.process.stdin, flush=True)
        answer: list[dict[str, str]] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture
def outside(world: World) -> Outside:
    return Outside(world)


@pytest.fixture
def committed(transactional_db: None, browser: Browser, link: str) -> Connection:
    """Its refresh tokens are taken once; using one twice ends the grant."""
    browser.connect(link, "quickbooks")
    browser.world.control("set", slug="quickbooks", reuse_revokes=True, limits=False)
    return Connection.objects.get()


@pytest.fixture
def twenty(outside: Outside, committed: Connection) -> Iterator[Askers]:
    process = outside.start("-m", "tests.refresh.askers", str(committed.pk), "20")
    with process:
        yield Askers(process)
        assert process.stdin
        process.stdin.close()
        process.wait(timeout=180)


def reuse_of(world: World) -> int:
    """How often a refresh token was used a second time."""
    state: dict[str, Any] = world.http.get(f"{world.sandbox.url}/_state").json()
    return int(state["quickbooks"]["tokens"]["reuse_refused"])


def is_accepted(world: World, connection: Connection, token: str) -> bool:
    """Whether the provider takes this access token now."""
    base = world.sandbox.addresses()["https://quickbooks.api.intuit.com"]
    answer = world.http.get(
        f"{base}/v3/company/{connection.account_id}/companyinfo/{connection.account_id}",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
    )
    return answer.status_code == 200
