"""A database of its own on the embedded server, for as long as a benchmark runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_database() -> Iterator[None]:
    """Django is set up on an empty migrated database, which is dropped in the end."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings.test")
    from hub.embedded_postgres import ensure

    ensure()
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    made = setup_databases(verbosity=0, interactive=False)
    connection.set_schema_to_public()
    try:
        yield
    finally:
        teardown_databases(made, verbosity=0)


def server() -> str:
    """Name the server that is measured."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0]}"
