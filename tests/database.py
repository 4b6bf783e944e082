"""A pytest plugin: the embedded PostgreSQL is up before Django's settings are read."""

from typing import Any

import pytest

from hub.embedded_postgres import DatabaseUnavailableError, ensure


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> None:
    try:
        ensure()
    except DatabaseUnavailableError as exc:
        raise pytest.UsageError(str(exc)) from exc
