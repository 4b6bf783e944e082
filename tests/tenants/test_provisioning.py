"""Making tenants: one transaction, names that people can read, schemas that nobody chooses."""

import pytest
from django.db import connection

from hub.audit.models import AuditEvent
from integrations.errors import InvalidInputError, NameTakenError
from tenants.actor import Actor
from tenants.models import DataKey, Tenant
from tenants.provisioning import SCRIPT, create_tenant
from tenants.script import write_script

pytestmark = [pytest.mark.django_db, pytest.mark.public]
SYSTEM = Actor.system("tests")


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace")
        return {name for (name,) in cursor.fetchall()}


def test_a_new_tenant_has_a_schema_a_data_key_and_an_audit_event():
    tenant = create_tenant(slug="initech", name="Initech", actor=SYSTEM)

    assert tenant.schema_name in schemas()
    assert DataKey.objects.filter(tenant=tenant).count() == 1
    assert AuditEvent.objects.get(target_id=str(tenant.pk)).action == "tenant.created"


def test_a_taken_name_is_refused_and_leaves_no_schema():
    before = schemas()

    with pytest.raises(NameTakenError, match="choose another name"):
        create_tenant(slug="acme", name="Another", actor=SYSTEM)

    assert schemas() == before
    assert Tenant.objects.filter(slug="acme").count() == 1


@pytest.mark.parametrize(
    "slug", ["../x", "", "A", "ä", "a_b", "-a", "a-", "x" * 41, "admin", "a b", 'a"b', "a\n"]
)
def test_a_name_that_cannot_stand_in_an_address_is_refused(slug):
    before = schemas()

    with pytest.raises(InvalidInputError):
        create_tenant(slug=slug, name="Name", actor=SYSTEM)

    assert schemas() == before


@pytest.mark.django_db(transaction=True)
def test_the_script_is_what_the_migrations_make():
    assert SCRIPT.read_text() == write_script(), "run `make tenant-script` and commit the file"


def test_no_table_is_in_both_schemas_but_the_list_of_migrations(acme):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' INTERSECT"
            " SELECT tablename FROM pg_tables WHERE schemaname = %s",
            [acme.schema_name],
        )
        assert cursor.fetchall() == [("django_migrations",)]
