"""Real tenants with real connections to the provider of the benchmarks, and a real worker unit."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import psutil
from django.conf import settings
from django.db import connection as database
from psycopg.conninfo import make_conninfo

from integrations.models import Connection
from integrations.services.connections import connect_with_key
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tenants.roles import Role

OPERATOR = Actor(kind="user", id="0", label="benchmark", role=Role.ADMIN)
STOP_SECONDS = 40


def new_tenant(slug: str) -> Tenant:
    return create_tenant(slug=slug, name=slug, actor=Actor.system("benchmark"))


def connect(
    tenant: Tenant, key: str, *, provider: str = "benchmark", interval_seconds: int = 3600
) -> Connection:
    """Connect an account by its key, as a person would; its first sync is due now."""
    with in_tenant(tenant):
        made = connect_with_key(provider=provider, secrets={"key": key}, actor=OPERATOR)
        made.interval_seconds = interval_seconds
        made.save(update_fields=["interval_seconds"])
        return made


@contextmanager
def worker(*options: str, processes: int, log: TextIO) -> Iterator[psutil.Process]:
    """A running `manage.py worker`; told to stop in the end, and killed if it does not."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "worker", f"--processes={processes}", *options],
        cwd=Path(settings.BASE_DIR),
        env={**os.environ, "DATABASE_URL": _database_url()},
        stderr=log,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for one in psutil.Process(process.pid).children(recursive=True):
                one.kill()
            process.kill()
            process.wait()


def _database_url() -> str:
    named = database.settings_dict
    parts = {"dbname": "NAME", "user": "USER", "host": "HOST", "port": "PORT"}
    return make_conninfo(**{name: named[key] for name, key in parts.items() if named[key]})
