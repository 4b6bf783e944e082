"""With one row in a hundred changed, a sync makes few calls, and the run says how many it saved.

ROWS says how many rows each account holds, about; `make prove CLAIM=calls-saved` takes 10,000.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.db.models import F

from integrations.models import Checkpoint, Connection, EntityTypeStatus, Record, SyncRun
from integrations.sandbox import Sandbox
from integrations.sandbox.part import Setting
from integrations.sandbox.world import World
from integrations.testing import Subject
from tests.contracts.own import OURS, WITH_PART, own
from tests.providers.synced import connected_by, sync

ROWS = int(os.environ.get("ROWS", "600"))
SHARE_CHANGED = 0.01
SHARE_OF_CALLS = 0.05
CALLS_PER_TYPE = 2
QUOTED = re.compile(r'"([^"]+)"')

pytestmark = pytest.mark.django_db


@dataclass
class Measured:
    """An account of about ROWS rows at one provider, and a connection to it."""

    subject: Subject
    connection: Connection

    @property
    def slug(self) -> str:
        return self.subject.slug

    def change(self) -> dict[str, list[str]]:
        """Change one row in a hundred of every type; returns their ids by type."""
        changed: dict[str, list[str]] = {}
        for declared in self.subject.connector.entity_types:
            name, table = declared.name, self.subject.table_of(declared.name)
            if not table:
                continue
            count = math.ceil(len(self.subject.rows(table)) * SHARE_CHANGED)
            # Where the provider shows no changes of rows, new ones stand for them.
            unseen = f"changes_arrive:{name}" in own(self.slug).skips
            order = {"action": "add" if unseen else "change", "entity": table, "count": count}
            changed[name] = self.subject.control(**order)["ids"]
        self.subject.sandbox.world.forget_requests()
        return changed

    def wait_a_day(self) -> None:
        """As if every type had been read so long ago that its provider wants to be asked again."""
        walks = EntityTypeStatus.objects.filter(connection=self.connection)
        walks.update(walked_at=F("walked_at") - timedelta(days=1))

    def allowed(self, whole: SyncRun, changed: dict[str, list[str]]) -> int:
        """The larger of 5 % of a full read, and what no run over all types can do without.

        That is two calls for each type, one for each parent (or other scope of a list) that is
        polled, and one for each changed entity that is asked for by its id besides.
        """
        types, named = self.subject.connector.entity_types, self._named()
        needed = CALLS_PER_TYPE * len(types)
        needed += Checkpoint.objects.filter(connection=self.connection).exclude(scope="").count()
        needed += sum(len(ids) for ids in changed.values() if named & set(ids))
        return max(math.floor(whole.calls * SHARE_OF_CALLS), needed)

    def _named(self) -> set[str]:
        """What the requests named: steps of addresses, and texts in the bodies sent."""
        named: set[str] = set()
        for one in self.subject.requests():
            path = unquote(one["path"].partition("?")[0])
            named.update(path.split("/"), QUOTED.findall(one["body"]))
        return named


@pytest.fixture(
    params=[each for each in OURS if each.provider.slug in WITH_PART],
    ids=lambda each: each.provider.slug,
)
def measured(request: Any, settings: Any) -> Iterator[Measured]:
    connector = request.param
    slug = connector.provider.slug
    with Sandbox(seed=3, scale=scale_for(slug)) as sandbox:
        settings.HUB_PROVIDER_ADDRESSES = sandbox.addresses()
        settings.HUB_TENANT_CALLS_PER_SECOND = 100_000  # calls are counted here, not spread
        subject = Subject(connector, sandbox, own(slug).tables)
        subject.begin()
        assert subject.access is not None
        yield Measured(subject, connected_by(subject.access, slug))


def scale_for(slug: str) -> float:
    """The scale at which an account of the provider holds ROWS rows; they grow in line with it."""
    sizes = []
    for scale in (1.0, 2.0):
        part = World(Setting(scale=scale, base_time=1_790_000_000)).parts[slug]
        tables = part.tables(next(iter(part.accounts.values())))
        sizes.append(sum(len(table) for table in tables.values()))
    growth = sizes[1] - sizes[0]
    return max(0.1, (ROWS * 1.05 - sizes[0] + growth) / growth)


def test_an_incremental_sync_makes_few_calls_and_says_what_it_saved(
    measured: Measured, record_property: Any
) -> None:
    whole = sync(measured.connection)
    rows = Record.objects.count()
    changed = measured.change()
    measured.wait_a_day()

    run = sync(measured.connection)

    assert whole.is_whole
    count = sum(map(len, changed.values()))
    assert run.totals["inserted"] + run.totals["updated"] >= count
    assert run.calls_saved == max(0, whole.calls - run.calls)
    allowed = measured.allowed(whole, changed)
    figures = f"{rows} rows, {whole.calls} calls; then {count} changed,"
    record_property(measured.slug, f"{figures} {run.calls} calls of {allowed} allowed")
    assert run.calls <= allowed
