"""Where a tenant's end users may be sent back to, and which pages may frame its connect page."""

from dataclasses import asdict
from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from hub import sites
from hub.audit.models import AuditAction, AuditEvent
from hub.connect.addresses import allowed_addresses, set_allowed_addresses
from hub.connect.models import AllowedAddress
from tenants.admin.base import AddedByService, TenantModelAdmin
from tenants.roles import Role


class LinesField(forms.CharField):
    """A list with one entry on each line; empty lines count for nothing."""

    widget = forms.Textarea(attrs={"rows": 8, "class": "vLargeTextField", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return [line.strip() for line in text.splitlines() if line.strip()]


class AllowedAddressesForm(forms.Form):
    return_addresses = LinesField(
        required=False,
        label="Return addresses",
        help_text="One on each line, such as https://app.example.com/settings. "
        "It allows itself and every path below it.",
    )
    embedding_origins = LinesField(
        required=False,
        label="Embedding pages",
        help_text="One on each line, such as https://app.example.com: all pages of that origin.",
    )


@admin.register(AllowedAddress, site=sites.tenant)
class AllowedAddressAdmin(AddedByService, TenantModelAdmin):
    """Both lists to read for everybody; admins edit them together, on one page."""

    of_tenant = "tenant_id"
    add_role = Role.ADMIN
    nothing_yet = "Nothing is allowed: connect pages lead nowhere and stand in no frame."
    list_display = ("address", "kind")
    list_filter = ("kind",)
    fields = ("address", "kind")
    ordering = ("kind", "address")
    change_list_template = "admin/allowed_addresses.html"
    service_form = AllowedAddressesForm
    service_title = "Edit allowed addresses"
    service_button = "Save"
    service_hint = "What is taken from a list ends at once, for links that are open too."

    def service_initial(self, request: HttpRequest) -> dict[str, Any]:
        return asdict(allowed_addresses(request.tenant))  # type: ignore[attr-defined]

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> str:
        stored = set_allowed_addresses(
            tenant=request.tenant,  # type: ignore[attr-defined]
            return_addresses=values["return_addresses"],
            embedding_origins=values["embedding_origins"],
            actor=self.actor_of(request),
        )
        return (
            f"Saved. Return addresses: {len(stored.return_addresses)}, "
            f"embedding pages: {len(stored.embedding_origins)}."
        )

    def history_of(self, request: HttpRequest, obj: Any) -> models.QuerySet[AuditEvent]:
        """Rows come and go with each edit; the changes are events of the tenant."""
        return AuditEvent.objects.filter(
            action=AuditAction.CONNECT_ADDRESSES_CHANGED, tenant_id=obj.tenant_id
        )
