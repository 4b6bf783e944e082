"""Connecting through Composio inside a tenant: a link to consent by, then the account it made."""

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from hub.connect.provider_apps import find_provider_app
from integrations.auth.composio import why_not
from integrations.connectors.registry import all_connectors
from integrations.http.composio import LABEL, NAME
from integrations.services.composio import connect_through_composio, create_composio_link
from tenants.admin.base import AddedByService, has_role
from tenants.middleware import actor_of
from tenants.models import Tenant
from tenants.roles import Role


def providers() -> list[tuple[str, str]]:
    """Those whose declarations let a gateway hold their access."""
    found = [connector.provider for connector in all_connectors()]
    return [(one.slug, one.label) for one in found if not why_not(one)]


class ThroughComposioForm(forms.Form):
    provider = forms.ChoiceField(choices=providers)
    account = forms.CharField(
        max_length=200,
        required=False,
        label="Connected account",
        help_text="Such as ca_1a2b3c4d5e6f. Empty makes a link on which somebody consents first.",
    )
    name = forms.CharField(max_length=200, required=False, help_text="Empty takes the account's.")


class ThroughComposio(AddedByService):
    """A page where connections are added through Composio, where that is set up."""

    service_form = ThroughComposioForm
    service_title = f"Connect through {LABEL}"
    service_button = "Connect"
    service_hint = f"{LABEL} holds the access, and the data passes through it."

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.composio_view)
        return [
            path("composio/", page, name="integrations_connection_composio"),
            *super().get_urls(),
        ]

    def composio_view(self, request: HttpRequest) -> HttpResponse:
        if not _is_set_up(request):
            raise Http404(f"{LABEL} is not set up here.")
        request.is_through_composio = True  # type: ignore[attr-defined]
        return self.add_view(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """On this page alone, so that no other asks whether Composio is set up."""
        is_here = getattr(request, "is_through_composio", False)
        return is_here and has_role(request, Role.OPERATOR)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may = has_role(request, Role.OPERATOR) and _is_set_up(request)
        shown = {"may_go_through": may, **(extra_context or {})}
        return super().changelist_view(request, shown)

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> str:
        provider, account, actor = values["provider"], values["account"], actor_of(request)
        if not account:
            link = create_composio_link(provider=provider, actor=actor)
            return format_html(
                'Consent within ten minutes on <a href="{}" rel="noopener" target="_blank">{}’s '
                "page</a>, then connect the account {}.",
                link.url,
                LABEL,
                link.account,
            )
        made = connect_through_composio(
            provider=provider, account=account, name=values["name"] or None, actor=actor
        )
        return f"Connected {made}; its first sync is due now."


def _is_set_up(request: HttpRequest) -> bool:
    tenant: Tenant = request.tenant  # type: ignore[attr-defined]
    return find_provider_app(NAME, tenant) is not None
