"""Records a second into PostgreSQL: a first sync, and the same again when nothing has changed.

The hub (fetch, validate, map, hash, compare, write with its checkpoint) against what one would
write by hand in Django on the same pages into a table of the same columns: `bulk_create` that
updates on conflict. All in one run, in turn.
"""

import os
import sys
from statistics import median
from time import perf_counter
from typing import Any
from uuid import uuid4

from tests.benchmarks.database import own_database, server
from tests.benchmarks.machine import table
from tests.benchmarks.provider import environment, running

ROWS = int(os.environ.get("ROWS", "50000"))
REPEATS = int(os.environ.get("REPEATS", "3"))
TIMES_FIRST, TIMES_AGAIN = 2.0, 4.0  # at least so many times as fast as by hand


def main(provider: str) -> int:
    from tests.benchmarks.estate import connect, new_tenant

    took: dict[str, list[float]] = {"hub": [], "hub again": [], "hand": [], "hand again": []}
    for number in range(REPEATS):
        tenant = new_tenant(f"through-{number}")
        connection = connect(tenant, f"rows-{ROWS}")
        took["hub"].append(_hub(tenant, connection))
        took["hub again"].append(_hub(tenant, connection))
        by_hand = new_tenant(f"by-hand-{number}")
        took["hand"].append(_by_hand(by_hand, provider))
        took["hand again"].append(_by_hand(by_hand, provider))
    rate = {name: ROWS / median(seconds) for name, seconds in took.items()}
    first, again = rate["hub"] / rate["hand"], rate["hub again"] / rate["hand again"]
    print(server())
    rows = [
        ["first sync", rate["hub"], rate["hand"], first],
        ["again, nothing changed", rate["hub again"], rate["hand again"], again],
    ]
    lines = [
        [what, f"{hub:,.0f}", f"{hand:,.0f}", f"{times:.1f}"] for what, hub, hand, times in rows
    ]
    print(table([f"{ROWS:,} records, records/s", "the hub", "bulk_create by hand", "times"], lines))
    print(
        f"{rate['hub']:,.0f} records/s at first and {rate['hub again']:,.0f} when nothing has"
        f" changed: {first:.1f} and {again:.1f} times what one writes by hand"
        f" (at least {TIMES_FIRST:.0f} and {TIMES_AGAIN:.0f})"
    )
    return 0 if first >= TIMES_FIRST and again >= TIMES_AGAIN else 1


def _hub(tenant: Any, connection: Any) -> float:
    """Seconds of one whole run, slice after slice, as a worker's process does it."""
    from hub.fleet.claims import claim_one
    from hub.fleet.models import Due
    from integrations.sync.engine import work_slice
    from integrations.sync.lease import LeaseWatch
    from tenants.context import in_tenant

    due = Due.objects.filter(object_id=connection.pk, kind="sync").earliest("due_at")
    begun = perf_counter()
    while True:
        claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=300)
        assert claim is not None
        with in_tenant(tenant):
            result = work_slice(claim.due_id, claim.fence, seconds=45, watch=LeaseWatch())
        if not result.wants_more:
            break
    seconds = perf_counter() - begun
    assert result.state == "succeeded", result.sentence
    return seconds


def _by_hand(tenant: Any, provider: str) -> float:
    """Seconds of the loop that one would write: a page, model objects, bulk_create, next page."""
    import requests
    from django.utils import timezone

    from integrations.models import Record
    from tenants.context import in_tenant
    from tests.benchmarks.connectors import BenchmarkConnector

    transform = BenchmarkConnector().transform
    now, owner = timezone.now(), uuid4()
    begun = perf_counter()
    with requests.Session() as session, in_tenant(tenant):
        session.trust_env = False
        cursor: str | None = "0"
        while cursor is not None:
            answer = session.get(
                f"{provider}/contacts",
                params={"cursor": cursor},
                headers={"X-Key": f"rows-{ROWS}"},
                timeout=30,
            ).json()
            Record.objects.bulk_create(
                [_model(item, transform, now, owner) for item in answer["items"]],
                update_conflicts=True,
                unique_fields=["source_system", "entity_type", "source_id"],
                update_fields=["title", "data", "raw", "content_hash", "changed_at", "change_seq"],
            )
            cursor = answer["cursor"]
    return perf_counter() - begun


def _model(item: dict[str, Any], transform: Any, now: Any, owner: Any) -> Any:
    from integrations.models import Record
    from integrations.types import Entity

    record = transform(Entity("contacts", str(item["id"]), item))
    return Record(
        source_system="by-hand",
        entity_type="contacts",
        source_id=str(item["id"]),
        connection_id=owner,
        run_id=owner,
        generation=1,
        record_type=record.record_type,
        title=record.name,
        data=record.to_data(),
        raw=item,
        content_hash=b"",
        first_seen_at=now,
        changed_at=now,
        change_seq=int(item["id"]) + 1,
    )


if __name__ == "__main__":
    with running() as address, own_database(environment(address)):
        status = main(address)
    sys.exit(status)
