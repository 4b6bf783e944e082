"""The sandbox as a process: it says where it is, and ends when it should."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
SECONDS = 180  # on a busy machine


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "integrations.sandbox", "--port", "0", *options]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(command(), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield started
    if started.poll() is None:
        started.kill()
        started.wait()


def ready_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("sandbox ready on http://127.0.0.1:"), line
    return line.split()[-1]


def get(url: str) -> requests.Response:
    with requests.Session() as http:
        http.trust_env = False
        return http.get(url, timeout=SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_and_ends_cleanly(
    process: subprocess.Popen[str], number: signal.Signals
) -> None:
    url = ready_url(process)
    assert get(f"{url}/_addresses").json()["https://slack.com"] == f"{url}/slack"

    process.send_signal(number)

    assert process.wait(timeout=SECONDS) == 0


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    parent = (
        "import subprocess, sys, time;"
        f"subprocess.Popen({command('--ready-file', str(ready))!r}); time.sleep(600)"
    )
    started = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + SECONDS
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        written = json.loads(ready.read_text())
        assert get(f"{written['url']}/_addresses").json() == written["addresses"]
    finally:
        started.kill()
        started.wait()

    deadline = time.monotonic() + SECONDS
    while _runs(written["pid"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _runs(written["pid"])


def _runs(pid: int) -> bool:
    """False also for a process that has ended but was not yet collected by its parent."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_it_imports_nothing_of_the_hub() -> None:
    script = (
        "import sys, integrations.sandbox as s; s.Sandbox().stop();"
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'hub', 'tenants')"
        " or (m.startswith('integrations.') and not m.startswith('integrations.sandbox'))])"
    )

    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"
