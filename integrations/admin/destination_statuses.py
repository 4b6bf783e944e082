"""Destinations of every tenant at operations: which are blocked, and how far each is behind."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from hub import display, sites
from hub.audit.admin import CappedPaginator, service_action
from hub.fleet.models import DestinationStatus
from integrations.admin.destination_tables import behind_text
from integrations.admin.labels import DestinationTypeFilter, LabelFilter, destination_label
from integrations.errors import HubError
from integrations.models import Destination
from integrations.services.destinations import resume_destination
from tenants.actor import Actor
from tenants.admin.base import OpsReadOnlyAdmin, TenantFilter, tenant_url, tenants_of
from tenants.context import in_tenant


def status_label(status: str) -> str:
    return str(dict(Destination.Status.choices).get(status, status))


class StatusFilter(LabelFilter):
    title = parameter_name = "status"

    def label(self, slug: str) -> str:
        return status_label(slug)


def _resume(row: DestinationStatus, actor: Actor) -> None:
    with in_tenant(row.tenant):
        found = Destination.objects.filter(pk=row.destination_id).first()
        if found is None:
            raise HubError(f"{row} is gone.")
        resume_destination(destination=found, actor=actor)


@admin.register(DestinationStatus, site=sites.ops)
class DestinationStatusAdmin(OpsReadOnlyAdmin):
    """As each slice leaves them; no records, no secrets."""

    place = 15
    nothing_yet = "No tenant has a destination yet; a tenant's admin adds one inside the tenant."
    audit_kind = "destination"
    paginator = CappedPaginator
    actions = ("look_again",)
    list_display = ("called", "tenant", "state", "behind_shown", "row_count", "refused", "seen")
    list_filter = (StatusFilter, DestinationTypeFilter, TenantFilter)
    list_select_related = ("tenant",)
    search_fields = ("name", "type", "tenant__slug", "tenant__name", "error", "=destination_id")
    search_help_text = "Name, type, tenant, error or destination id."
    ordering = ("tenant__slug", "name")
    fields = (
        "tenant",
        "type",
        "name",
        "state",
        "error_code",
        "behind_shown",
        "caught_up_at",
        "row_count",
        "refused",
        "destination_id",
        "updated_at",
        "open_link",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        mine = tenants_of(request).filter(tenant=models.OuterRef("tenant"))
        return super().get_queryset(request).annotate(is_mine=models.Exists(mine))

    @admin.display(description="destination", ordering="name")
    def called(self, row: DestinationStatus) -> str:
        return display.with_note(row.name, destination_label(row.type))

    @admin.display(description="status", ordering="status")
    def state(self, row: DestinationStatus) -> str:
        return display.state_with_reason(row.status, status_label(row.status), row.error)

    @admin.display(description="behind", ordering="behind")
    def behind_shown(self, row: DestinationStatus) -> str:
        return behind_text(row.behind, row.behind_since)

    @admin.display(description="rows", ordering="rows")
    def row_count(self, row: DestinationStatus) -> str:
        return display.number(row.rows)

    @admin.display(description="rejected", ordering="rejected")
    def refused(self, row: DestinationStatus) -> str:
        return display.number(row.rejected)

    @admin.display(description="seen", ordering="updated_at")
    def seen(self, row: DestinationStatus) -> str:
        return display.ago(row.updated_at)

    @admin.display(description="in the tenant")
    def open_link(self, row: Any) -> str:
        if not row.is_mine or not row.tenant.is_active:
            return "Only members of the tenant enter it."
        address = tenant_url(row.tenant, "integrations_destination_change", row.destination_id)
        return display.link(address, "Open the destination")

    look_again = service_action(
        "Resume or look again", _resume, done="due now; a worker begins within seconds"
    )
