"""A pre-flight of every provider of the sandbox stays within its few calls and entities."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.models import Preflight, Record
from integrations.sandbox import Sandbox
from integrations.sync.preflight import check
from integrations.testing import Subject
from tenants.actor import Actor
from tests.contracts.own import OURS, WITH_PART, own
from tests.providers.synced import connected_by

pytestmark = pytest.mark.django_db

ACTOR = Actor.system("tests")
FINE = {Preflight.Outcome.OK, Preflight.Outcome.EMPTY, Preflight.Outcome.LATER}


@pytest.mark.parametrize(
    "connector",
    [each for each in OURS if each.provider.slug in WITH_PART],
    ids=lambda each: each.provider.slug,
)
def test_a_pre_flight_finds_every_type_readable_in_two_calls_each(
    connector: Any, settings: Any
) -> None:
    slug = connector.provider.slug
    with Sandbox(seed=3, scale=0.2) as sandbox:
        settings.HUB_PROVIDER_ADDRESSES = sandbox.addresses()
        settings.HUB_TENANT_CALLS_PER_SECOND = 100_000
        subject = Subject(connector, sandbox, own(slug).tables)
        subject.begin()
        assert subject.access is not None
        connection = connected_by(subject.access, slug)
        sandbox.world.forget_requests()

        report = check(connection, actor=ACTOR, because=Preflight.Because.ASKED)

        lines = report.lines.values()
        assert {line["outcome"] for line in lines} <= FINE, report.lines
        assert max(line["calls"] for line in lines) <= 2
        assert max(line["read"] for line in lines) <= 5
        assert report.calls == len(subject.requests()) <= 2 * len(lines)
    assert not Record.objects.exists()
