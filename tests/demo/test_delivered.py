"""What the demo's check asks for: records of every entity type, of every provider."""

import pytest

from hub.demo.delivered import own_connectors, undelivered
from integrations.connectors.copper import CopperConnector
from tenants.models import Tenant
from tests.admin.conftest import make_record
from tests.factories import ConnectionFactory, SyncRunFactory

pytestmark = pytest.mark.django_db
TYPES = [declared.name for declared in CopperConnector.entity_types]


def test_a_provider_that_brought_every_entity_type_is_not_named(acme: Tenant) -> None:
    connection = ConnectionFactory()
    for number, name in enumerate(TYPES):
        make_record(connection, number, entity_type=name)
    run = SyncRunFactory(connection=connection, counts={name: {"read": 1} for name in TYPES})

    missing = undelivered(acme, [run])

    assert sorted(missing) == [
        f"acme {one.provider.slug}" for one in own_connectors() if one is not CopperConnector
    ]


def test_an_entity_type_is_named_that_was_not_read_or_left_no_record(acme: Tenant) -> None:
    connection = ConnectionFactory()
    make_record(connection, 1, entity_type="leads")
    counts = {name: {"read": 1} for name in TYPES if name != "leads"}

    missing = undelivered(acme, [SyncRunFactory(connection=connection, counts=counts)])

    assert {f"acme copper {name}" for name in TYPES} <= set(missing)
