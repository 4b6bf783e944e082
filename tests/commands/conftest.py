"""`manage.py` as a person runs it: a process of its own, on the database of the tests."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

Run = subprocess.CompletedProcess[str]
LONGEST_SECONDS = 60


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
    return subprocess.run(
        [sys.executable, *(python or ("manage.py", *arguments))],
        cwd=settings.BASE_DIR,
        env={**kept, "DJANGO_SETTINGS_MODULE": "hub.settings.test", **environment},
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


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
