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


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def hub(transactional_db: None, simulator: Simulator, tmp_path: Path) -> Iterator[Hub]:
    """Works in acme; every checkpoint it writes is remembered."""
    set_provider_app(
        provider=SLUG, client_id="hub", client_secret="s", actor=Actor.system("harness")
    )
    hub = Hub(database_url(), simulator.url, tmp_path / "hub.log")
    try:
        with remembered_checkpoints():
            yield hub
    finally:
        hub.close()
        sys.stderr.write(hub.log.read_text()[-8000:])
