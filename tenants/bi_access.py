"""A database login per tenant for BI tools: it reads the views of that tenant and nothing else.

The role is named after the tenant's schema. Its password is shown once; PostgreSQL is sent only the
SCRAM verifier of it. Everybody who may connect to a database may, unless told otherwise, take
advisory locks, store large objects and make temporary tables there. A reader could hold up the
syncs of every tenant that way, so these are taken from PUBLIC and kept by the hub's own user where
that user may decide it; where not, the login says what is left open.
"""

import secrets
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.utils import ProgrammingError

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from integrations.errors import NameTakenError, NotFoundRefusedError, RefusedError
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.models import Tenant
from tenants.roles import Role
from tenants.views import has_reader, let_read, reader_of

CONNECTIONS = 5  # at a time
SETTINGS = {  # what a session begins with
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_read_only": "on",
}

MISSING_RIGHT = (
    "The hub's database user may not do this; let an administrator of the database run "
    "ALTER ROLE {user} CREATEROLE, then try again."
)

# Whatever the reader may touch besides its views: tables of any schema, creating, writing.
_TOO_MUCH = """
SELECT 'read ' || c.oid::regclass FROM pg_class c
WHERE has_schema_privilege(%(role)s, c.relnamespace, 'USAGE')
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    AND NOT (c.relkind = 'v' AND c.relnamespace = to_regnamespace(%(schema)s))
    AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(%(role)s, c.oid, 'SELECT, USAGE')
        ELSE has_table_privilege(%(role)s, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_any_column_privilege(%(role)s, c.oid, 'SELECT, INSERT, UPDATE') END
UNION ALL
SELECT 'create in schema ' || quote_ident(n.nspname) FROM pg_namespace n
WHERE has_schema_privilege(%(role)s, n.oid, 'CREATE')
UNION ALL
SELECT 'create schemas' WHERE has_database_privilege(%(role)s, current_database(), 'CREATE')
LIMIT 20
"""

# Functions of PostgreSQL that hold up others, or store something, without touching a table.
_SIDE_DOORS = """
SELECT p.oid, p.oid::regprocedure::text AS name FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
    AND p.proname ~ '^(pg_(try_)?advisory_|lo_|lowrite$|loread$|pg_logical_emit_message$)'
    AND has_function_privilege('public', p.oid, 'EXECUTE')
"""

_LEFT_OPEN = f"""
SELECT 'take advisory locks and store large objects' FROM ({_SIDE_DOORS}) AS d HAVING count(*) > 0
UNION ALL
SELECT 'make temporary tables' WHERE
    has_database_privilege('public', current_database(), 'TEMPORARY')
"""


@dataclass(frozen=True)
class Login:
    """What a BI tool needs to connect. `left_open` is what everybody may do in this database, and
    only an administrator of it can forbid.
    """

    host: str
    port: int
    database: str
    user: str
    password: str
    schema: str
    sslmode: str
    left_open: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether the server listens on a socket of this machine alone."""
        return self.host.startswith("/")


@requires_role(Role.ADMIN)
@transaction.atomic
def open_bi_access(*, tenant: Tenant, actor: Actor) -> Login:
    """Return a login that reads the tenant's views; its password cannot be shown a second time.

    Raises:
        NameTakenError: the tenant has one already.
        RefusedError: our database user may not make roles, or PUBLIC may do too much.
    """
    role = reader_of(tenant.schema_name)
    if has_reader(tenant.schema_name):
        raise NameTakenError(
            f"{tenant.slug} has a login already; use --rotate for a new password, or --revoke."
        )
    password = secrets.token_urlsafe(24)
    _run(f"CREATE ROLE {role} LOGIN NOINHERIT CONNECTION LIMIT {CONNECTIONS} {_secret(password)}")
    _run(f"GRANT {role} TO CURRENT_USER")  # or we could not end its sessions
    for name, value in SETTINGS.items():
        _run(f"ALTER ROLE {role} SET {name} = '{value}'")
    _run(f"ALTER ROLE {role} SET search_path = {tenant.schema_name}")
    _run(f"GRANT CONNECT ON DATABASE {_database()} TO {role}")
    _run(f"GRANT USAGE ON SCHEMA {tenant.schema_name} TO {role}")
    let_read(tenant.schema_name)
    _close_side_doors()
    _refuse_too_much(tenant)
    if not tenant.is_active:
        _run(f"ALTER ROLE {role} NOLOGIN")
    record_event(AuditAction.BI_ACCESS_OPENED, actor=actor, target=tenant, tenant_id=tenant.pk)
    return _login(tenant, password)


@requires_role(Role.ADMIN)
@transaction.atomic
def rotate_bi_access(*, tenant: Tenant, actor: Actor) -> Login:
    """Return the tenant's login with a new password; the old one opens nothing from now on.

    Sessions that are open go on. What PUBLIC may do is looked at again.

    Raises:
        NotFoundRefusedError: the tenant has no login.
        RefusedError: our database user may not change roles, or PUBLIC may do too much.
    """
    _require_login(tenant)
    password = secrets.token_urlsafe(24)
    _run(f"ALTER ROLE {reader_of(tenant.schema_name)} {_secret(password)}")
    let_read(tenant.schema_name)
    _close_side_doors()
    _refuse_too_much(tenant)
    record_event(AuditAction.BI_ACCESS_ROTATED, actor=actor, target=tenant, tenant_id=tenant.pk)
    return _login(tenant, password)


@requires_role(Role.ADMIN)
def revoke_bi_access(*, tenant: Tenant, actor: Actor) -> None:
    """The tenant has no login; who was connected is not any more.

    Raises:
        NotFoundRefusedError: the tenant had none.
        RefusedError: our database user may not end it.
    """
    _require_login(tenant)
    end_bi_access(tenant=tenant, actor=actor)


def end_bi_access(*, tenant: Tenant, actor: Actor) -> None:
    """The tenant has no login, whether it had one or not. Safe to call again after a crash.

    The role stops to let in first, in a transaction of its own: otherwise a tool would be back
    before its role is gone.
    """
    if not has_reader(tenant.schema_name):
        return
    stop_logins(tenant)
    role = reader_of(tenant.schema_name)
    with transaction.atomic():
        _run(f"DROP OWNED BY {role}")
        _run(f"DROP ROLE {role}")
        record_event(AuditAction.BI_ACCESS_REVOKED, actor=actor, target=tenant, tenant_id=tenant.pk)


def stop_logins(tenant: Tenant) -> None:
    """Nobody comes in with the tenant's login, and who was in is out; the login itself stays."""
    if has_reader(tenant.schema_name):
        role = reader_of(tenant.schema_name)
        with transaction.atomic():
            _run(f"ALTER ROLE {role} NOLOGIN")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
            )


