"""`manage.py` as a person runs it: a process of its own, on the database of the tests.

The first run of each command starts cold; later ones are forked from a warm process.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from tests import warm

Run = subprocess.CompletedProcess[str]
LONGEST_SECONDS = 180  # on a busy machine
WARM_SETTINGS = "hub.settings.test"
_started: set[str] = set()


def database_url(**instead: str) -> str:
    """The address of the database that this test uses, or of another on the same server."""
    used = connection.settings_dict
    known = {"dbname": "NAME", "user": "USER", "password": "PASSWORD"}
    named = {word: used[key] for word, key in {**known, "host": "HOST", "port": "PORT"}.items()}
    return make_conninfo(**{word: value for word, value in named.items() if value} | instead)


def manage(*arguments: str, python: tuple[str, ...] = (), **environment: str) -> Run:
    """Run manage.py with these arguments and what is added to the environment."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HUB_", "DJANGO_SETTINGS_MODULE", "DATABASE_URL"))
    }
    env = {**kept, "DJANGO_SETTINGS_MODULE": WARM_SETTINGS, **environment}
    if not python and _may_be_warm(arguments[0], env):
        return Run(arguments, *warm.run("manage.py", *arguments, env=env, seconds=LONGEST_SECONDS))
    return subprocess.run(
        [sys.executable, *(python or ("manage.py", *arguments))],
        cwd=settings.BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def _may_be_warm(command: str, env: dict[str, str]) -> bool:
    """Whether the command was started cold before, and the apps start as in the warm process."""
    was_started = command in _started
    _started.add(command)
    others = env["DJANGO_SETTINGS_MODULE"] != WARM_SETTINGS or "HUB_CONNECTOR_MODULES" in env
    elsewhere = env.get("PYTHONPATH") != os.environ.get("PYTHONPATH")
    return was_started and not others and not elsewhere


def sentence_of(run: Run) -> str:
    """The one line on stderr with which a command was refused; fail if it is anything else."""
    assert run.returncode != 0, run.stdout
    said = run.stderr.strip()
    assert "Traceback" not in said, said
    assert "\n" not in said, said
    return said


@pytest.fixture
def run(db: None) -> Callable[..., Run]:
    """Run a command on the database of this test; it sees what the session has committed."""
    url = database_url()
    return lambda *arguments, **environment: manage(
        *arguments, **{"DATABASE_URL": url, **environment}
    )


@pytest.fixture
def module_folder(tmp_path: Path) -> Path:
    """A folder on the path of imports; give it to a command as PYTHONPATH."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder
