"""What a site adds to every page: who acts there, and what decides that they may.

At operations Django's permissions and groups decide. Inside a tenant the membership's role does,
and nothing else.
"""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import get_script_prefix, reverse

from hub.audit.admin import HubModelAdmin, ReadOnlyAdmin
from integrations.errors import HubError, InvalidInputError
from tenants.actor import Actor
from tenants.middleware import actor_of
from tenants.models import Membership, Tenant, User
from tenants.roles import Role


def has_role(request: HttpRequest, role: Role) -> bool:
    """Whether whoever asks has at least `role` in the tenant that is entered."""
    held: Role | None = getattr(request, "role", None)
    return held is not None and held.includes(role)


def tenant_url(tenant: Tenant, name: str, *args: object) -> str:
    """Return the address of a page of the tenant's own admin, e.g. `tenant_url(acme, "index")`."""
    path = reverse(f"admin:{name}", urlconf="hub.urls_tenant", args=args)
    prefix = get_script_prefix()
    return f"{prefix}t/{tenant.slug}/{path.removeprefix(prefix)}"


def tenants_of(request: HttpRequest) -> models.QuerySet[Membership]:
    """The memberships of whoever asks: staff, too, enter a tenant by membership only."""
    if not isinstance(request.user, User):
        return Membership.objects.none()
    return Membership.objects.filter(user=request.user)


class OpsAdmin(HubModelAdmin):
    """A page at operations. Whoever Django's permissions let act, acts with every right."""

    def actor_of(self, request: HttpRequest) -> Actor:
        return Actor.user(_person(request), Role.ADMIN)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether this person may run actions here: Django's change permission."""
        opts = self.opts
        return bool(request.user.has_perm(f"{opts.app_label}.change_{opts.model_name}"))

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Whether this person may do here what a tenant leaves to its admins."""
        return self.has_operate_permission(request)


class OpsReadOnlyAdmin(OpsAdmin, ReadOnlyAdmin):
    """Rows at operations that nobody edits by hand."""


class TenantModelAdmin(HubModelAdmin):
    """A page inside a tenant: `view_role` reads it, `change_role` edits, None means nobody."""

    view_role: ClassVar[Role] = Role.VIEWER
    add_role: ClassVar[Role | None] = None
    change_role: ClassVar[Role | None] = None
    delete_role: ClassVar[Role | None] = None
    of_tenant: ClassVar[str] = ""  # for public tables: the column that names the tenant

    def actor_of(self, request: HttpRequest) -> Actor:
        return actor_of(request)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        if self.of_tenant:
            rows = rows.filter(**{self.of_tenant: request.tenant.pk})  # type: ignore[attr-defined]
        return rows

    def has_module_permission(self, request: HttpRequest) -> bool:
        return has_role(request, self.view_role)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request, self.view_role)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.add_role is not None and has_role(request, self.add_role)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.change_role is not None and has_role(request, self.change_role)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.delete_role is not None and has_role(request, self.delete_role)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return has_role(request, Role.OPERATOR)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return has_role(request, Role.ADMIN)


class AddedByService(HubModelAdmin):
    """New rows are made by a service, through a form of its own; refusals stand in the form."""

    service_form: ClassVar[type[forms.Form]]
    service_title: ClassVar[str]
    service_button: ClassVar[str] = "Create"
    service_hint: ClassVar[str] = ""

    def service_initial(self, request: HttpRequest) -> dict[str, Any]:
        """What the form shows before anybody has typed."""
        return {}

    def add_through_service(
        self, request: HttpRequest, values: dict[str, Any]
    ) -> HttpResponse | str:
        """Call the service with the form's values; return the answer, or what to say."""
        raise NotImplementedError

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.service_form(request.POST or None, initial=self.service_initial(request))
        if form.is_valid():
            answer = self._asked(request, form)
            if answer is not None:
                return answer
        context = {
            **self.admin_site.each_context(request),
            "title": self.service_title,
            "opts": self.opts,
            "form": form,
            "button": self.service_button,
            "hint": self.service_hint,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/service_form.html", context)

    def _asked(self, request: HttpRequest, form: forms.Form) -> HttpResponse | None:
        try:
            answer = self.add_through_service(request, form.cleaned_data)
        except InvalidInputError as refusal:
            known = {name: said for name, said in refusal.errors.items() if name in form.fields}
            for name, sentences in known.items():
                form.add_error(name, sentences)
            if not known:
                form.add_error(None, str(refusal))
            return None
        except HubError as refusal:
            form.add_error(None, str(refusal))
            return None
        if isinstance(answer, HttpResponse):
            return answer
        self.message_user(request, answer, messages.SUCCESS)
        changelist = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        return HttpResponseRedirect(reverse(changelist))


class TenantFilter(admin.SimpleListFilter):
    """Rows of one tenant. The first 30 tenants are offered; `?tenant=<slug>` takes any."""

    title = "tenant"
    parameter_name = "tenant"
    column = "tenant_id"
    offered = 30

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tenants = Tenant.objects.open().values_list("slug", "name")[: self.offered]
        return [(slug, name) for slug, name in tenants]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        if slug := self.value():
            tenants = Tenant.objects.filter(slug=slug)
            return queryset.filter(**{f"{self.column}__in": tenants.values("pk")})
        return queryset


def _person(request: HttpRequest) -> User:
    """The signed-in person; admin pages are not shown to anybody else."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
