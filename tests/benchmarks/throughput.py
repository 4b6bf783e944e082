"""Records a second into PostgreSQL: a first sync, and the same again when nothing has changed.

The hub (fetch, validate, map, hash, compare, write with its checkpoint) against what one would
write by hand, page by page, into the same table: Django's `bulk_create` that updates on conflict,
and `executemany` of one INSERT … ON CONFLICT. All in one run, in turn.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any
from uuid import uuid4

from tests.benchmarks.database import own_database, server
from tests.benchmarks.machine import table
from tests.benchmarks.provider import environment, running

ROWS = int(os.environ.get("ROWS", "50000"))
REPEATS = int(os.environ.get("REPEATS", "3"))
OWNER = uuid4()
HUB, ORM, SQL = "the hub", "bulk_create", "executemany"
TIMES_FIRST, TIMES_AGAIN = 2.0, 4.0  # at least so many times as fast as bulk_create

_UPSERT = """
INSERT INTO integrations_record (source_system, entity_type, source_id, scope, connection_id,
    run_id, generation, record_type, title, data, raw, content_hash, first_seen_at, changed_at,
    change_seq)
VALUES ('by-hand', 'contacts', %s, '', %s, %s, 1, %s, %s, %s, %s, '', now(), now(), %s)
ON CONFLICT (source_system, entity_type, source_id) DO UPDATE SET title = excluded.title,
    data = excluded.data, raw = excluded.raw, changed_at = excluded.changed_at,
    change_seq = excluded.change_seq
"""


def main(provider: str) -> int:
    from tests.benchmarks.estate import connect, new_tenant

    took: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for number in range(REPEATS):
        tenant = new_tenant(f"through-{number}")
        connection = connect(tenant, f"rows-{ROWS}")
        for is_again in (False, True):
            took[HUB, is_again].append(_hub(tenant, connection))
        for name, save in ((ORM, _bulk_create), (SQL, _executemany)):
            by_hand = new_tenant(f"{name.replace('_', '-')}-{number}")
            for is_again in (False, True):
                took[name, is_again].append(_by_hand(by_hand, provider, save))
    rate = {key: ROWS / median(seconds) for key, seconds in took.items()}
    lines = [
        [what, *(f"{rate[name, is_again]:,.0f}" for name in (HUB, ORM, SQL))]
        for what, is_again in (("first sync", False), ("again, nothing changed", True))
    ]
    print(server())
    print(table([f"{ROWS:,} records, records/s", HUB, ORM, SQL], lines))
    first, again = (rate[HUB, is_again] / rate[ORM, is_again] for is_again in (False, True))
    print(
        f"{rate[HUB, False]:,.0f} records/s at first and {rate[HUB, True]:,.0f} when nothing has"
        f" changed: {first:.1f} and {again:.1f} times {ORM} (at least {TIMES_FIRST:.0f} and"
        f" {TIMES_AGAIN:.0f})"
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


def _by_hand(tenant: Any, provider: str, save: Callable[[list[Any]], None]) -> float:
    """Seconds of the loop that one would write: a page, its records, save them, next page."""
    import requests

    from integrations.types import Entity
    from tenants.context import in_tenant
    from tests.benchmarks.connectors import BenchmarkConnector

    transform = BenchmarkConnector().transform
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
            save([(row, transform(Entity("contacts", "", row))) for row in answer["items"]])
            cursor = answer["cursor"]
    return perf_counter() - begun


def _bulk_create(page: list[Any]) -> None:
    from django.utils import timezone

    from integrations.models import Record

    now = timezone.now()
    Record.objects.bulk_create(
        [
            Record(
                source_system="by-hand",
                entity_type="contacts",
                source_id=str(row["id"]),
                connection_id=OWNER,
                run_id=OWNER,
                record_type=record.record_type,
                title=record.name,
                data=record.to_data(),
                raw=row,
                content_hash=b"",
                first_seen_at=now,
                changed_at=now,
                change_seq=int(row["id"]) + 1,
            )
            for row, record in page
        ],
        update_conflicts=True,
        unique_fields=["source_system", "entity_type", "source_id"],
        update_fields=["title", "data", "raw", "changed_at", "change_seq"],
    )


def _executemany(page: list[Any]) -> None:
    import json

    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            _UPSERT,
            [
                (
                    str(row["id"]),
                    OWNER,
                    OWNER,
                    record.record_type,
                    record.name,
                    json.dumps(record.to_data()),
                    json.dumps(row),
                    int(row["id"]) + 1,
                )
                for row, record in page
            ],
        )


if __name__ == "__main__":
    with running() as address, own_database(environment(address)):
        status = main(address)
    sys.exit(status)
