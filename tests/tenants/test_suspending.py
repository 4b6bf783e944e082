"""Suspending a tenant and resuming it."""

import pytest
from django.core.cache import cache
from django.test import Client

from hub.audit.models import AuditAction, AuditEvent
from integrations.errors import TenantNotActiveError
from tenants.actor import Actor
from tenants.models import Tenant
from tenants.services import resume_tenant, suspend_tenant
from tests.factories import MembershipFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]
OPERATIONS = Actor(kind="user", id="1", label="ops@example.com")


def test_a_suspended_tenant_is_closed_to_its_members_at_once_and_open_again_when_resumed(
    acme, django_capture_on_commit_callbacks
):
    cache.clear()
    client = Client()
    client.force_login(MembershipFactory(tenant=acme).user)
    statuses = [client.get("/t/acme/admin/").status_code]

    with django_capture_on_commit_callbacks(execute=True):
        suspend_tenant(tenant=acme, actor=OPERATIONS)
    statuses.append(client.get("/t/acme/admin/").status_code)
    with django_capture_on_commit_callbacks(execute=True):
        resume_tenant(tenant=acme, actor=OPERATIONS)
    statuses.append(client.get("/t/acme/admin/").status_code)

    assert statuses == [200, 503, 200]
    written = AuditEvent.objects.filter(actor_label="ops@example.com").order_by("at")
    assert [event.action for event in written] == [
        AuditAction.TENANT_SUSPENDED,
        AuditAction.TENANT_RESUMED,
    ]


def test_what_is_not_active_cannot_be_suspended_nor_resumed_what_is(acme):
    with pytest.raises(TenantNotActiveError):
        resume_tenant(tenant=acme, actor=OPERATIONS)
    Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.CLOSING)
    with pytest.raises(TenantNotActiveError):
        suspend_tenant(tenant=acme, actor=OPERATIONS)

    assert Tenant.objects.get(pk=acme.pk).state == Tenant.State.CLOSING
