"""The two admin sites: operations see every tenant, a tenant sees its own schema.

Both are named "admin", because Django's own templates and links ask for that name. Which one a
request means is decided by its URL configuration (hub.urls or hub.urls_tenant). Imports nothing
of ours, so that every app can register with either.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib.admin import AdminSite
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest
from django.template.response import TemplateResponse

Overview = Callable[[HttpRequest], dict[str, Any]]


class HubSite(AdminSite):
    """What both have in common: an overview first, and the apps in the order of `app_order`."""

    site_title = "Hub"
    site_url = None
    app_order: tuple[str, ...] = ()
    app_names: ClassVar[dict[str, str]] = {"auth": "Permissions"}
    overview: Overview | None = None  # set by hub.admin: what the first page shows

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")  # whatever may go, goes through a service

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        shown = self.overview(request) if self.overview else {}
        return super().index(request, {**shown, **(extra_context or {})})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        apps.sort(key=lambda app: _place(self.app_order, app["app_label"]))
        for app in apps:
            app["name"] = self.app_names.get(app["app_label"], app["name"])
            app["models"].sort(
                key=lambda entry: getattr(self._registry[entry["model"]], "place", 50)
            )
            for entry in app["models"]:
                entry["name"] = (
                    getattr(self._registry[entry["model"]], "label", "") or entry["name"]
                )
        return apps


class OpsSite(HubSite):
    site_header = "Hub operations"
    index_title = "All tenants"
    index_template = "admin/ops_index.html"
    app_order = ("fleet", "tenants", "connect", "audit", "auth")


class TenantSite(HubSite):
    """A tenant's admin at /t/<slug>/admin/; the membership's role decides, groups do not count."""

    index_title = "Overview"
    index_template = "admin/tenant_index.html"
    login_form = AuthenticationForm  # members need not be operations staff
    app_order = ("integrations", "connect", "tenants", "audit")

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and getattr(request, "role", None))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        name = str(getattr(request, "tenant", None) or "Hub")
        operations = f"{request.META.get('SCRIPT_NAME', '')}/admin/"
        return {
            **super().each_context(request),
            "site_header": name,
            "site_title": name,
            "operations": operations if getattr(request.user, "is_staff", False) else None,
        }


def _place(order: tuple[str, ...], label: str) -> int:
    return order.index(label) if label in order else len(order)


ops = OpsSite(name="admin")
tenant = TenantSite(name="admin")
