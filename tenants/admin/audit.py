"""The audit log: all of it at operations, inside a tenant only that tenant's part."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from hub import display, sites
from hub.audit.event_admin import AuditEventAdmin
from hub.audit.models import AuditEvent
from tenants.admin.base import OpsReadOnlyAdmin, TenantFilter, TenantModelAdmin
from tenants.models import Tenant


@admin.register(AuditEvent, site=sites.ops)
class OpsAuditEventAdmin(AuditEventAdmin, OpsReadOnlyAdmin):
    """What happened anywhere. Events keep their tenant's id when the tenant is gone."""

    list_display = ("when", "tenant", *AuditEventAdmin.list_display[1:])
    list_filter = (*AuditEventAdmin.list_filter, TenantFilter)
    fields = ("at", "tenant", *AuditEventAdmin.fields[1:])

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        name = Tenant.objects.filter(pk=models.OuterRef("tenant_id")).values("name")
        return super().get_queryset(request).annotate(tenant_name=models.Subquery(name))

    @admin.display(description="tenant", ordering="tenant_name")
    def tenant(self, event: Any) -> str:
        return event.tenant_name or _gone(event.tenant_id)


@admin.register(AuditEvent, site=sites.tenant)
class TenantAuditEventAdmin(TenantModelAdmin, AuditEventAdmin):
    """What happened in this tenant."""

    of_tenant = "tenant_id"


def _gone(tenant_id: UUID | None) -> str:
    return f"closed ({tenant_id})" if tenant_id else display.NONE
