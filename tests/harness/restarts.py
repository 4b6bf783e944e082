"""The database server is stopped at once and started again, at every point of a sync.

    python -m tests.harness.restarts --copy <address> --points after_commit,before_release

Without --copy on an empty server, without --points at all points. A process stands still at the
point, the server goes down and comes back, the process goes on.
"""

import argparse
import sys
from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster


def main() -> int:
    """Return 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copy", default="")
    parser.add_argument("--points", default="")
    parser.add_argument("--seed", type=int, default=10)
    options = parser.parse_args()
    from tests.harness.cluster import Cluster

    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster())
        if options.copy:
            cluster.fill(options.copy)
        cluster.set_up_hub()
        points = tuple(filter(None, options.points.split(",")))
        return _restart(stack, cluster, points, Random(options.seed), is_empty=not options.copy)


def _restart(
    stack: ExitStack, cluster: "Cluster", points: tuple[str, ...], rng: Random, *, is_empty: bool
) -> int:
    from django.db import connection as database

    from tests.harness.chain import SWEPT, Chain
    from tests.harness.estate import prepared
    from tests.harness.hub import Hub, due_of
    from tests.harness.simulator import Simulator

    simulator = stack.enter_context(Simulator())
    prepared(stack, is_empty=is_empty)
    hub = Hub(cluster.url, simulator.url, cluster.home / "hub.log")
    stack.callback(hub.close)
    account = simulator.account("a1")
    account.grant.grace = 3600
    chain = Chain(hub, account, hub.connect("a1"), rng)
    for point in points or SWEPT:
        chain.make_ready(point)
        due = due_of(chain.connection)[0]
        frozen = hub.order(do="work", due=str(due.pk), crash=f"{point}:1:STOP")
        stopped = hub.answer(frozen).get("stopped", False)
        cluster.stop()
        cluster.start()
        database.close()
        if stopped:
            hub.ask(do="wake", order=frozen)
            hub.answer(frozen)
        else:
            print(f"no slice came to {point}")
        chain.note(f"restart at {point}")
        account.change(rng, 3)
    wrong = chain.rest()
    print(f"{len(points or SWEPT)} restarts of the database: {wrong or 'nothing wrong'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
