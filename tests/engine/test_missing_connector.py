"""Connections to a provider whose connector is not installed where their work is claimed."""

import pytest

from hub.fleet.models import Due
from integrations.models import Connection, Record
from tests.engine.acme_provider import company
from tests.engine.conftest import work

pytestmark = pytest.mark.django_db


def test_a_sync_whose_connector_is_not_installed_fails_and_goes_on_when_it_is(connection, server):
    work(connection)
    server.rows["companies"].append(company(99))
    Connection.objects.filter(pk=connection.pk).update(provider="nosuch")

    assert work(connection).state == "failed"

    due = Due.objects.get(object_id=connection.pk)
    connection.refresh_from_db()
    assert "'nosuch'" in connection.error
    assert due.due_at is not None and due.run_id is None
    Connection.objects.filter(pk=connection.pk).update(provider="acme_memory")
    assert work(connection).state == "succeeded"
    assert Record.objects.filter(source_id="c99").exists()
