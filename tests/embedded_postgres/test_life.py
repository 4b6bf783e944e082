"""The embedded server: who starts it, who shares it, and who stops it."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings

from hub import embedded_postgres
from tests.embedded_postgres.conftest import END_SECONDS, USE_IT, answers, server_in

pytestmark = pytest.mark.xdist_group("embedded")

ANOTHER_ACCOUNT = 65534  # nobody


def test_it_starts_for_whoever_runs_the_tests_and_stops_with_its_only_user(use, folder):
    user = use()

    assert answers(user.url)
    assert user.ends() == 0
    assert server_in(folder) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_one_of_root_and_one_of_somebody_else_run_beside_each_other(use, folder):
    use()
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    os.chown(elsewhere, ANOTHER_ACCOUNT, ANOTHER_ACCOUNT)

    user = use(elsewhere, account=ANOTHER_ACCOUNT)

    assert server_in(folder).uids().real != 0
    assert server_in(elsewhere).uids().real == ANOTHER_ACCOUNT
    assert user.ends() == 0
    assert server_in(elsewhere) is None


def test_two_users_share_it_and_the_last_one_stops_it(use, folder):
    first, second = use(), use()

    assert first.url == second.url
    first.ends()
    assert answers(second.url)
    second.ends()
    assert server_in(folder) is None


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_that_ends_its_user_stops_it(name, use, folder):
    user = use()

    assert user.ends(signal.Signals[name]) != 0
    assert server_in(folder) is None


def test_the_next_user_adopts_the_server_of_one_that_was_killed_and_stops_it(use, folder):
    killed = use()
    with psycopg.connect(killed.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE adopted AS SELECT 42 AS answer")
    killed.ends(signal.SIGKILL)
    orphan = server_in(folder)
    assert orphan is not None

    adopting = use()

    assert server_in(folder) == orphan
    with psycopg.connect(adopting.url) as connection:
        assert connection.execute("SELECT answer FROM adopted").fetchone() == (42,)
    adopting.ends()
    assert server_in(folder) is None


def test_data_survives_a_server_that_was_killed_with_its_user(use, folder):
    killed = use()
    with psycopg.connect(killed.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE recovered AS SELECT 42 AS answer")
    killed.ends(signal.SIGKILL)
    server = server_in(folder)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # it ended because the server did
            process.kill()
    assert psutil.wait_procs(processes, END_SECONDS)[1] == []

    after = use()

    with psycopg.connect(after.url) as connection:
        assert connection.execute("SELECT answer FROM recovered").fetchone() == (42,)


class SlowServer:
    """The wheel's server on a busy machine: it is given up, then still starting, then there."""

    def __init__(self) -> None:
        self.troubles = [subprocess.TimeoutExpired("pg_ctl", 10), AssertionError("not ready")]

    def start(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)


def test_a_server_that_starts_slowly_is_waited_for_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(embedded_postgres, "LOOK_SECONDS", 0.0)
    slow = SlowServer()

    embedded_postgres._start_patiently(slow)

    assert slow.troubles == []
    monkeypatch.setattr(embedded_postgres, "START_SECONDS", 0.0)
    with pytest.raises(subprocess.TimeoutExpired):
        embedded_postgres._start_patiently(SlowServer())


def test_a_folder_inside_the_data_of_another_server_is_refused_and_left_as_it_is(
    tmp_path, monkeypatch
):
    data = tmp_path / "postgres"
    data.mkdir(mode=0o700)
    (data / "PG_VERSION").write_text("18\n")
    monkeypatch.setenv("HUB_DATA_DIR", str(data))

    with pytest.raises(embedded_postgres.DatabaseUnavailableError, match="set HUB_DATA_DIR to"):
        embedded_postgres._start(needed_free_bytes=0)

    assert data.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in data.iterdir()] == ["PG_VERSION"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_may_not_be_looked_into_is_one_sentence(tmp_path: Path):
    tmp_path.chmod(0o700)
    environment = {**os.environ, "HUB_DATA_DIR": str(tmp_path / "data")}
    del environment["DATABASE_URL"]

    run = subprocess.run(
        [sys.executable, "-c", USE_IT, str(ANOTHER_ACCOUNT)],
        cwd=settings.BASE_DIR,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert "cannot be used (Permission denied:" in run.stderr.splitlines()[-1]


def test_a_wrong_password_is_one_sentence_without_it(use, folder):
    """A role that must show its password; everybody else comes in by the socket alone."""
    user = use()
    rules = folder / "postgres" / "pg_hba.conf"
    with psycopg.connect(user.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
        rules.write_text(f"local all guarded scram-sha-256\n{rules.read_text()}")
        connection.execute("SELECT pg_reload_conf()")
    url = user.url.replace("postgres:@", "guarded:hubcanary@")
    run = subprocess.run(
        [sys.executable, "manage.py", "migrate_hub"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert run.stderr == (
        "error: PostgreSQL refused user or password; correct them in DATABASE_URL.\n"
    )


def test_with_database_url_no_server_is_started(tmp_path: Path):
    code = "from hub.embedded_postgres import ensure; print(ensure())"

    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env={**os.environ, "HUB_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == os.environ["DATABASE_URL"]
    assert list(tmp_path.iterdir()) == []
