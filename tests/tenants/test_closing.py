"""Closing a tenant: nothing of it stays but its audit events and a nameless row."""

from uuid import uuid4

import pytest
from django.db import connection

from hub.audit.models import AuditEvent
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import TenantNotActiveError, TenantNotFoundError
from integrations.services.tenants import close_tenant
from tenants.actor import Actor
from tenants.context import get_tenant, in_tenant
from tenants.models import ApiKey, DataKey, Membership, Tenant
from tenants.provisioning import create_tenant
from tests.factories import MembershipFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]
SYSTEM = Actor.system("tests")


@pytest.fixture
def initech() -> Tenant:
    tenant = create_tenant(slug="initech", name="Initech", actor=SYSTEM)
    MembershipFactory(tenant=tenant)
    Due.objects.create(tenant=tenant, kind="sync", object_id=uuid4())
    ConnectionStatus.objects.create(
        tenant=tenant, connection_id=uuid4(), provider="copper", status="active"
    )
    return tenant


def has_schema(tenant: Tenant) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [tenant.schema_name])
        return cursor.fetchone() is not None


def test_a_closed_tenant_leaves_a_nameless_row_and_its_audit_events(initech):
    close_tenant(tenant=initech, actor=SYSTEM)

    assert not has_schema(initech)
    for model in (Due, ConnectionStatus, Membership, ApiKey, DataKey):
        assert not model.objects.filter(tenant=initech).exists()
    row = Tenant.objects.get(pk=initech.pk)
    assert (row.name, row.state) == ("", "closed")
    actions = AuditEvent.objects.filter(tenant_id=initech.pk).values_list("action", flat=True)
    assert {"tenant.created", "tenant.closing", "tenant.closed"} <= set(actions)


def test_nobody_enters_a_closed_tenant(initech):
    close_tenant(tenant=initech, actor=SYSTEM)

    with pytest.raises(TenantNotFoundError):
        get_tenant("initech")
    with pytest.raises(TenantNotActiveError), in_tenant(Tenant.objects.get(pk=initech.pk)):
        pass


def test_a_closed_tenants_name_is_free_again_with_another_schema(initech):
    close_tenant(tenant=initech, actor=SYSTEM)

    again = create_tenant(slug="initech", name="Initech", actor=SYSTEM)

    assert again.schema_name != initech.schema_name


def test_closing_that_was_interrupted_is_finished_by_closing_again(initech):
    Tenant.objects.filter(pk=initech.pk).update(state=Tenant.State.CLOSING)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {initech.schema_name} CASCADE")

    close_tenant(tenant=Tenant.objects.get(pk=initech.pk), actor=SYSTEM)
    close_tenant(tenant=Tenant.objects.get(pk=initech.pk), actor=SYSTEM)

    assert Tenant.objects.get(pk=initech.pk).state == Tenant.State.CLOSED
    assert not DataKey.objects.filter(tenant=initech).exists()


def test_the_other_tenants_are_untouched(initech, acme, globex):
    close_tenant(tenant=initech, actor=SYSTEM)

    assert has_schema(acme)
    assert has_schema(globex)
    assert DataKey.objects.filter(tenant__in=[acme, globex]).count() == 2
