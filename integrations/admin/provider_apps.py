"""Provider apps at operations: the secret can be set here, and read nowhere."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from hub import display, sites
from hub.connect.models import ProviderApp
from integrations.admin.labels import ProviderFilter, provider_label
from integrations.connectors.registry import all_connectors
from integrations.http.composio import LABEL, NAME
from integrations.services.connections import button_way
from integrations.services.provider_apps import save_provider_app
from tenants.admin.base import AddedByService, OpsAdmin, TenantFilter
from tenants.models import Tenant


def providers() -> list[tuple[str, str]]:
    """Those whose connections begin at an app of ours, and the gateway at which we have a key."""
    found = [connector.provider for connector in all_connectors()]
    return [
        *((one.slug, one.label) for one in found if button_way(one)),
        (NAME, f"{LABEL} (gateway)"),
    ]


def _label(slug: str) -> str:
    return LABEL if slug == NAME else provider_label(slug)


class AppFilter(ProviderFilter):
    """By provider, or by the gateway at which we have a key."""

    def label(self, slug: str) -> str:
        return _label(slug)


class ProviderAppForm(forms.Form):
    provider = forms.ChoiceField(choices=providers)
    tenant = forms.ModelChoiceField(
        queryset=Tenant.objects.open(),
        required=False,
        empty_label="All tenants without an app of their own",
    )
    client_id = forms.CharField(max_length=400, label="Client id")
    client_secret = forms.CharField(
        max_length=2000,
        required=False,
        label="Client secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Sealed when saved and never shown again. Empty keeps the one that is stored.",
    )


@admin.register(ProviderApp, site=sites.ops)
class ProviderAppAdmin(AddedByService, OpsAdmin):
    """The hub's registrations at providers, for all tenants or for one."""

    list_display = (
        "provider_shown",
        "for_whom",
        "client_id",
        "has_secret",
        "accepted",
        "updated_at",
    )
    list_filter = (AppFilter, TenantFilter)
    nothing_yet = "No app yet. Register one at a provider and add it here, so its button appears."
    list_select_related = ("tenant",)
    search_fields = ("provider", "client_id", "tenant__slug")
    fields = (
        "provider_shown",
        "for_whom",
        "client_id",
        "has_secret",
        "accepted",
        "created_at",
        "updated_at",
    )
    ordering = ("provider", "tenant__slug", "id")
    service_form = ProviderAppForm
    service_title = "Set a provider app"
    service_button = "Save"
    service_hint = (
        "Setting an app that exists replaces its client id, and its secret if one is given. For "
        f"{LABEL} the secret is its API key, and the client id any name for the project."
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        is_set = models.ExpressionWrapper(
            models.Q(client_secret__isnull=False), output_field=models.BooleanField()
        )
        return super().get_queryset(request).defer("client_secret").annotate(is_set=is_set)

    def title_of(self, obj: ProviderApp) -> str:
        return f"{_label(obj.provider)} app of {self.for_whom(obj)}"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # both ways in are the same form, so that the service decides

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="provider", ordering="provider")
    def provider_shown(self, app: ProviderApp) -> str:
        return _label(app.provider)

    @admin.display(description="for", ordering="tenant__slug")
    def for_whom(self, app: ProviderApp) -> str:
        return str(app.tenant) if app.tenant else "all tenants"

    @admin.display(description="secret", boolean=True)
    def has_secret(self, app: Any) -> bool:
        return bool(app.is_set)

    @admin.display(description="at the provider", ordering="refused_at")
    def accepted(self, app: ProviderApp) -> str:
        if app.refused_at is None:
            return display.NONE
        return display.together(display.badge("failed", "Refused"), display.ago(app.refused_at))

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> str:
        app = save_provider_app(
            provider=values["provider"],
            client_id=values["client_id"],
            client_secret=values["client_secret"],
            tenant=values["tenant"],
            actor=self.actor_of(request),
        )
        return f"Saved: {app}."
