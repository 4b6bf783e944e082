"""An account of the sandbox that the engine reads into the database."""

from __future__ import annotations

from integrations.connectors.base import Connector
from integrations.models import Connection, SyncRun
from integrations.testing.access import Access, open_access
from tests.engine import conftest as engine
from tests.engine.conftest import run_of, work
from tests.sandbox.conftest import Caller

SECRET_NAMES = ("access_token", "key", "username", "password")


def connected(connector: type[Connector], caller: Caller) -> Connection:
    """A connection to the first account, with a token that does not end."""
    return connected_by(open_access(connector, caller.sandbox), connector.provider.slug)


def connected_by(access: Access, slug: str) -> Connection:
    """A connection that has this access, without what would renew it."""
    given = access.credentials
    secrets = {name: getattr(given, name) for name in SECRET_NAMES}
    account, extra = access.account_id, dict(given.extra)
    return engine.connected(slug, account=account, secrets=secrets, extra=extra)


def sync(connection: Connection) -> SyncRun:
    """One run to its end, which must be a good one."""
    while work(connection, seconds=600).wants_more:
        pass
    run = run_of(connection)
    assert run.state == SyncRun.State.SUCCEEDED, run.error
    return run
