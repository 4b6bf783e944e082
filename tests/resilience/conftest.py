"""The stores that processes share: PostgreSQL always, Redis where its server is installed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from integrations.resilience.store import Store
from integrations.sync.shared import SHARED, OwnConnection, PostgresStore, store_of_settings

PATIENCE_SECONDS = 60  # on a busy machine
NO_REDIS = "Redis's server (redis-server) is not installed here: breakers in Redis are not shown."


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The address of a Redis server of our own, on a socket in `folder`."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip(NO_REDIS)
    socket = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    server = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        address = f"unix://{socket}?socket_timeout={PATIENCE_SECONDS}"
        _wait_for_answer(address)
        yield address
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


def _wait_for_answer(address: str) -> None:
    """Until the server listens, which is later than its socket is there."""
    until = time.monotonic() + PATIENCE_SECONDS
    with redis.Redis.from_url(address) as client:
        while True:
            try:
                client.ping()
                return
            except redis.RedisError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.02)


@pytest.fixture(scope="session")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture(params=["postgresql", "redis"])
def shared(
    request: pytest.FixtureRequest, db: None, settings: Any
) -> Iterator[Callable[[], Store]]:
    """Opens the store as one more process would."""
    if request.param == "redis":
        settings.REDIS_URL = request.getfixturevalue("redis_address")
        yield store_of_settings
        return
    opened: list[OwnConnection] = []

    def store() -> Store:
        opened.append(OwnConnection())
        return PostgresStore(opened[-1])

    with SHARED.transaction():  # so that what is written is cleaned up with it
        pass
    yield store
    for connection in opened:
        connection.close()
