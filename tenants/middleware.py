"""Who asks, and inside which tenant: both are decided before a view is reached.

Under /api/ only an API key or a JWT counts, and it names the tenant. Under /t/<slug>/ the path
names the tenant and the membership of the signed-in person gives the role: staff and superusers
without a membership have none. Everything else is public ground (/admin/, sign-in, callbacks).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.urls import get_script_prefix, set_script_prefix, set_urlconf

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_now
from hub.problems import not_found, problem_of
from integrations.errors import HubError, UnauthenticatedError
from tenants.actor import Actor
from tenants.context import OPEN_STATES, in_tenant
from tenants.models import Domain, Membership, Tenant
from tenants.roles import Role
from tenants.tokens import REFUSAL, Access, read_credential

API = "/api/"
OPEN_API = frozenset({"/api/schema/", "/api/docs/", "/api/v1/token/"})
TENANT_PATH = re.compile(r"/t/(?P<slug>[a-z0-9-]{1,40})(?P<rest>/.*)?", re.DOTALL)
TENANT_URLS = "hub.urls_tenant"
PUBLIC_PAGES = frozenset({"/admin/login/", "/admin/logout/", "/admin/jsi18n/"})
KNOWN_FOR = 5  # seconds that a lookup of a tenant, or that there is none, is believed


class HubRequest(HttpRequest):
    """A request that has passed AuthMiddleware and TenantMiddleware."""

    actor: Actor
    tenant: Tenant | None
    role: Role | None


Handler = Callable[[HttpRequest], HttpResponse]


def actor_of(request: HttpRequest) -> Actor:
    """Return who asks, with the role in the tenant that is entered; a stranger if nobody."""
    actor: Actor = getattr(request, "actor", None) or Actor.stranger()
    return actor


class AuthMiddleware:
    """Set `request.actor`, and under /api/ `request.tenant` and `request.role` too, or refuse."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HubRequest) -> HttpResponse:
        request.actor, request.tenant, request.role = Actor.stranger(), None, None
        if not request.path_info.startswith(API):
            if request.user.is_authenticated:
                request.actor = Actor.user(request.user)
            return self.get_response(request)

        request.user = AnonymousUser()  # a cookie counts for nothing here
        if request.path_info in OPEN_API:
            return self.get_response(request)
        try:
            access = access_of(request)
        except HubError as refusal:
            record_now(
                AuditAction.ACCESS_REFUSED,
                actor=request.actor,
                outcome=Outcome.REFUSED,
                detail={"path": request.path_info[:200], "code": refusal.code},
            )
            return problem_of(refusal)
        request.actor, request.tenant, request.role = access.actor, access.tenant, access.actor.role
        return self.get_response(request)


class TenantMiddleware:
    """Serve /t/<slug>/… and /api/… inside their tenant; afterwards everything is as before."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HubRequest) -> HttpResponse:
        found = TENANT_PATH.fullmatch(request.path_info)
        if found:
            return self._serve_pages(request, found["slug"], found["rest"] or "/")
        if request.tenant is None:
            return self.get_response(request)
        with in_tenant(request.tenant):
            return self.get_response(request)

    def _serve_pages(self, request: HubRequest, slug: str, path: str) -> HttpResponse:
        if path.startswith(API):
            return not_found("The API has one address for all tenants: /api/v1/.")
        tenant = find_tenant(slug)
        if tenant is None or names_another_tenant(request, tenant):
            raise Http404("There is no such tenant.")
        role = role_in(tenant, request)
        if request.user.is_authenticated and role is None and path not in PUBLIC_PAGES:
            record_now(
                AuditAction.ACCESS_REFUSED,
                actor=request.actor,
                outcome=Outcome.REFUSED,
                detail={"path": path[:200], "code": "no_membership"},
                tenant_id=tenant.pk,
            )
            raise Http404("There is no such tenant.")
        if not tenant.is_active:
            return HttpResponse(
                f"{tenant.name} is suspended. Nothing is lost; whoever runs the hub can resume it.",
                status=503,
                content_type="text/plain; charset=utf-8",
            )
        prefix = f"{get_script_prefix()}t/{slug}/"
        if not request.user.is_authenticated and path not in PUBLIC_PAGES:
            return redirect_to_login(request.get_full_path(), f"{prefix}admin/login/")

        request.tenant, request.role = tenant, role
        if request.user.is_authenticated:
            request.actor = Actor.user(request.user, role)
        with _served_below(request, prefix, path), in_tenant(tenant):
            return self.get_response(request)


def access_of(request: HttpRequest) -> Access:
    """Return whom the one credential of the request stands for.

    Raises:
        UnauthenticatedError: there is none, more than one, it is not valid, or the host that was
            asked belongs to another tenant.
        TenantNotActiveError: it is valid, but its tenant is suspended.
    """
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    key = request.headers.get("X-Api-Key", "")
    if bool(scheme) == bool(key) or (scheme and scheme.lower() != "bearer"):
        raise UnauthenticatedError(REFUSAL)
    if key and not key.startswith("hub_"):
        raise UnauthenticatedError(REFUSAL)
    access = read_credential(key or bearer)
    if names_another_tenant(request, access.tenant):
        raise UnauthenticatedError(REFUSAL)
    return access


def find_tenant(slug: str) -> Tenant | None:
    """Return the tenant with this slug that has a schema, as it was at most KNOWN_FOR ago."""
    key = f"tenant:{slug}"
    known = cache.get(key)  # None: not asked lately; False: there is no such tenant
    if known is None:
        known = Tenant.objects.filter(state__in=OPEN_STATES, slug=slug).first() or False
        cache.set(key, known, KNOWN_FOR)
    return known or None


def forget_tenant(slug: str) -> None:
    """Make this process look the tenant up again; the others follow within KNOWN_FOR."""
    cache.delete(f"tenant:{slug}")


def names_another_tenant(request: HttpRequest, tenant: Tenant) -> bool:
    """Whether the host that was asked is the name of a tenant, and not of this one."""
    host, _ = split_domain_port(request.get_host())  # lower case, without a trailing dot
    key = f"host:{host}"
    owner = cache.get(key)
    if owner is None:
        found = Domain.objects.filter(domain=host).first()
        owner = found.tenant_id if found else False
        cache.set(key, owner, KNOWN_FOR)
    return bool(owner) and owner != tenant.pk


def role_in(tenant: Tenant, request: HttpRequest) -> Role | None:
    """Return the role the signed-in person has by membership, the only way to have one."""
    if not request.user.is_authenticated:
        return None
    membership = Membership.objects.filter(tenant=tenant, user=request.user).first()
    return Role(membership.role) if membership else None


@contextmanager
def _served_below(request: HttpRequest, prefix: str, path: str) -> Iterator[None]:
    """Make links and routes those of the tenant's pages for the length of the block."""
    before, path_info = get_script_prefix(), request.path_info
    request.path_info, request.urlconf = path, TENANT_URLS
    set_script_prefix(prefix)
    try:
        yield
    finally:
        set_script_prefix(before)
        set_urlconf(None)
        request.path_info = path_info
        del request.urlconf
