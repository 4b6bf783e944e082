"""An account of the sandbox that the engine reads into the database."""

from __future__ import annotations

from hub.fleet.models import Due
from integrations.connectors.base import Connector
from integrations.models import Connection, SyncRun
from integrations.sync.credentials import save_credentials
from integrations.sync.status import publish
from integrations.testing.access import open_access
from tenants.context import current_tenant
from tests.engine.conftest import run_of, work
from tests.factories import ConnectionFactory
from tests.sandbox.conftest import Caller


def connected(connector: type[Connector], caller: Caller) -> Connection:
    """A connection to the first account, with a token that does not end."""
    access, slug = open_access(connector, caller.sandbox), connector.provider.slug
    made: Connection = ConnectionFactory.build(
        provider=slug,
        account_id=access.account_id,
        source_system=f"{slug}:{access.account_id}",
        extra=dict(access.credentials.extra),
    )
    secrets = {"access_token": access.credentials.access_token}
    save_credentials(made, secrets, expires_at=None, scopes=[])
    publish(made)
    Due.objects.create(
        kind=Due.Kind.SYNC, tenant=current_tenant(), object_id=made.pk, provider=slug
    )
    return made


def sync(connection: Connection) -> SyncRun:
    """One run to its end, which must be a good one."""
    while work(connection, seconds=600).wants_more:
        pass
    run = run_of(connection)
    assert run.state == SyncRun.State.SUCCEEDED, run.error
    return run
