"""Every crash point with every action, each by itself, with many seeds.

    python -m tests.harness.sweep --seeds 20 --seed 1

A seed decides how many rows there are, at which passing of the point the fault comes, whether
slices are long or end at the first position, and what changes at the provider meanwhile.
"""

import argparse
import sys
from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster


def main() -> int:
    """Return 0 if nothing was wrong in any case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    from tests.harness.cluster import Cluster

    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster())
        cluster.set_up_hub()
        return _sweep(stack, cluster, range(options.seed, options.seed + options.seeds))


def _sweep(stack: ExitStack, cluster: "Cluster", seeds: range) -> int:
    from integrations import crash
    from tests.harness.chain import LONGEST_SECONDS, SHORTEST_SECONDS, SWEPT, Chain
    from tests.harness.estate import prepared
    from tests.harness.hub import Hub
    from tests.harness.simulator import Simulator

    simulator = stack.enter_context(Simulator())
    prepared(stack)
    hub = Hub(cluster.url, simulator.url, cluster.home / "hub.log")
    stack.callback(hub.close)
    cases = wrong = 0
    for seed in seeds:
        for point in SWEPT:
            for action in crash.ACTIONS:
                rng = Random(f"{seed} {point} {action}")
                account = simulator.account(
                    f"s{cases}", companies=rng.randrange(1, 40), people=rng.randrange(30)
                )
                account.grant.grace = 3600
                chain = Chain(hub, account, hub.connect(account.name), rng)
                chain.slice_seconds = rng.choice((LONGEST_SECONDS, SHORTEST_SECONDS))
                chain.meet(point, action, nth=rng.choice(chain.turns(point)))
                cases += 1
                if found := chain.rest():
                    wrong += 1
                    print(f"WRONG seed {seed}, {point}, {action}: {found}")
                simulator.forget()
        print(f"seed {seed}: {cases} cases so far, {wrong} wrong", flush=True)
    print(
        f"{cases} cases over {len(SWEPT)} points and seeds {seeds[0]} to {seeds[-1]}: {wrong} wrong"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
