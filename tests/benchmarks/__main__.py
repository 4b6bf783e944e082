"""Run benchmarks by name, or all of them: `python -m tests.benchmarks [name …]`.

Each prints a table and, last, one line with its figures. Exit 0 only if every bar was met.
"""

import subprocess
import sys

from tests.benchmarks.machine import machine

NAMES = ("flat-scheduler", "throughput", "flat-memory", "fair-share", "storm", "shared-limits")


def main() -> int:
    """Run each in a process of its own, so that none meets what another left in memory."""
    wanted = sys.argv[1:] or NAMES
    if unknown := [name for name in wanted if name not in NAMES]:
        print(f"error: no benchmark is called {', '.join(unknown)}; use {', '.join(NAMES)}.")
        return 2
    print(machine(), flush=True)
    failed = [name for name in wanted if _run(name)]
    if failed and len(wanted) > 1:
        print(f"missed: {', '.join(failed)}")
    return 1 if failed else 0


def _run(name: str) -> int:
    print(f"\n--- {name}", flush=True)
    return subprocess.call([sys.executable, "-m", f"tests.benchmarks.{name.replace('-', '_')}"])


if __name__ == "__main__":
    sys.exit(main())
