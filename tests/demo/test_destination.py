"""The demo's destination: made once, and written anew into the empty base of every start."""

from collections.abc import Iterator

import pytest

from hub.demo.destination import prepare_destination, rows_in_step
from hub.demo.estate import SYSTEM, Demo
from integrations.destinations.airtable import AirtableDestination
from integrations.models import Destination, DestinationRun, Route
from integrations.sandbox import Sandbox
from integrations.services.destinations import pause_destination
from tenants.models import Tenant
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Sandbox(seed=5, scale=0.02) as sandbox:
        yield Demo.at(sandbox.url)


def test_a_second_start_writes_everything_anew_and_makes_no_second_destination(
    acme: Tenant, demo: Demo
) -> None:
    crm = ConnectionFactory(provider="copper")
    prepare_destination(demo, acme)
    found = {"tables": {"Companies": {"id": "tblOfBefore"}}}
    Destination.objects.update(schema=found, checkpoint=7)

    prepare_destination(demo, acme)

    there = Destination.objects.get()
    assert there.schema == AirtableDestination.to_be_made_anew(found)
    assert there.checkpoint == 0
    routes = {route.record_type: route.connection for route in Route.objects.all()}
    assert routes == {"company": crm, "person": crm}


def test_it_is_waited_for_until_it_has_followed_unless_somebody_paused_it(
    acme: Tenant, demo: Demo
) -> None:
    prepare_destination(demo, acme)
    there = Destination.objects.get()

    assert rows_in_step(demo, acme) is None
    there.runs.create(state=DestinationRun.State.SUCCEEDED)
    assert rows_in_step(demo, acme) == 0

    there.runs.all().delete()
    pause_destination(destination=there, actor=SYSTEM)
    assert rows_in_step(demo, acme) == 0
