"""An account whose owner took the access away is given up by the sync, and says so."""

from uuid import uuid4

import pytest

from hub.audit.models import AuditAction
from hub.fleet.claims import claim_one
from hub.fleet.models import ConnectionStatus, Due
from integrations.models import Connection, SyncRun
from integrations.sync.engine import work_slice
from integrations.sync.lease import LeaseWatch
from tests.connecting.conftest import Browser, World, audited

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("provider", ["slack", "quickbooks", "copper"])
def test_a_sync_that_finds_the_access_revoked_asks_for_a_person(
    provider: str, browser: Browser, link: str, world: World
) -> None:
    if provider == "copper":
        browser.submit(f"/connect/{link}/copper/key/", **world.key())
    else:
        browser.connect(link, provider)
    connection = Connection.objects.get()
    world.control("revoke", slug=provider, account=connection.account_id)

    claim = claim_one(Due.objects.get().pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    work_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())

    connection.refresh_from_db()
    assert connection.status == "needs_reauth"
    assert connection.error and connection.customer_message
    assert ConnectionStatus.objects.get().status == "needs_reauth"
    assert SyncRun.objects.get().state == "failed"
    assert Due.objects.get().due_at is None
    assert audited(AuditAction.CONNECTION_BROKEN) == 1
