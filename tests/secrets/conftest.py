"""The hub as it runs: a web server and a worker unit that log everything, in front of a provider
that repeats what it is sent."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from django.conf import settings as django_settings

from tests.faults.conftest import database_url
from tests.secrets.connectors import ORIGIN, TLS_ORIGIN
from tests.secrets.provider import CanaryProvider
from tests.waiting import wait_until

START_SECONDS = 180  # on a busy machine


@dataclass
class Hub:
    """Processes of the hub and the files that hold everything they said."""

    url: str
    environment: dict[str, str]
    logs: Path
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(
        self, name: str, *command: str, files: tuple[int, ...] = ()
    ) -> "subprocess.Popen[bytes]":
        """Start a process of the hub, which inherits these open files."""
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=django_settings.BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=files,
            )
        self.running.append(process)
        return process

    def is_up(self) -> bool:
        """Whether the web server answers; fails at once if a process has ended."""
        ended = [process for process in self.running if process.poll() is not None]
        assert not ended, self.said()[-3000:].decode()
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/health/live/", timeout=30).status_code == 200
        return False

    def end(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(timeout=180)
        self.running.clear()

    def said(self) -> bytes:
        """Everything written to stdout and stderr by any process so far."""
        return b"\n".join(log.read_bytes() for log in sorted(self.logs.iterdir()))


@pytest.fixture
def provider() -> Iterator[CanaryProvider]:
    with CanaryProvider() as provider:
        yield provider


@pytest.fixture
def hub(transactional_db: None, provider: CanaryProvider, tmp_path: Path) -> Iterator[Hub]:
    """A web server and a worker unit on the database of the test."""
    listening = socket.create_server(("127.0.0.1", 0))  # kept: nobody else gets the port meanwhile
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    logs = tmp_path / "logs"
    logs.mkdir()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "tests.secrets.settings",
        "HUB_PUBLIC_URL": f"http://{address}",
        "HUB_PROVIDER_ADDRESSES": json.dumps(
            {ORIGIN: provider.url, TLS_ORIGIN: provider.url.replace("http:", "https:")}
        ),
    }
    hub = Hub(f"http://{address}", environment, logs)
    try:
        hub.start(
            "web", "-m", "gunicorn", "hub.wsgi", "--bind", f"fd://{listening.fileno()}",
            "--threads", "4", "--no-control-socket", files=(listening.fileno(),),
        )  # fmt: skip
        hub.start("worker", "manage.py", "worker")
        wait_until(hub.is_up, seconds=START_SECONDS)
        yield hub
    finally:
        hub.end()
        listening.close()
