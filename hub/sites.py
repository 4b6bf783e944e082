"""The two admin sites: operations see every tenant, a tenant sees its own schema.

Both are named "admin", because Django's own templates and links ask for that name. Which one a
request means is decided by its URL configuration (hub.urls or hub.urls_tenant). Imports nothing
of ours, so that every app can register with either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

Overview = Callable[[HttpRequest], dict[str, Any]]

CONTENT_POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
"""No page of an admin holds a script or a style, so whatever else gets into one does nothing."""


@dataclass(frozen=True)
class SitePage:
    """A page of its own, which shows no model: open to whoever may enter the site.

    It lies at `slug` below the site, is called "admin:<slug>", and stands in the menu among the
    pages of `app_label`. `show` returns what `template` needs besides the site's own context.
    """

    slug: str
    label: str
    app_label: str
    template: str
    show: Callable[[HttpRequest], dict[str, Any]]


class HubSite(AdminSite):
    """What both have in common: an overview first, and the apps in the order of `app_order`."""

    site_title = "Hub"
    site_url = None
    app_order: tuple[str, ...] = ()
    app_names: ClassVar[dict[str, str]] = {"auth": "Permissions"}
    overview: Overview | None = None  # set by hub.admin: what the first page shows

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.pages: list[SitePage] = []
        self.disable_action("delete_selected")  # whatever may go, goes through a service

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        shown = self.overview(request) if self.overview else {}
        return super().index(request, {**shown, **(extra_context or {})})

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return _guarded(inner(request, *args, **kwargs))

        return guarded

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return _guarded(super().login(request, extra_context))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        own = [
            path(f"{page.slug}/", self.admin_view(self._view_of(page)), name=page.slug)
            for page in self.pages
        ]
        return [*own, *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        found = super().get_app_list(request, app_label)
        for app in found:
            app["models"].sort(
                key=lambda entry: getattr(self._registry[entry["model"]], "place", 50)
            )
            for entry in app["models"]:
                entry["name"] = (
                    getattr(self._registry[entry["model"]], "label", "") or entry["name"]
                )
        for page in self.pages:
            if app_label in (None, page.app_label):
                _app_of(page, found)["models"].append(_entry_of(page))
        found.sort(key=lambda app: _place(self.app_order, app["app_label"]))
        for app in found:
            app["name"] = self.app_names.get(app["app_label"], app["name"])
        return found

    def _view_of(self, page: SitePage) -> Callable[[HttpRequest], TemplateResponse]:
        def view(request: HttpRequest) -> TemplateResponse:
            context = {**self.each_context(request), "title": page.label, **page.show(request)}
            return TemplateResponse(request, page.template, context)

        return view


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


def _guarded(response: HttpResponse) -> HttpResponse:
    response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    return response


def _app_of(page: SitePage, found: list[Any]) -> dict[str, Any]:
    """The menu's entry of the page's app; made, if whoever asks may see none of its models."""
    for app in found:
        if app["app_label"] == page.app_label:
            return app  # type: ignore[no-any-return]
    app = {
        "name": apps.get_app_config(page.app_label).verbose_name,
        "app_label": page.app_label,
        "app_url": reverse("admin:app_list", kwargs={"app_label": page.app_label}),
        "has_module_perms": True,
        "models": [],
    }
    found.append(app)
    return app


def _entry_of(page: SitePage) -> dict[str, Any]:
    """The page as an entry of the menu, in the shape Django gives a model there."""
    return {
        "model": None,
        "name": page.label,
        "object_name": page.label,
        "perms": {"add": False, "change": False, "delete": False, "view": True},
        "admin_url": reverse(f"admin:{page.slug}"),
        "add_url": None,
        "view_only": True,
    }


def _place(order: tuple[str, ...], label: str) -> int:
    return order.index(label) if label in order else len(order)


ops = OpsSite(name="admin")
tenant = TenantSite(name="admin")
