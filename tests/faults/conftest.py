"""A sandbox of full size, a connection to each of its providers, and syncs as real processes."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from django.db import connection as database
from django.db.models.functions import Now
from psycopg.conninfo import make_conninfo

from hub.fleet.models import Due
from integrations.models import Connection
from integrations.sandbox import Sandbox
from integrations.services.connections import connect_with_key
from tenants.actor import Actor
from tests import warm
from tests.connecting.conftest import Browser, World, apps, browser, link, world
from tests.waiting import wait_until

__all__ = ["apps", "browser", "link", "world"]

LEASE_SECONDS = 1.5


@pytest.fixture(scope="session")
def running() -> Iterator[World]:
    http = requests.Session()
    http.trust_env = False
    with Sandbox(seed=11) as sandbox:
        yield World(sandbox, http)
    http.close()


def database_url() -> str:
    """The address of the test's own database, for a process of its own."""
    named = database.settings_dict
    return make_conninfo(
        dbname=named["NAME"],
        user=named["USER"] or None,
        password=named["PASSWORD"] or None,
        host=named["HOST"] or None,
        port=named["PORT"] or None,
    )


def wait_for_leases() -> None:
    """Until none is held any more: those of processes that were killed run out."""
    wait_until(lambda: not Due.objects.filter(lease_until__gte=Now()).exists(), seconds=60)


@dataclass
class Syncs:
    """`manage.py sync` as a process, which a test may let die at a named point."""

    world: World
    lease_seconds: float = LEASE_SECONDS

    def start(self, connection: Connection, *options: str, crash: str = "") -> warm.Process:
        return warm.start(*_sync(connection, *options), env=self._environment(crash))

    def run(self, connection: Connection, *options: str, crash: str = "") -> tuple[int, str, str]:
        """Return exit code, output and errors of a sync that ran to its end, or to its crash."""
        return warm.run(*_sync(connection, *options), env=self._environment(crash))

    def run_cold(self, connection: Connection) -> tuple[int, str, str]:
        """The same, started as a person starts it."""
        return warm.run_cold(*_sync(connection), env=self._environment())

    def _environment(self, crash: str = "") -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "hub.settings.test",
            "HUB_PROVIDER_ADDRESSES": json.dumps(self.world.sandbox.addresses()),
            "HUB_LEASE_SECONDS": str(self.lease_seconds),
            "HUB_BATCH_ROWS": "100",
            "HUB_CRASH": crash,
        }


def _sync(connection: Connection, *options: str) -> list[str]:
    named = ["--tenant", "acme", "--connection", str(connection.pk)]
    return ["manage.py", "sync", *named, "--json", *options]


@pytest.fixture
def syncs(world: World) -> Syncs:
    world.control("set", limits=False)
    return Syncs(world)


@pytest.fixture
def connect(world: World, browser: Browser, link: str, operator: Actor) -> Any:
    """Connect a provider of the sandbox in acme, by its key or by its consent page."""

    def connect(slug: str) -> Connection:
        if slug == "copper":
            return connect_with_key(provider="copper", secrets=world.key(), actor=operator)
        browser.connect(link, slug)
        return Connection.objects.get(provider=slug)

    return connect
