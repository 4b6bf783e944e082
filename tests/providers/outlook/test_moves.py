"""Messages that move while the hub looks, through the engine into the database."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.connectors.outlook import OutlookConnector
from integrations.models import Connection, Record
from tests.providers.synced import connected, sync
from tests.sandbox.conftest import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(caller: Caller, settings: Any) -> Connection:
    settings.HUB_PROVIDER_ADDRESSES = caller.sandbox.addresses()
    return connected(OutlookConnector, caller)


def move(caller: Caller, source_id: str, folder: str) -> None:
    order = {"slug": "outlook", "entity": "messages", "ids": [source_id]}
    caller.control("change", set={"parentFolderId": folder}, **order)


@pytest.mark.parametrize("towards", ["a folder read before", "a folder read after"])
def test_a_message_moved_to_another_folder_stays_one_record(
    connection: Connection, caller: Caller, towards: str
) -> None:
    sync(connection)
    folders = sorted(
        Record.objects.filter(entity_type="folders").values_list("source_id", flat=True)
    )
    old, new = folders[4], folders[1] if towards == "a folder read before" else folders[7]
    message = Record.objects.filter(entity_type="messages", scope=old).first()
    assert message is not None

    move(caller, message.source_id, new)
    sync(connection)

    moved = Record.objects.get(entity_type="messages", source_id=message.source_id)
    assert (moved.scope, moved.deleted_at) == (new, None)
    assert moved.data["channel"]["source_id"] == new


def test_a_message_moved_and_then_deleted_is_gone(connection: Connection, caller: Caller) -> None:
    sync(connection)
    folders = sorted(
        Record.objects.filter(entity_type="folders").values_list("source_id", flat=True)
    )
    message = Record.objects.filter(entity_type="messages", scope=folders[1]).first()
    assert message is not None
    move(caller, message.source_id, folders[4])
    caller.control("delete", slug="outlook", entity="messages", ids=[message.source_id])

    sync(connection)

    message.refresh_from_db()
    assert message.deleted_at is not None


def test_a_message_that_is_deleted_stays_marked_as_such(
    connection: Connection, caller: Caller
) -> None:
    sync(connection)
    [source_id] = caller.control("delete", slug="outlook", entity="messages", count=1)["ids"]

    sync(connection)

    gone = Record.objects.get(entity_type="messages", source_id=source_id)
    assert gone.deleted_at is not None
