"""Writers that commit out of order, and a reader that follows the feed meanwhile.

    python -m tests.changes.race acme
    {"ordered": {"changes": 960, "records": 960, "missed": 0}, "unordered": {…, "missed": 40}}

The second time without the lock that orders commits: a process of its own, so that the rule can be
taken out of it. Each writer keeps its transaction open for a while after it has its change numbers,
some longer than others. `missed` are records of which the reader, having read to the end, holds an
older state or none. A reader that gets no turn while the writers write misses nothing either, so
that without the lock the race is run until something is missed, a few times at most.
"""

import json
import random
import sys
import threading
import time

import django

django.setup()

from django.db import connection as database  # noqa: E402
from django.db import transaction  # noqa: E402

from integrations.destinations import postgres  # noqa: E402
from integrations.destinations.postgres import PostgresDestination  # noqa: E402
from integrations.models import Record  # noqa: E402
from integrations.sync.feed import read_feed  # noqa: E402
from tenants.context import get_tenant, in_tenant  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from tests.engine.test_change_order import a_lease, batch_of  # noqa: E402
from tests.harness.apps import replace  # noqa: E402

WRITERS, BATCHES, ROWS, PAGE = 4, 12, 20, 200
RACES = 10


def write(tenant: Tenant, number: int) -> None:
    """Store a batch of records after the other, each a change that nothing later repeats."""
    pauses = random.Random(number)
    with in_tenant(tenant):
        lease = a_lease(tenant)
        for turn in range(BATCHES):
            batch = batch_of(f"s{number}", lease, range(turn * ROWS, turn * ROWS + ROWS))
            batch.positions = {}
            with transaction.atomic():
                PostgresDestination().write(batch)
                time.sleep(pauses.uniform(0, 0.04))
    database.close()


def follow(writers: list[threading.Thread]) -> tuple[int, dict[int, int]]:
    """Read until the writers are done and nothing is left; changes read, and the last of each."""
    place, changes, held = None, 0, {}
    while True:
        are_done = not any(writer.is_alive() for writer in writers)
        page = read_feed(Record.objects.all(), place, limit=PAGE)
        place = page.place
        changes += len(page.changes)
        held |= {change.record_id: change.seq for change in page.changes}
        if are_done and not page.has_more:
            return changes, held


def race(tenant: Tenant) -> dict[str, int]:
    writers = [threading.Thread(target=write, args=(tenant, n)) for n in range(WRITERS)]
    with in_tenant(tenant):
        Record.objects.all().delete()
        for writer in writers:
            writer.start()
        changes, held = follow(writers)
        stored = dict(Record.objects.values_list("pk", "change_seq"))
    missed = sum(held.get(pk) != seq for pk, seq in stored.items())
    return {"changes": changes, "records": len(stored), "missed": missed}


if __name__ == "__main__":
    found = {"ordered": race(get_tenant(sys.argv[1]))}
    replace(postgres, order_changes=lambda: None)
    for _ in range(RACES):
        found["unordered"] = race(get_tenant(sys.argv[1]))
        if found["unordered"]["missed"]:
            break
    print(json.dumps(found))
