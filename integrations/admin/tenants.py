"""Tenants at operations: made, suspended, resumed and closed through services."""

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from hub import display, sites
from hub.audit.admin import Question, service_action
from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.fleet.models import ConnectionStatus
from integrations.admin.fleet import NEED_A_PERSON, fleet_address
from integrations.services.tenants import close_tenant
from tenants.admin.base import AddedByService, OpsAdmin, tenant_url, tenants_of
from tenants.admin.people import MembershipInline
from tenants.models import Membership, Tenant
from tenants.provisioning import create_tenant
from tenants.services import resume_tenant, suspend_tenant

SUSPEND = Question(
    "Suspend tenants?",
    "Their pages, API and syncs stop until they are resumed. Nothing is lost.",
    "Suspend",
)
CLOSE = Question(
    "Close for good?",
    "All connections, records, members and keys are erased; only the audit log remains. Nobody can "
    "undo this.",
    "Close for good",
)


class TenantForm(forms.Form):
    slug = forms.CharField(
        max_length=40, help_text="Stands in addresses: lower-case letters, digits and hyphens."
    )
    name = forms.CharField(max_length=200)


@admin.register(Tenant, site=sites.ops)
class TenantAdmin(AddedByService, OpsAdmin):
    """Every customer organization. Its name and slug are what it was created with."""

    place = 10
    list_display = (
        "name",
        "slug",
        "state_shown",
        "connections",
        "trouble",
        "created_at",
        "open_link",
    )
    list_filter = ("state",)
    search_fields = ("slug", "name", "=id")
    search_help_text = "Name, slug or id."
    ordering = ("slug",)
    actions = ("suspend", "resume", "close")
    inlines = (MembershipInline,)
    fields = (
        "name",
        "slug",
        "state_shown",
        "open_link",
        "id",
        "schema_name",
        "created_at",
        "closed_at",
    )
    readonly_fields = fields
    service_form = TenantForm
    service_title = "New tenant"
    service_hint = "It gets a schema and a data key of its own. Add its members on the next page."

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a tenant is closed, which takes more than one row

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        statuses = ConnectionStatus.objects.filter(tenant=OuterRef("pk")).exclude(
            status="disconnected"
        )
        counted = statuses.order_by().values("tenant")
        in_trouble = counted.annotate(n=Count("pk", filter=Q(status__in=NEED_A_PERSON)))
        return (
            super()
            .get_queryset(request)
            .annotate(
                connection_count=Subquery(counted.annotate(n=Count("pk")).values("n")),
                trouble_count=Subquery(in_trouble.values("n")),
                is_mine=Exists(tenants_of(request).filter(tenant=OuterRef("pk"))),
            )
        )

    @admin.display(description="state", ordering="state")
    def state_shown(self, tenant: Tenant) -> str:
        return display.badge(tenant.state, tenant.get_state_display())

    @admin.display(description="connections", ordering="connection_count")
    def connections(self, tenant: Any) -> str:
        query = urlencode({"tenant": tenant.slug})
        return display.link(f"{fleet_address()}?{query}", tenant.connection_count or 0)

    @admin.display(description="need a person", ordering="trouble_count")
    def trouble(self, tenant: Any) -> str:
        if not tenant.trouble_count:
            return display.NONE
        return format_html('<span class="badge bad">{}</span>', tenant.trouble_count)

    @admin.display(description="its admin")
    def open_link(self, tenant: Any) -> str:
        """Only members enter, staff too; adding oneself as a member is audited."""
        if tenant.is_active and getattr(tenant, "is_mine", False):
            return display.link(tenant_url(tenant, "index"), "Open")
        return display.NONE

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> HttpResponse:
        tenant = create_tenant(
            slug=values["slug"], name=values["name"], actor=self.actor_of(request)
        )
        self.message_user(request, f"{tenant} is ready. Add its members below.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:tenants_tenant_change", args=[tenant.pk]))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Operations may also take the last admin away; whoever it was is in the audit log."""
        super().save_formset(request, form, formset, change)
        for membership in formset.new_objects:
            self._record(request, membership, None, membership.role)
        for membership, changed in formset.changed_objects:
            if "role" in changed or "user" in changed:
                self._record(
                    request, membership, _role_before(formset, membership), membership.role
                )
        for membership in formset.deleted_objects:
            self._record(request, membership, membership.role, None)

    def _record(
        self, request: HttpRequest, membership: Membership, before: str | None, after: str | None
    ) -> None:
        record_event(
            AuditAction.MEMBERSHIP_CHANGED,
            actor=self.actor_of(request),
            target=membership.user,
            detail={"before": before, "after": after},
            tenant_id=membership.tenant_id,
        )

    # Actions

    def fits(self, action: str, row: Tenant) -> bool:
        if action == "suspend":
            return row.is_active
        if action == "resume":
            return row.state == Tenant.State.SUSPENDED
        return row.state != Tenant.State.CLOSED

    suspend = service_action(
        "Suspend",
        lambda tenant, actor: suspend_tenant(tenant=tenant, actor=actor),
        done="suspended",
        ask=SUSPEND,
    )

    resume = service_action(
        "Resume",
        lambda tenant, actor: resume_tenant(tenant=tenant, actor=actor),
        done="resumed",
    )

    @admin.action(description="Close for good", permissions=["operate"])
    def close(
        self, request: HttpRequest, queryset: models.QuerySet[Tenant]
    ) -> TemplateResponse | None:
        slugs = " ".join(queryset.values_list("slug", flat=True))
        return self.act(
            request,
            queryset,
            lambda tenant, actor: close_tenant(tenant=tenant, actor=actor),
            done="closed",
            ask=replace(CLOSE, type_to_confirm=slugs),
        )


def _role_before(formset: Any, membership: Membership) -> str | None:
    for form in formset.initial_forms:
        if form.instance.pk == membership.pk:
            return str(form.initial.get("role", "")) or None
    return None
