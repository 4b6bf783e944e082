"""What the demo consists of: a person, two tenants, and their connections."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import orjson
from django.conf import settings
from django.urls import reverse

from hub.connect.provider_apps import set_provider_app
from integrations.connectors.registry import get_connector
from integrations.models import Connection
from integrations.sandbox.visitor import Page, Visitor
from integrations.services.connect_links import connect_url, create_connect_session
from integrations.services.connections import connect_with_key, key_way
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Membership, Tenant, User
from tenants.provisioning import create_tenant
from tenants.roles import Role

EMAIL = "demo@example.com"
PASSWORD = "demo"
TENANTS = ("acme", "globex")
SYSTEM = Actor.system("demo")


class ConsentFailedError(Exception):
    """A connection did not come about; the message says at which page."""


@dataclass(frozen=True)
class Demo:
    """The tenants of the demo with what the sandbox offers each of them."""

    sandbox_url: str
    credentials: dict[str, Any]

    @classmethod
    def at(cls, sandbox_url: str) -> "Demo":
        page = Visitor().open(f"{sandbox_url}/_credentials")
        return cls(sandbox_url, orjson.loads(page.text))

    def prepare(self) -> list[Tenant]:
        """Make the person, the tenants and their provider apps; a second call changes nothing."""
        person = User.objects.filter(email=EMAIL).first() or User.objects.create_superuser(
            EMAIL, PASSWORD, name="Demo"
        )
        tenants = [self._tenant(slug, person) for slug in TENANTS]
        for number, tenant in enumerate(tenants):
            for slug, offered in self._oauth().items():
                client = offered["clients"][number]
                set_provider_app(
                    provider=slug,
                    client_id=client["client_id"],
                    client_secret=client["client_secret"],
                    tenant=tenant,
                    actor=SYSTEM,
                )
        return tenants

    @property
    def providers(self) -> list[str]:
        """The providers of the sandbox, by slug."""
        return sorted(self.credentials)

    def connect(self, tenant: Tenant, slug: str) -> None:
        """Connect the tenant to a provider: a key is entered, or the consent page is clicked."""
        with in_tenant(tenant):
            if slug in self._oauth():
                self._consent(tenant, slug)
            else:
                self._enter_key(slug, TENANTS.index(tenant.slug))

    def writable_base(self, tenant: Tenant) -> dict[str, str]:
        """{"type": …, "base": …, "key": …}: what the sandbox keeps for the tenant to write to.

        Raises:
            LookupError: nothing.
        """
        for slug, said in self._oauth().items():
            account = said["accounts"][TENANTS.index(tenant.slug)]["id"]
            for key in said.get("keys", ()):
                if isinstance(key, dict) and key.get("base") and key["account"] == account:
                    return {"type": slug, "base": key["base"], "key": key["key"]}
        raise LookupError(f"The sandbox keeps nothing for {tenant} to write to.")

    def _tenant(self, slug: str, person: User) -> Tenant:
        tenant = Tenant.objects.open().filter(slug=slug).first() or create_tenant(
            slug=slug, name=slug.title(), actor=SYSTEM
        )
        Membership.objects.get_or_create(user=person, tenant=tenant, defaults={"role": Role.ADMIN})
        return tenant

    def _oauth(self) -> dict[str, Any]:
        return {slug: said for slug, said in self.credentials.items() if isinstance(said, dict)}

    def _with_keys(self) -> dict[str, Any]:
        return {slug: said for slug, said in self.credentials.items() if isinstance(said, list)}

    def _enter_key(self, slug: str, number: int) -> None:
        offered = self._with_keys()[slug][number]
        way = key_way(get_connector(slug).provider)
        names = [asked.name for asked in way.fields] if way else []
        secrets = {name: offered[name] for name in names if name in offered}
        connect_with_key(provider=slug, secrets=secrets, extra=None, name=None, actor=SYSTEM)

    def _consent(self, tenant: Tenant, slug: str) -> None:
        """Open the connect page, press its button, allow, choose an account if there are several,
        and come back connected."""
        _, token = create_connect_session(tenant=tenant, actor=SYSTEM, providers=[slug])
        visitor = Visitor()
        page = visitor.open(connect_url(token))
        offered = self._oauth()[slug]["accounts"][TENANTS.index(tenant.slug)]
        asked = {one.name: offered[one.name] for one in get_connector(slug).provider.fields}
        if asked:
            page = visitor.open(urljoin(page.url, reverse("connect_provider", args=[token, slug])))
        presses = [("Connect", asked), ("Allow", {})]
        if get_connector(slug).provider.accounts is not None:
            presses.append(("Continue", {"account": offered["id"]}))
        for button, values in presses:
            _check(page, slug)
            page = visitor.press(page, button, **values)
        _check(page, slug)
        if not Connection.objects.present().filter(provider=slug).exists():
            raise ConsentFailedError(f"{slug} did not come back connected: {page.url}")


def _check(page: Page, slug: str) -> None:
    if page.status >= 400:
        raise ConsentFailedError(f"Connecting {slug} ended with {page.status} at {page.url}")


def sandbox_addresses(ready: dict[str, Any]) -> dict[str, str]:
    """Send this process's calls to the sandbox too; returns the addresses for its children."""
    addresses: dict[str, str] = ready["addresses"]
    settings.HUB_PROVIDER_ADDRESSES = addresses
    return addresses


def slow_down(sandbox_url: str, latency_ms: int) -> None:
    """Let the sandbox take its time with every answer."""
    _set(sandbox_url, latency_ms=latency_ms)


def without_limits(sandbox_url: str) -> None:
    """Let the sandbox answer calls however many they are."""
    _set(sandbox_url, limits=False)


def _set(sandbox_url: str, **switches: Any) -> None:
    order = orjson.dumps({"action": "set", **switches}).decode()
    Visitor().send_json(f"{sandbox_url}/_control", order)
