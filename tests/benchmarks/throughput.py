"""Records a second into PostgreSQL: a first sync, and the same again when nothing has changed.

The hub (fetch, validate, map, hash, compare, write with its checkpoint) against what one would
write by hand, page by page, into the same table: Django's `bulk_create` that updates on conflict,
and `executemany` of one INSERT … ON CONFLICT. All in one run, in turn. Beside the records a second
stand the seconds that the program and its database process computed for 100,000 records: on a
machine that others use too, only those can be compared.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

from tests.benchmarks.database import own_database, server
from tests.benchmarks.machine import table, used_of_a_core
from tests.benchmarks.provider import environment, running

ROWS = int(os.environ.get("ROWS", "50000"))
REPEATS = int(os.environ.get("REPEATS", "3"))
OWNER = uuid4()
HUB, ORM, SQL = "the hub", "bulk_create", "executemany"
TIMES_FIRST, TIMES_AGAIN = 2.0, 3.0  # computes so many times less than bulk_create, at least

Took = tuple[float, float, float]
"""Seconds by the clock, of the program's computing, and of its database process's."""

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
    from hub.fleet.garbage import collect_seldom
    from tests.benchmarks.estate import connect, new_tenant

    collect_seldom()  # as a worker's process does; it serves the others as well
    took: dict[tuple[str, bool], list[Took]] = defaultdict(list)
    for number in range(REPEATS):
        tenant = new_tenant(f"through-{number}")
        connection = connect(tenant, f"rows-{ROWS}")
        for is_again in (False, True):
            took[HUB, is_again].append(_measured(_hub, tenant, connection))
        for name, save in ((ORM, _bulk_create), (SQL, _executemany)):
            by_hand = new_tenant(f"{name.replace('_', '-')}-{number}")
            for is_again in (False, True):
                took[name, is_again].append(_measured(_by_hand, by_hand, provider, save))
    middle = {key: [median(part) for part in zip(*all_, strict=True)] for key, all_ in took.items()}
    lines = [
        [what, *(_cell(middle[name, is_again]) for name in (HUB, ORM, SQL))]
        for what, is_again in (("first sync", False), ("again, nothing changed", True))
    ]
    print(server())
    print(table([f"{ROWS:,} records: records/s; CPU s per 100,000", HUB, ORM, SQL], lines))
    first, again = (
        sum(middle[ORM, is_again][1:]) / sum(middle[HUB, is_again][1:])
        for is_again in (False, True)
    )
    print(
        f"{ORM} computes {first:.1f} times as long as the hub at first and {again:.1f} times when"
        f" nothing has changed (at least {TIMES_FIRST:.0f} and {TIMES_AGAIN:.0f})"
    )
    return 0 if first >= TIMES_FIRST and again >= TIMES_AGAIN else 1


def _measured(work: Callable[..., None], *given: Any) -> Took:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    begun = perf_counter(), process_time(), used_of_a_core(pid)
    work(*given)
    return perf_counter() - begun[0], process_time() - begun[1], used_of_a_core(pid) - begun[2]


def _cell(took: list[float]) -> str:
    seconds, program, database = took
    share = 100_000 / ROWS
    return f"{ROWS / seconds:,.0f}/s; {program * share:.1f} + {database * share:.1f}"


def _hub(tenant: Any, connection: Any) -> None:
    """One whole run, slice after slice, as a worker's process does it."""
    from hub.fleet.claims import claim_one
    from hub.fleet.models import Due
    from integrations.sync.engine import work_slice
    from integrations.sync.lease import LeaseWatch
    from tenants.context import in_tenant

    due = Due.objects.filter(object_id=connection.pk, kind="sync").earliest("due_at")
    while True:
        claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=300)
        assert claim is not None
        with in_tenant(tenant):
            result = work_slice(claim.due_id, claim.fence, seconds=45, watch=LeaseWatch())
        if not result.wants_more:
            break
    assert result.state == "succeeded", result.sentence


def _by_hand(tenant: Any, provider: str, save: Callable[[list[Any]], None]) -> None:
    """The loop that one would write: a page, its records, save them, next page."""
    import requests

    from integrations.types import Entity
    from tenants.context import in_tenant
    from tests.benchmarks.connectors import BenchmarkConnector

    transform = BenchmarkConnector().transform
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
