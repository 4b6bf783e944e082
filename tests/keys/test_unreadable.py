"""What people and workers are told when a sealed value does not open: a sentence, once."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.connect.attempts import begin_attempt, spend_attempt
from hub.connect.models import ConnectAttempt, ProviderApp
from hub.connect.sessions import new_secret
from hub.fields import Sealed
from hub.fleet.models import Due
from integrations.errors import ConnectRefusedError, OperatorRequiredError
from integrations.models import Connection, SyncRun
from integrations.services.connect_links import create_connect_session
from integrations.sync.credentials import access_for, app_secrets
from tenants.models import DataKey, Tenant
from tests.engine.conftest import Server, connection, server, work
from tests.keys.conftest import NEW, TESTER, Estate, audited, changed, tamper

__all__ = ["connection", "server"]

pytestmark = pytest.mark.django_db


def spoil(row: Connection) -> None:
    row.refresh_from_db()
    tamper(row, changed(row.credentials))


class TestAWorker:
    def test_ends_the_run_and_comes_back_with_the_next_interval_alone(
        self, connection: Connection, server: Server
    ) -> None:
        spoil(connection)

        result = work(connection)

        run = SyncRun.objects.get()
        due = Due.objects.get(object_id=connection.pk)
        connection.refresh_from_db()
        assert (run.state, run.error_code) == ("failed", "operator_required")
        assert not result.wants_more
        assert due.due_at is not None
        assert due.due_at > timezone.now() + timedelta(seconds=connection.interval_seconds * 0.9)
        assert "do not open" in connection.error
        assert server.asked == []
        assert len(audited(AuditAction.CREDENTIALS_UNREADABLE)) == 1

    def test_goes_on_by_itself_once_the_key_is_back(
        self, connection: Connection, settings: Any
    ) -> None:
        before = settings.HUB_ENCRYPTION_KEYS
        settings.HUB_ENCRYPTION_KEYS = [NEW]
        work(connection)
        assert SyncRun.objects.get().state == "failed"

        settings.HUB_ENCRYPTION_KEYS = before
        Due.objects.update(due_at=timezone.now())
        work(connection)

        connection.refresh_from_db()
        assert SyncRun.objects.latest("created_at").state == "succeeded"
        assert connection.error == ""


def test_a_service_says_what_an_operator_can_do(connection: Connection) -> None:
    spoil(connection)

    with pytest.raises(OperatorRequiredError, match="HUB_ENCRYPTION_KEYS"):
        access_for(connection, actor=TESTER, reason="test")


def test_a_provider_app_says_it_too(estate: Estate) -> None:
    app = ProviderApp.objects.get(tenant=None)
    other = ProviderApp.objects.get(tenant=estate.acme)
    app.client_secret = Sealed(bytes(other.client_secret or b""))
    app.save()

    with pytest.raises(OperatorRequiredError, match="enter it again"):
        app_secrets(app, actor=TESTER, reason="test")

    assert len(audited(AuditAction.CREDENTIALS_UNREADABLE)) == 1


def test_a_connect_attempt_sends_people_back_to_their_link(estate: Estate, acme: Tenant) -> None:
    session, _ = create_connect_session(tenant=acme, actor=TESTER)
    browser = new_secret()
    _, state = begin_attempt(
        session=session,
        app=ProviderApp.objects.get(tenant=None),
        redirect_uri="https://hub.example.com/callback",
        scopes=[],
        verifier="v" * 43,
        entered={},
        browser=browser,
    )
    DataKey.objects.filter(tenant=acme).delete()

    with pytest.raises(ConnectRefusedError) as refused:
        spend_attempt(state=state, provider="salesforce", browser=browser)

    assert refused.value.reason == "unreadable_state"
    assert ConnectAttempt.objects.exclude(used_at=None).count() == 1
