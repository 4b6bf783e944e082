"""What a person gets wrong at the command line: one sentence, an exit code, nothing half-made."""

import json
from pathlib import Path

import pytest
from django.db import connection

from hub.audit.models import AuditEvent
from tenants.models import DataKey, Tenant
from tests.commands.conftest import database_url, manage, sentence_of
from tests.connecting.conftest import World, running, world  # noqa: F401  fixtures
from tests.settings.servers import OldServer, Pooler

pytestmark = pytest.mark.xdist_group("commands")  # each is started cold once by a test process

NOWHERE = "postgresql://hub@127.0.0.1:1/hub"  # nothing listens on port 1


def what_there_is() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_%%'")
        schemas = cursor.fetchone()[0]
    return {
        "schemas": schemas,
        "tenants": Tenant.objects.count(),
        "keys": DataKey.objects.count(),
        "audit": AuditEvent.objects.count(),
    }


# Tenants


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("slug", "says"),
    [
        ("../x", "lower-case letters, digits and hyphens"),
        ("acme", "choose another name"),
        ("public", "reserved"),
    ],
    ids=["a path", "taken", "reserved"],
)
def test_a_tenants_name_that_cannot_be_creates_nothing(slug, says, run):
    before = what_there_is()

    said = sentence_of(run("create_tenant", slug))

    assert says in said
    assert what_there_is() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "command",
    [
        ("close_tenant", "nosuch", "--yes"),
        ("sync", "--tenant", "nosuch", "--connection", "copper"),
    ],
    ids=lambda command: command[0],
)
def test_an_unknown_tenant_is_answered_with_those_there_are(command, run):
    before = what_there_is()

    assert "There is no tenant 'nosuch'; there are: acme" in sentence_of(run(*command))
    assert what_there_is() == before


@pytest.mark.django_db
def test_a_tenant_is_not_closed_without_saying_so_twice(run):
    assert "--yes" in sentence_of(run("close_tenant", "acme"))
    assert Tenant.objects.get(slug="acme").is_active


# Providers and connectors


@pytest.mark.django_db
def test_an_unknown_provider_is_answered_with_those_there_are(run, tmp_path):
    file = tmp_path / "key.json"
    file.write_text('{"key": "hubcanary"}')

    refused = run(
        "connect", "--tenant=acme", "--provider=nosuch", f"--credentials-file={file}"
    )  # fmt: skip

    assert "There is no provider 'nosuch'; known are: " in sentence_of(refused)
    assert "hubcanary" not in refused.stdout + refused.stderr


@pytest.mark.django_db
@pytest.mark.parametrize("content", [None, "key = hubcanary"], ids=["missing", "not JSON"])
def test_a_credentials_file_that_cannot_be_used_is_named(content, run, tmp_path):
    file = tmp_path / "key.json"
    if content is not None:
        file.write_text(content)

    refused = run(
        "connect", "--tenant=acme", "--provider=copper", f"--credentials-file={file}"
    )  # fmt: skip

    assert str(file) in sentence_of(refused)
    assert "hubcanary" not in refused.stdout + refused.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("key", "fault", "says"),
    [
        ({"key": "hubcanary", "user_email": "a@b.example"}, None, "does not accept"),
        (None, {"html": True}, "Nothing was connected"),
    ],
    ids=["wrong credentials", "a provider that answers with a web page"],
)
def test_what_the_provider_does_not_confirm_is_not_connected(
    key: dict[str, str] | None,
    fault: dict[str, bool] | None,
    says: str,
    run,
    world: World,  # noqa: F811
    tmp_path: Path,
    acme,
) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(key or world.key()))
    if fault:
        world.control("fault", slug="copper", count=None, **fault)

    refused = run(
        "connect",
        "--tenant=acme",
        "--provider=copper",
        f"--credentials-file={file}",
        HUB_PROVIDER_ADDRESSES=json.dumps(world.sandbox.addresses()),
    )

    assert says in sentence_of(refused)
    assert "hubcanary" not in refused.stdout + refused.stderr
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {acme.schema_name}.integrations_connection")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nosuch_module", None, "ModuleNotFoundError"),
        ("broken_module", "def (:", "SyntaxError"),
        ("raising_module", "1 / 0", "ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("command", ["connectors", "check"])
def test_a_connector_module_that_does_not_import_is_named(
    name, content, says, command, module_folder
):
    if content is not None:
        (module_folder / f"{name}.py").write_text(content)

    refused = manage(command, HUB_CONNECTOR_MODULES=name, PYTHONPATH=str(module_folder))

    said = sentence_of(refused)
    assert f"The connector module {name} does not import" in said and says in said


# The database


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (NOWHERE, "does not answer"),
        ("postgresql://hub@nosuch.invalid/hub", "does not answer"),
        ("mysql://hub:hubcanary@db/hub", "not a PostgreSQL address"),
        ("nonsense", "not a PostgreSQL address"),
        ("postgresql://hub:hubcanary@[::1/hub", "not a PostgreSQL address"),
    ],
    ids=["nobody there", "no such host", "another database", "nonsense", "half an address"],
)
def test_an_address_without_a_database_is_one_sentence(url, says):
    said = sentence_of(manage("migrate_hub", DATABASE_URL=url))

    assert says in said and "DATABASE_URL" in said
    assert "hubcanary" not in said


