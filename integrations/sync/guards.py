"""Which breakers and budgets a connection's calls share, and with whom."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings

from hub.connect.provider_apps import find_provider_app
from integrations.http import composio
from integrations.models import Connection, Destination
from integrations.resilience.clock import Clock
from integrations.resilience.guard import Guard
from integrations.resilience.store import Store, Subject
from integrations.sync.shared import store_of_settings
from integrations.types import Limit, OAuth2, Provider
from tenants.context import current_tenant
from tenants.models import Tenant

TENANT_SECONDS: Final = 10.0
"""The window of a tenant's own budget: long enough for a burst, short enough to be fair."""

_KINDS: Final[tuple[Literal["slots", "budget"], ...]] = ("slots", "budget")


def guard_for(
    connection: Connection,
    provider: Provider,
    *,
    base_url: str,
    clock: Clock,
    store: Store | None = None,
) -> Guard:
    """Return the gate of one connection's calls in this process. Close it when they are over."""
    tenant = current_tenant()
    app = _app_of(connection, tenant)
    owners = {
        "app": app,
        "account": connection.source_system,
        "host": (urlsplit(base_url).hostname or "").lower(),
        "connection": str(connection.pk),
    }
    limits = [_scaled(limit) for limit in provider.limits]
    budgets = [
        Subject(
            kind,
            limit.per,
            owners[limit.per],
            provider.slug,
            tenant_id=str(tenant.pk) if limit.per == "connection" else "",
            limit=limit,
            pool=_pool(limit, limits),
        )
        for kind in _KINDS
        for limit in limits
        if kind == "budget" or limit.concurrent is not None
    ]
    return Guard(
        label=_label(connection, provider),
        who=_name(connection),
        store=store or store_of_settings(),
        clock=clock,
        circuits=[app_circuit(provider.slug, app), connection_circuit(connection, tenant)],
        budgets=[*budgets, _of_tenant(tenant)],
        quotas=provider.quotas,
    )


def token_guard_for(connection: Connection, provider: Provider, *, clock: Clock) -> Guard:
    """Return the gate of the calls that renew a connection's access: no budget, but its breakers.

    Token endpoints are limited otherwise than what they open, and asked once an hour.
    """
    tenant = current_tenant()
    app = _app_of(connection, tenant)
    return Guard(
        label=_label(connection, provider),
        who=_name(connection),
        store=store_of_settings(),
        clock=clock,
        circuits=[app_circuit(provider.slug, app), connection_circuit(connection, tenant)],
    )


def guard_for_destination(
    destination: Destination, *, place: str, limits: Sequence[Limit], label: str, clock: Clock
) -> Guard:
    """Return the gate of a destination's calls; all who write to `place` share its budget."""
    tenant, kind, of = current_tenant(), destination.type, str(destination.pk)
    budgets = [Subject("budget", "account", place, kind, limit=_scaled(each)) for each in limits]
    return Guard(
        label=label,
        who=f"{of}:{uuid4().hex[:8]}",
        store=store_of_settings(),
        clock=clock,
        circuits=[Subject("circuit", "connection", of, kind, str(tenant.pk))],
        budgets=[*budgets, _of_tenant(tenant)],
    )


def app_circuit(provider: str, app: str) -> Subject:
    """The breaker of all connections that use one app; `app` is '' where there is none."""
    return Subject("circuit", "app", app, provider)


def connection_circuit(connection: Connection, tenant: Tenant) -> Subject:
    return Subject("circuit", "connection", str(connection.pk), connection.provider, str(tenant.pk))


def circuits_of(connections: Iterable[Connection]) -> dict[UUID, set[str]]:
    """The names of the breakers that the calls of each connection pass; one query per app."""
    tenant, apps = current_tenant(), dict[tuple[str, str], str]()
    found: dict[UUID, set[str]] = {}
    for connection in connections:
        way = (connection.provider, connection.auth_kind)
        if way not in apps:
            apps[way] = _app_of(connection, tenant)
        shared = app_circuit(connection.provider, apps[way])
        found[connection.pk] = {shared.name, connection_circuit(connection, tenant).name}
    return found


def _app_of(connection: Connection, tenant: Tenant) -> str:
    """The app by which the connection is called: its provider's, or a gateway's."""
    is_through = connection.auth_kind == composio.NAME
    if connection.auth_kind != OAuth2.kind and not is_through:
        return ""
    app = find_provider_app(composio.NAME if is_through else connection.provider, tenant)
    return str(app.pk) if app else ""


def _label(connection: Connection, provider: Provider) -> str:
    is_through = connection.auth_kind == composio.NAME
    return f"{provider.label} through {composio.LABEL}" if is_through else provider.label


def _name(connection: Connection) -> str:
    """Names one guard among all, beginning with its connection's id."""
    return f"{connection.pk}:{uuid4().hex[:8]}"


def _of_tenant(tenant: Tenant) -> Subject:
    allowed = max(1, int(settings.HUB_TENANT_CALLS_PER_SECOND * TENANT_SECONDS))
    limit = Limit(allowed, TENANT_SECONDS)
    return Subject("budget", "tenant", str(tenant.pk), "", str(tenant.pk), limit)


def _pool(limit: Limit, limits: Sequence[Limit]) -> str:
    """What parts this limit from others with the same figures: its path, if each call counts one.

    Where calls cost differently, the provider counts units of one allowance.
    """
    figures = (limit.requests, limit.per_seconds, limit.per)
    alike = [each for each in limits if (each.requests, each.per_seconds, each.per) == figures]
    costs_differ = len({each.cost for each in alike}) > 1
    return "" if limit.path == "*" or costs_differ else limit.path


def _scaled(limit: Limit) -> Limit:
    return replace(limit, requests=max(1, int(limit.requests * settings.HUB_LIMITS_FACTOR)))
