"""The views of a tenant's records that BI tools read: made, brought up to date, taken away.

tenants/views.sql is written from the record types by `make tenant-script` (a test holds the two
equal). The digest of the script is kept as the comment of each schema that has its views, so one
statement tells who is behind, and a schema restored from a backup still knows.
"""

import hashlib
from functools import cache
from pathlib import Path

from django.db import connection, transaction
from django.db.utils import ProgrammingError

PLACEHOLDER = "t_00000000000000000000000000000000"  # the tenant's schema, in both scripts
SCRIPT = Path(__file__).parent / "views.sql"
NOT_REPLACEABLE = "42P16"  # columns renamed, moved, removed, or of another type
LOCK_SECONDS = 75  # a reader's statement may take 60, see tenants.bi_access

_STATES = """
SELECT nspname, coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace
WHERE nspname LIKE 't\\_%'
"""

_VIEWS = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'v'
ORDER BY relname
"""


@cache
def script() -> str:
    return SCRIPT.read_text()


@cache
def digest() -> str:
    """What the comment of a schema says whose views are those of the script."""
    return f"views {hashlib.blake2b(script().encode(), digest_size=16).hexdigest()}"


def digests() -> dict[str, str]:
    """The comment of every tenant's schema; empty if it has no views."""
    with connection.cursor() as cursor:
        cursor.execute(_STATES)
        return dict(cursor.fetchall())


def views_of(schema_name: str) -> list[str]:
    """The names of the views that the schema has."""
    with connection.cursor() as cursor:
        cursor.execute(_VIEWS, [schema_name])
        return [name for (name,) in cursor.fetchall()]


def create_views(schema_name: str) -> None:
    """A schema that was made in this transaction has the views of the script."""
    with connection.cursor() as cursor:
        cursor.execute(script().replace(PLACEHOLDER, schema_name))
    _comment(schema_name, digest())


@transaction.atomic
def make_views(schema_name: str) -> None:
    """The schema has the views of the script; a second call changes nothing.

    Views stay readable throughout and keep their readers. Where one cannot be replaced as it is,
    all are dropped and made anew before anybody sees it.
    """
    _wait_for_readers()
    try:
        with transaction.atomic():
            create_views(schema_name)
    except ProgrammingError as exc:
        if getattr(exc.__cause__, "sqlstate", "") != NOT_REPLACEABLE:
            raise
        _drop(schema_name, views_of(schema_name))
        create_views(schema_name)
    _drop(schema_name, [name for name in views_of(schema_name) if _is_unknown(name)])
    let_read(schema_name)


@transaction.atomic
def drop_views(schema_name: str) -> None:
    """The schema has no views, so that its tables may change."""
    _wait_for_readers()
    _drop(schema_name, views_of(schema_name))
    _comment(schema_name, "")


def reader_of(schema_name: str) -> str:
    """The name of the login role that may read the tenant's views, if there is one."""
    return f"bi_{schema_name.removeprefix('t_')}"


def has_reader(schema_name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [reader_of(schema_name)])
        return cursor.fetchone() is not None


def let_read(schema_name: str) -> None:
    """The tenant's reader, if there is one, may read all its views and nothing else there."""
    if has_reader(schema_name) and (views := views_of(schema_name)):
        with connection.cursor() as cursor:
            cursor.execute(
                f"GRANT SELECT ON {_qualified(schema_name, views)} TO {reader_of(schema_name)}"
            )


def _is_unknown(name: str) -> bool:
    return f"VIEW {PLACEHOLDER}.{name} AS" not in script()


def _drop(schema_name: str, names: list[str]) -> None:
    """Without CASCADE: what somebody else has built upon a view is not lost unasked."""
    if names:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP VIEW {_qualified(schema_name, names)}")


def _qualified(schema_name: str, names: list[str]) -> str:
    quoted = (connection.ops.quote_name(name) for name in names)
    return ", ".join(f"{schema_name}.{name}" for name in quoted)


def _comment(schema_name: str, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA {schema_name} IS '{text}'")


def _wait_for_readers() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
