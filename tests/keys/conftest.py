"""Secrets sealed everywhere they can be, and what opens all of them again."""

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.connect.models import ConnectAttempt, ConnectSession
from hub.connect.provider_apps import set_provider_app
from hub.crypto import EncryptionKeyError, SealBrokenError
from hub.fields import Sealed
from hub.settings.test import HUB_ENCRYPTION_KEYS
from integrations.models import Connection
from integrations.sync.credentials import save_credentials
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.keys import open_for, seal_for
from tenants.models import Tenant
from tenants.sealed_columns import sealed_columns
from tests import warm
from tests.connecting.conftest import World, apps, browser, link, quickbooks, running, world
from tests.factories import ConnectionFactory
from tests.faults.conftest import database_url

__all__ = ["World", "apps", "browser", "link", "quickbooks", "running", "world"]

OLD = HUB_ENCRYPTION_KEYS[0]
NEW = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
TESTER = Actor.system("tests")


@dataclass
class Estate:
    """Sealed values of two tenants and of the hub, and what each must say."""

    acme: Tenant
    globex: Tenant
    planted: dict[tuple[str, str], tuple[Tenant | None, Any, str, dict[str, Any]]] = field(
        default_factory=dict
    )

    def plant(self, *, connections: int = 12) -> "Estate":
        for tenant, count in ((self.acme, connections), (self.globex, connections // 2)):
            with in_tenant(tenant):
                for number in range(count):
                    self._connection(tenant, f"{tenant.slug}-{number}")
        for owner in (None, self.acme):
            said = {"client_secret": f"app of {owner}"}
            app = set_provider_app(
                provider="salesforce", client_id="c", tenant=owner, actor=TESTER, **said
            )
            self._remember(owner, app, "client_secret", said)
        self._attempt(self.acme, {"verifier": "v" * 43})
        return self

    def _connection(self, tenant: Tenant, token: str) -> None:
        row = ConnectionFactory.build()
        said = {"access_token": token, "refresh_token": f"{token}-refresh"}
        with transaction.atomic():
            save_credentials(row, said, expires_at=None, scopes=[])
        self._remember(tenant, row, "credentials", said)

    def _attempt(self, tenant: Tenant, said: dict[str, Any]) -> None:
        soon = timezone.now() + timedelta(minutes=10)
        session = ConnectSession.objects.create(
            tenant=tenant, token_hash=os.urandom(32), actor_kind="system", expires_at=soon
        )
        row = ConnectAttempt(
            session=session,
            tenant=tenant,
            provider="salesforce",
            state_hash=os.urandom(32),
            provider_app_id=next(iter(self._rows("connect_providerapp"))).pk,
            expires_at=soon,
        )
        with transaction.atomic():
            row.pkce_verifier = seal_for(row, "pkce_verifier", said, tenant_id=tenant.pk)
            row.save(force_insert=True)
        self._remember(tenant, row, "pkce_verifier", said)

    def _remember(self, owner: Tenant | None, row: Any, name: str, said: dict[str, Any]) -> None:
        self.planted[row._meta.db_table, str(row.pk)] = (owner, row, name, said)

    def _rows(self, table: str) -> list[Any]:
        return [row for (name, _), (_, row, _, _) in self.planted.items() if name == table]

    def unreadable(self) -> list[str]:
        """Every planted value that does not open as it was planted; [] is well."""
        found = []
        for (table, pk), (owner, row, name, said) in self.planted.items():
            try:
                fresh = self.fresh(owner, row)
                opened = self.open(owner, fresh, name)
            except (SealBrokenError, EncryptionKeyError) as exc:
                found.append(f"{table} {pk}: {exc}")
            else:
                found += [] if opened == said else [f"{table} {pk} says something else"]
        return found

    def fresh(self, owner: Tenant | None, row: Any) -> Any:
        with in_tenant(owner or self.acme):
            return type(row)._base_manager.get(pk=row.pk)

    def open(self, owner: Tenant | None, row: Any, name: str) -> dict[str, Any]:
        with in_tenant(owner or self.acme):
            return open_for(row, name, tenant_id=owner and owner.pk, actor=TESTER, reason="test")

    def keys_in_use(self) -> set[UUID]:
        """The data keys that some value names, wherever it lies."""
        found: set[UUID] = set()
        for owner in (self.acme, self.globex, None):
            with in_tenant(owner or self.acme):
                for column in sealed_columns():
                    for row in column.values(owner and owner.pk):
                        found.add(UUID(bytes=bytes(row.key_id)))
        return found


@pytest.fixture
def estate(acme: Tenant, globex: Tenant) -> Estate:
    return Estate(acme, globex).plant()


@dataclass
class Rotations:
    """`manage.py rotate_keys` as a process, which a test may let die at a named point."""

    def run(self, *options: str, crash: str = "", keys: str = OLD) -> tuple[int, str, str]:
        """Return exit code, output and errors."""
        return warm.run("manage.py", "rotate_keys", *options, env=self._environment(crash, keys))

    def start(self, *options: str, crash: str = "", keys: str = OLD) -> warm.Process:
        return warm.start("manage.py", "rotate_keys", *options, env=self._environment(crash, keys))

    def run_cold(self, *options: str, keys: str = OLD) -> tuple[int, str, str]:
        """The same, started as a person starts it."""
        return warm.run_cold("manage.py", "rotate_keys", *options, env=self._environment("", keys))

    def _environment(self, crash: str, keys: str) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "tests.keys.settings",
            "HUB_ENCRYPTION_KEYS": keys,
            "HUB_CRASH": crash,
        }


@pytest.fixture
def rotations() -> Rotations:
    return Rotations()


def audited(action: AuditAction) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("at"))


def changed(value: Any) -> bytes:
    """The bytes with the last one changed, whatever it was."""
    held = bytes(value or b"")
    return held[:-1] + bytes([held[-1] ^ 1])


def tamper(connection: Connection, sealed: bytes) -> None:
    """Put other bytes in the place of the connection's credentials, as a thief of rows would."""
    Connection.objects.filter(pk=connection.pk).update(credentials=Sealed(sealed))
