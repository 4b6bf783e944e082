"""A login for BI tools reads the views of its tenant, and is refused everything else."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.db import transaction

from hub.audit.models import AuditEvent
from integrations.errors import (
    NameTakenError,
    NotFoundRefusedError,
    PermissionRefusedError,
    RefusedError,
)
from integrations.records import Company, Deal
from integrations.services.tenants import close_tenant
from tenants.actor import Actor
from tenants.bi_access import (
    Login,
    end_bi_access,
    excess_of,
    open_bi_access,
    revoke_bi_access,
    rotate_bi_access,
)
from tenants.context import in_tenant
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tenants.services import resume_tenant, suspend_tenant
from tenants.views import drop_views, has_reader, make_views, reader_of, views_of
from tests.faults.conftest import database_url
from tests.views.conftest import ask, keep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.public]
SYSTEM = Actor.system("tests")


@pytest.fixture
def acme_login(acme: Tenant) -> Iterator[Login]:
    yield open_bi_access(tenant=acme, actor=SYSTEM)
    end_bi_access(tenant=acme, actor=SYSTEM)


def connected(login: Login) -> psycopg.Connection:
    """As a BI tool connects; nothing of what the role brings along is asked for."""
    return psycopg.connect(
        database_url(), user=login.user, password=login.password, autocommit=True
    )


def answer(tool: psycopg.Connection, sql: str) -> str:
    """The first value of the answer as text, or the state of the error."""
    try:
        found = tool.execute(sql)
        row = found.fetchone() if found.description else None
        return str(row[0]) if row else "done"
    except psycopg.Error as exc:
        return f"refused {exc.sqlstate}"


def test_it_reads_the_views_by_their_bare_names(acme, globex, acme_login):
    with in_tenant(acme):
        keep(Company(name="Nordlicht GmbH"))
    with in_tenant(globex):
        keep(Company(name="Another tenant's"))

    with connected(acme_login) as tool:
        found = tool.execute("SELECT name FROM company").fetchall()
        limits = [tool.execute(f"SHOW {name}").fetchone() for name in ("statement_timeout",)]

    assert found == [("Nordlicht GmbH",)]
    assert limits == [("1min",)]


def test_whatever_else_it_tries_is_refused_even_when_it_says_it_will_write(
    acme, globex, acme_login
):
    open_bi_access(tenant=globex, actor=SYSTEM)
    number = acme.number
    attacks = [
        f"SELECT count(*) FROM {globex.schema_name}.company",
        f"SELECT count(*) FROM {globex.schema_name}.integrations_record",
        *(
            f"SELECT count(*) FROM {acme.schema_name}.{row['tablename']}"
            for row in ask(
                "SELECT tablename FROM pg_tables WHERE schemaname = %s", acme.schema_name
            )
        ),
        *(
            f"SELECT count(*) FROM public.{row['tablename']}"
            for row in ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ),
        "SELECT rolpassword FROM pg_authid",
        "INSERT INTO app_user (id) VALUES (1)",
        "DELETE FROM app_user",
        "UPDATE app_user SET source_id = 'x'",
        "CREATE TABLE mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE VIEW mine AS SELECT 1",
        f"CREATE OR REPLACE VIEW {acme.schema_name}.company AS SELECT 1 AS id",
        f"COMMENT ON SCHEMA {acme.schema_name} IS 'x'",
        "DROP VIEW company",
        "SELECT lo_from_bytea(0, 'kept')",
        "SELECT lo_creat(-1)",
        "SELECT pg_logical_emit_message(false, 'x', repeat('y', 1000))",
        f"SELECT nextval('{acme.schema_name}.integrations_change_seq')",
        f"SELECT pg_advisory_lock(7001, {number})",
        f"SELECT pg_try_advisory_xact_lock(7001, {globex.number})",
        f"DO $$ BEGIN LOCK TABLE {acme.schema_name}.integrations_record; END $$",
        "COPY company TO PROGRAM 'cat'",
        "COPY company TO '/tmp/company'",
        "SELECT pg_read_file('/etc/passwd')",
        f"SET ROLE {reader_of(globex.schema_name)}",
        "SET ROLE postgres",
        f"GRANT {acme_login.user} TO {reader_of(globex.schema_name)}",
        f"ALTER ROLE {acme_login.user} SUPERUSER",
        f"ALTER ROLE {acme_login.user} CONNECTION LIMIT 1000",
    ]

    with connected(acme_login) as tool:
        tool.execute("SET default_transaction_read_only = off")
        said = {sql: answer(tool, sql) for sql in attacks}
        still = answer(tool, "SELECT count(*) FROM company")
    end_bi_access(tenant=globex, actor=SYSTEM)

    assert {sql: text for sql, text in said.items() if text != "refused 42501"} == {}
    assert still == "0"
    assert len(said) > 60


@pytest.mark.django_db
def test_a_new_password_replaces_the_old_one(acme):
    before = open_bi_access(tenant=acme, actor=SYSTEM)

    again = rotate_bi_access(tenant=acme, actor=SYSTEM)

    assert opens(again) and not opens(before)
    with pytest.raises(NameTakenError, match="--rotate"):
        open_bi_access(tenant=acme, actor=SYSTEM)


def test_a_revoked_login_ends_with_whoever_is_connected_five_at_most(acme, acme_login):
    tool, *others = [connected(acme_login) for _ in range(5)]
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        connected(acme_login)

    revoke_bi_access(tenant=acme, actor=SYSTEM)

    with pytest.raises(psycopg.OperationalError):
        tool.execute("SELECT count(*) FROM company")
    for other in others:
        assert answer(other, "SELECT count(*) FROM company") == "refused 57P01"
    assert not has_reader(acme.schema_name)
    with pytest.raises(NotFoundRefusedError):
        revoke_bi_access(tenant=acme, actor=SYSTEM)
    actions = AuditEvent.objects.filter(target_id=str(acme.pk)).values_list("action", flat=True)
    assert {"bi_access.opened", "bi_access.revoked"} <= set(actions)


def test_closing_a_tenant_ends_its_login_while_somebody_reads():
    tenant = create_tenant(slug="initech", name="Initech", actor=SYSTEM)
    tool = connected(open_bi_access(tenant=tenant, actor=SYSTEM))
    tool.autocommit = False
    tool.execute("SELECT count(*) FROM company")  # holds a lock on it until it ends

    close_tenant(tenant=tenant, actor=SYSTEM)

    assert not has_reader(tenant.schema_name)
    assert ask("SELECT 1 FROM pg_namespace WHERE nspname = %s", tenant.schema_name) == []
    with pytest.raises(psycopg.OperationalError):
        tool.execute("SELECT 1")


def test_a_suspended_tenants_login_lets_nobody_in_until_it_is_resumed(acme, acme_login):
    tool = connected(acme_login)

    suspend_tenant(tenant=acme, actor=SYSTEM)

    with pytest.raises(psycopg.OperationalError):
        tool.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        connected(acme_login)
    resume_tenant(tenant=acme, actor=SYSTEM)
    connected(acme_login).close()


@pytest.mark.django_db
def test_it_goes_on_reading_after_the_views_were_made_anew(acme):
    login = open_bi_access(tenant=acme, actor=SYSTEM)
    with in_tenant(acme):
        keep(Deal(name="Roof"))

    drop_views(acme.schema_name)
    make_views(acme.schema_name)

    with transaction.atomic(), database.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {login.user}")
        cursor.execute(f"SELECT name FROM {acme.schema_name}.deal")
        assert cursor.fetchall() == [("Roof",)]
        cursor.execute("SET LOCAL ROLE NONE")


@pytest.mark.django_db
def test_no_login_is_made_where_everybody_may_read_tables(acme):
    with database.cursor() as cursor:
        cursor.execute("GRANT SELECT ON public.tenants_user TO PUBLIC")

    with pytest.raises(RefusedError, match="read tenants_user"), transaction.atomic():
        open_bi_access(tenant=acme, actor=SYSTEM)

    assert not has_reader(acme.schema_name)


@pytest.mark.django_db
def test_only_an_admin_opens_it(acme, operator):
    with pytest.raises(PermissionRefusedError):
        open_bi_access(tenant=acme, actor=operator)


@pytest.mark.django_db
def test_a_hub_that_is_no_superuser_says_which_right_it_lacks(acme):
    with database.cursor() as cursor:
        cursor.execute("CREATE ROLE hub_without_rights")
        cursor.execute("GRANT ALL ON public.audit_event TO hub_without_rights")
        cursor.execute("SET LOCAL ROLE hub_without_rights")

    with pytest.raises(RefusedError, match="CREATEROLE"), transaction.atomic():
        open_bi_access(tenant=acme, actor=SYSTEM)


@pytest.mark.django_db
def test_a_hub_that_owns_its_database_but_is_no_superuser_says_what_it_cannot_forbid(acme):
    schema = acme.schema_name
    with database.cursor() as cursor:
        cursor.execute("CREATE ROLE plain_hub CREATEROLE")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain_hub")
        cursor.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO plain_hub")
        for view in views_of(schema):
            cursor.execute(f"ALTER VIEW {schema}.{view} OWNER TO plain_hub")
        cursor.execute(f"ALTER SCHEMA {schema} OWNER TO plain_hub")
        cursor.execute(f"ALTER DATABASE {database.settings_dict['NAME']} OWNER TO plain_hub")
        # A test that committed may have taken it from everybody.
        cursor.execute("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO PUBLIC")
        cursor.execute("SET LOCAL ROLE plain_hub")

    login = open_bi_access(tenant=acme, actor=SYSTEM)
    end_bi_access(tenant=acme, actor=SYSTEM)

    assert login.left_open == ("take advisory locks and store large objects",)
    assert not has_reader(schema)


@pytest.mark.django_db
def test_the_command_says_how_to_connect_and_shows_the_password_once(acme, capsys):
    call_command("bi_access", "--tenant", "acme")
    said = capsys.readouterr().out

    values = dict(re.findall(r"^(\w+) +(\S+)", said, re.MULTILINE))
    assert values["user"] == reader_of(acme.schema_name)
    assert values["schema"] == acme.schema_name
    assert opens(Login("", 0, "", values["user"], values["password"], "", ""))
    assert said.count(values["password"]) == 3  # the row, psql, SQLAlchemy
    assert values["password"] not in str(list(AuditEvent.objects.values()))
    assert excess_of(acme) == []
    with pytest.raises(CommandError, match="has a login already"):
        call_command("bi_access", "--tenant", "acme")
    call_command("bi_access", "--tenant", "acme", "--revoke")
    assert not has_reader(acme.schema_name)


def opens(login: Login) -> bool:
    """Whether the server would accept the password: it keeps a verifier as RFC 5802 has it.

    The embedded server trusts its own machine and would let any password in.
    """
    [row] = ask("SELECT rolpassword FROM pg_authid WHERE rolname = %s", login.user)
    rounds, salt, stored, _ = re.split(r"[:$]", row["rolpassword"].removeprefix("SCRAM-SHA-256$"))
    salted = hashlib.pbkdf2_hmac(
        "sha256", login.password.encode(), base64.b64decode(salt), int(rounds)
    )
    client = hmac.digest(salted, b"Client Key", "sha256")
    return hashlib.sha256(client).digest() == base64.b64decode(stored)
