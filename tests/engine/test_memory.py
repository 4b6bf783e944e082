"""F6: memory that runs out says nothing of an entity or a provider; it ends the slice."""

from typing import Any

import pytest

from hub.fleet.models import Due
from integrations.models import Connection, RejectedRecord
from integrations.sync.prepare import prepare
from integrations.types import Entity
from tests.engine.acme_provider import AcmeConnector, Server, company
from tests.engine.conftest import run_of, work

pytestmark = pytest.mark.django_db


class Greedy(AcmeConnector):
    def transform(self, raw: Entity) -> Any:
        raise MemoryError


def test_a_slice_without_memory_keeps_what_it_has_and_has_made_an_attempt(
    connection: Connection, server: Server
) -> None:
    server.fail_at[("companies", 1)] = [MemoryError()]

    with pytest.raises(MemoryError):
        work(connection)

    assert run_of(connection).is_open
    assert Due.objects.get(object_id=connection.pk).attempts == 1
    assert not RejectedRecord.objects.exists()


def test_no_entity_is_set_aside_for_want_of_memory() -> None:
    with pytest.raises(MemoryError):
        prepare(Greedy(), Entity("companies", "c1", company(1)))