def let_log_in(tenant: Tenant) -> None:
    """The tenant's login, if it has one, lets in again."""
    if has_reader(tenant.schema_name):
        _run(f"ALTER ROLE {reader_of(tenant.schema_name)} LOGIN")


def _require_login(tenant: Tenant) -> None:
    if not has_reader(tenant.schema_name):
        raise NotFoundRefusedError(f"{tenant.slug} has no login for BI tools.")


def _secret(password: str) -> str:
    """The clause that sets the password by its verifier, so that no log ever holds it."""
    connection.ensure_connection()
    server = connection.connection.pgconn
    verifier = server.encrypt_password(password.encode(), b"", b"scram-sha-256").decode()
    return f"PASSWORD '{verifier}'"


def _close_side_doors() -> None:
    """Keep for ourselves what PUBLIC may do in every database, as far as we may decide that."""
    _try(f"GRANT TEMPORARY ON DATABASE {_database()} TO CURRENT_USER")
    _try(f"REVOKE TEMPORARY ON DATABASE {_database()} FROM PUBLIC")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT string_agg(name, ', ') FROM ({_SIDE_DOORS}) AS d")
        (functions,) = cursor.fetchone()
    if functions:
        _try(f"GRANT EXECUTE ON FUNCTION {functions} TO CURRENT_USER")
        _try(f"REVOKE EXECUTE ON FUNCTION {functions} FROM PUBLIC")


def _refuse_too_much(tenant: Tenant) -> None:
    """Raise RefusedError if the login could do more than read its views."""
    found = excess_of(tenant)
    if found:
        raise RefusedError(
            "No login was made, because PostgreSQL lets everybody here do more than a reader may: "
            f"{'; '.join(found)}. Let an administrator of the database revoke that from PUBLIC "
            "(docs/bi.md has the statements), then try again."
        )


def excess_of(tenant: Tenant) -> list[str]:
    """What the tenant's login may do besides reading its views, in words; empty if all is well."""
    values = {"role": reader_of(tenant.schema_name), "schema": tenant.schema_name}
    with connection.cursor() as cursor:
        cursor.execute(_TOO_MUCH, values)
        return [said for (said,) in cursor.fetchall()]


def _login(tenant: Tenant, password: str) -> Login:
    with connection.cursor() as cursor:
        cursor.execute("SHOW ssl")
        (ssl,) = cursor.fetchone()
        cursor.execute(_LEFT_OPEN)
        left_open = tuple(said for (said,) in cursor.fetchall())
    server = connection.connection.info
    return Login(
        host=server.host,
        port=server.port,
        database=server.dbname,
        user=reader_of(tenant.schema_name),
        password=password,
        schema=tenant.schema_name,
        sslmode="require" if ssl == "on" else "disable",
        left_open=left_open,
    )


def _database() -> str:
    return connection.ops.quote_name(connection.connection.info.dbname)


def _run(statement: str) -> None:
    """Run one statement about roles and rights.

    Raises:
        RefusedError: our database user may not.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except ProgrammingError as exc:
        if getattr(exc.__cause__, "sqlstate", "") != "42501":
            raise
        user = connection.ops.quote_name(connection.connection.info.user)
        raise RefusedError(MISSING_RIGHT.format(user=user)) from exc


def _try(statement: str) -> None:
    """Run it if we may; what stays open is found afterwards."""
    try:
        _run(statement)
    except RefusedError:
        return
