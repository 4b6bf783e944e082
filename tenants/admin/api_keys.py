"""API keys: made and revoked through services, shown whole once, on the page that made it."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from hub import display, sites
from hub.audit.admin import Question, service_action
from tenants.admin.base import (
    AddedByService,
    OpsReadOnlyAdmin,
    TenantFilter,
    TenantModelAdmin,
)
from tenants.models import ApiKey, Tenant
from tenants.roles import Role
from tenants.services import create_api_key, revoke_api_key

REVOKE = Question(
    "Revoke API keys?",
    "Whatever uses them is refused from the next request on, for good.",
    "Revoke",
)


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=100, help_text="What will use it, e.g. billing export.")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)
    expires_at = forms.SplitDateTimeField(
        label="Expires",
        required=False,
        widget=forms.SplitDateTimeWidget(date_attrs={"type": "date"}, time_attrs={"type": "time"}),
        help_text="UTC. Empty: never.",
    )

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data["expires_at"]
        if moment and moment <= timezone.now():
            raise forms.ValidationError("This moment has passed.")
        return moment


class OpsApiKeyForm(ApiKeyForm):
    tenant = forms.ModelChoiceField(queryset=Tenant.objects.active())
    field_order = ("tenant", "name", "role", "expires_at")


class ApiKeyAdmin(AddedByService):
    """What both sites show of keys: never the key, never its hash."""

    place = 30
    nothing_yet = "No key yet. Add one for each program that calls the API."
    list_display: Any = ("name", "role", "begins_with", "state", "last_used", "expires")
    list_filter: ClassVar[Any] = ("role",)
    list_select_related = ("tenant", "created_by")
    search_fields: ClassVar[Any] = ("name", "=prefix")
    fields: ClassVar[Any] = (
        "name",
        "role",
        "begins_with",
        "state",
        "created_by",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    actions = ("revoke",)
    service_title = "New API key"
    service_button = "Create key"
    service_hint = "The key is shown once, on the next page."

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="begins with")
    def begins_with(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return display.badge("revoked")
        if key.expires_at and key.expires_at <= timezone.now():
            return display.badge("expired")
        return display.badge("active")

    @admin.display(description="last used", ordering="last_used_at")
    def last_used(self, key: ApiKey) -> str:
        return display.ago(key.last_used_at)

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, key: ApiKey) -> str:
        return display.ago(key.expires_at)

    def tenant_for(self, request: HttpRequest, values: dict[str, Any]) -> Tenant:
        raise NotImplementedError

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> HttpResponse:
        tenant = self.tenant_for(request, values)
        key, plain = create_api_key(
            tenant=tenant,
            name=values["name"],
            role=Role(values["role"]),
            actor=self.actor_of(request),
            expires_at=values["expires_at"],
        )
        context = {
            **self.admin_site.each_context(request),
            "title": f"API key {key.name}",
            "opts": self.opts,
            "key": key,
            "key_tenant": tenant,
            "plain": plain,
            "expires_at": display.exact(key.expires_at) if key.expires_at else "",
        }
        return TemplateResponse(request, "admin/api_key_created.html", context)

    def fits(self, action: str, row: ApiKey) -> bool:
        return row.revoked_at is None

    revoke = service_action(
        "Revoke",
        lambda key, actor: revoke_api_key(key=key, actor=actor),
        done="revoked",
        ask=REVOKE,
        permission="manage",
    )


@admin.register(ApiKey, site=sites.ops)
class OpsApiKeyAdmin(ApiKeyAdmin, OpsReadOnlyAdmin):
    list_display = ("tenant", *ApiKeyAdmin.list_display)
    list_filter = (*ApiKeyAdmin.list_filter, TenantFilter)
    search_fields = (*ApiKeyAdmin.search_fields, "tenant__slug", "tenant__name")
    fields = ("tenant", *ApiKeyAdmin.fields)
    service_form = OpsApiKeyForm

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("tenants.add_apikey"))

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return self.has_operate_permission(request)

    def tenant_for(self, request: HttpRequest, values: dict[str, Any]) -> Tenant:
        tenant: Tenant = values["tenant"]
        return tenant


@admin.register(ApiKey, site=sites.tenant)
class TenantApiKeyAdmin(ApiKeyAdmin, TenantModelAdmin):
    of_tenant = "tenant_id"
    view_role = add_role = Role.ADMIN
    service_form = ApiKeyForm

    def tenant_for(self, request: HttpRequest, values: dict[str, Any]) -> Tenant:
        tenant: Tenant = request.tenant  # type: ignore[attr-defined]
        return tenant
