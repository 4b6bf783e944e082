"""A pytest plugin: the embedded PostgreSQL is up before Django's settings are read."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hub.embedded_postgres import DatabaseUnavailableError, ensure


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> None:
    try:
        _drop_leftovers(ensure())
    except DatabaseUnavailableError as exc:
        raise pytest.UsageError(str(exc)) from exc


def _drop_leftovers(url: str) -> None:
    """Remove the databases of test runs that were killed; their names end in a process id."""
    with psycopg.connect(url, autocommit=True) as connection:
        for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall():
            found = re.fullmatch(r"test_hub_(\d+)(_gw\d+)?", name)
            if found and Path("/proc/self").exists() and not Path(f"/proc/{found[1]}").exists():
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
