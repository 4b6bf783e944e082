"""A pytest plugin: the embedded PostgreSQL is up before Django's settings are read."""

import os
import re
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
            if found and not os.path.exists(f"/proc/{found[1]}") and os.path.exists("/proc/self"):
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