@pytest.mark.parametrize("command", [("check",), ("connectors", "--json")], ids=lambda c: c[0])
def test_nonsense_in_database_url_is_one_sentence_for_commands_without_database_too(command):
    refused = manage(*command, DATABASE_URL="mysql://hub:hubcanary@db/hub")

    assert "not a PostgreSQL address" in sentence_of(refused)
    assert "hubcanary" not in refused.stderr


@pytest.mark.django_db
def test_a_database_that_is_missing_is_named(run):
    refused = run("doctor", DATABASE_URL=database_url(dbname="nosuchdb"))

    assert 'database "nosuchdb" does not exist' in sentence_of(refused)


def test_a_server_that_is_too_old_is_refused():
    with OldServer("13.14") as server:
        said = sentence_of(manage("migrate_hub", DATABASE_URL=server.url()))

    assert "PostgreSQL 13 is too old" in said and "14 or newer" in said


@pytest.mark.django_db
def test_behind_a_pooler_that_mixes_its_clients_nothing_starts(run):
    """T5, M16."""
    with Pooler(database_url(), carries_search_path=False) as pooler:
        said = sentence_of(run("doctor", DATABASE_URL=pooler.url()))

    assert "search_path" in said and "session pooling" in said


def test_a_disk_that_is_too_full_for_a_server_starts_none(tmp_path):
    """As much as no disk has is asked for; nothing is left in the folder."""
    code = (
        "import sys\n"
        "from hub.embedded_postgres import DatabaseUnavailableError, ensure\n"
        "try:\n"
        "    ensure(needed_free_bytes=1 << 60)\n"
        "except DatabaseUnavailableError as exc:\n"
        "    sys.exit(str(exc))\n"
    )
    refused = manage(python=("-c", code), HUB_DATA_DIR=str(tmp_path / "data"))

    assert "The disk is full" in sentence_of(refused) and "HUB_DATA_DIR" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    refused = manage("migrate_hub", HUB_DATA_DIR=str(tmp_path / "file" / "data"))

    assert "set HUB_DATA_DIR to a writable folder" in sentence_of(refused)


@pytest.mark.django_db
def test_a_database_without_tables_says_how_to_make_them(run):
    """`postgres` is a database nobody has migrated."""
    refused = run("create_tenant", "initech", DATABASE_URL=database_url(dbname="postgres"))

    assert "migrate_hub" in sentence_of(refused)


# The rest of the environment


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HUB_PROVIDER_ADDRESSES", "{", "is not JSON"),
        ("HUB_PROVIDER_ADDRESSES", '["https://a.example"]', "no JSON object of texts"),
        ("HUB_PROVIDER_ADDRESSES", '{"https://a.example": 5}', "no JSON object of texts"),
        ("HUB_WORKERS", "many", "write a number such as 2"),
        ("HUB_WORKERS", "0.5", "write a number such as 2"),
        ("HUB_SLICE_SECONDS", "nan", "write a number such as 45"),
        ("HUB_LEASE_SECONDS", "-1", "write a number such as 60"),
        ("HUB_LOG_LEVEL", "LOUD", "DEBUG, INFO"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named_with_what_to_write(name, value, says):
    said = sentence_of(manage("connectors", **{name: value}))

    assert name in said and says in said
