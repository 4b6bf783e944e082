"""A database of its own on the embedded server, for as long as a benchmark runs."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@contextmanager
def own_database(environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Django is set up on an empty migrated database, which is dropped in the end.

    `environment` is set for this process and for those that it starts.
    """
    os.environ.update(environment or {})
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings.test")
    from hub.embedded_postgres import ensure

    ensure()
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    made = setup_databases(verbosity=0, interactive=False, serialized_aliases=[])
    connection.set_schema_to_public()
    try:
        yield
    finally:
        connection.set_schema_to_public()
        with connection.cursor() as cursor:
            cursor.execute(_END_SESSIONS)
        teardown_databases(made, verbosity=0)


def server() -> str:
    """Name the server that is measured."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0]}"
