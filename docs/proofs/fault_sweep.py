"""Every crash point with every action; faults of provider, database, clocks and memory."""

import os
import subprocess
import sys

TESTS = [f"tests/harness/test_{name}.py" for name in ("overtaken", "provider_faults")]
TESTS += [f"tests/harness/test_database_{name}.py" for name in ("faults", "locks", "shortages")]
TESTS += ["tests/harness/test_database_errors.py", "tests/harness/test_sweep.py"]
TESTS += ["tests/destinations/test_sweep.py"]
TESTS += ["tests/harness/test_clocks.py", "tests/harness/test_memory.py"]


def said_by(*command: str) -> tuple[bool, str]:
    """Whether it succeeded, and the last line it printed."""
    done = subprocess.run(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, check=False
    )
    print(done.stdout[-3000:], flush=True)
    lines = done.stdout.strip().splitlines()
    return done.returncode == 0, lines[-1] if lines else "nothing was shown"


def main() -> int:
    os.environ["HUB_SWEEP"] = "all"  # also of the points at which a destination is written
    sweep, cases = said_by("-m", "tests.harness.sweep", "--seeds", "1")
    tests, passed = said_by("docs/proofs/passed.py", *TESTS)
    print(f"{cases}; faults of provider, database, clocks and memory: {passed}")
    return 0 if sweep and tests else 1


if __name__ == "__main__":
    sys.exit(main())
