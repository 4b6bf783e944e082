"""A faulty provider, the hub's processes on the database of the test, and what they remember."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.connect.provider_apps import set_provider_app
from tenants.actor import Actor
from tests.faults.conftest import database_url
from tests.harness.checker import remembered_checkpoints
from tests.harness.hub import SLUG, Hub
from tests.harness.simulator import Simulator
from tests.harness.tcp_chaos import TcpChaos


@pytest.fixture(scope="session")
def serving() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(serving: Simulator) -> Simulator:
    """Without accounts or faults."""
    serving.forget()
    return serving


@pytest.fixture(scope="session")
def between() -> Iterator[TcpChaos]:
    """What lies between the hub and the provider."""
    with TcpChaos() as chaos:
        yield chaos


@pytest.fixture
def network(between: TcpChaos) -> Iterator[TcpChaos]:
    """The same, without trouble at first and in the end."""
    between.set()
    yield between
    between.set()


@pytest.fixture(scope="session")
def processes(
    django_db_setup: None,
    serving: Simulator,
    between: TcpChaos,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Hub]:
    log: Path = tmp_path_factory.mktemp("harness") / "hub.log"
    between.upstream = serving.port
    hub = Hub(database_url(), f"http://127.0.0.1:{between.port}", log)
    yield hub
    hub.close()


@pytest.fixture
def hub(transactional_db: None, simulator: Simulator, processes: Hub) -> Iterator[Hub]:
    """Works in acme; every checkpoint it writes is remembered."""
    set_provider_app(
        provider=SLUG, client_id="hub", client_secret="s", actor=Actor.system("harness")
    )
    begun_at = processes.log.stat().st_size
    try:
        with remembered_checkpoints():
            yield processes
    finally:
        processes.end_all()
        sys.stderr.write(processes.log.read_bytes()[begun_at:].decode()[-8000:])
