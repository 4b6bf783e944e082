"""What lies in a project goes with it, through the engine into the database."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from integrations.connectors.basecamp import BasecampConnector
from integrations.models import Connection, Record, SyncRun
from tests.providers.synced import connected, sync
from tests.sandbox.conftest import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(caller: Caller, settings: Any) -> Connection:
    settings.HUB_PROVIDER_ADDRESSES = caller.sandbox.addresses()
    caller.control("set", slug="basecamp", limits=False)
    return connected(BasecampConnector, caller)


def stored(entity_type: str) -> dict[str, str]:
    """The project of everything of the type that is there, by id."""
    rows = Record.objects.present().filter(entity_type=entity_type)
    return {row.source_id: str(row.raw["bucket"]["id"]) for row in rows}


def small_project() -> str:
    """One of whose to-dos the loss is nothing to ask a person about."""
    return Counter(stored("todos").values()).most_common()[-1][0]


def test_todos_and_messages_of_a_trashed_project_do_not_stay(
    connection: Connection, caller: Caller
) -> None:
    sync(connection)
    project = small_project()
    before = {name: stored(name) for name in ("todos", "messages")}

    caller.control("delete", slug="basecamp", entity="projects", ids=[project])
    sync(connection)

    assert Record.objects.get(entity_type="projects", source_id=project).deleted_at is not None
    for name, homes in before.items():
        assert stored(name) == {id: home for id, home in homes.items() if home != project}


def test_a_full_read_finds_what_vanished_without_a_word(
    connection: Connection, caller: Caller
) -> None:
    sync(connection)
    project = small_project()
    [todo, *_] = [id for id, home in stored("todos").items() if home != project]
    part = caller.sandbox.world.parts["basecamp"]
    account = part.accounts[connection.account_id]
    part.table(account, "projects").remove(project, 0)
    part.table(account, "todos").remove(todo, 0)

    SyncRun.objects.create(connection=connection, mode=SyncRun.Mode.FULL)
    sync(connection)

    assert Record.objects.get(entity_type="projects", source_id=project).deleted_at is not None
    assert todo not in stored("todos")
    assert project not in {*stored("todos").values(), *stored("messages").values()}
    assert stored("todos") and stored("messages")
