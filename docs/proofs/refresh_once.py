"""Twenty processes need a token at the same moment, ROUNDS times over: one call a round, no reuse.

ROUNDS is 200 unless the environment says otherwise; `make refresh-long` takes 10,000.
"""

import os
import sys

from measured import measured

ROUNDS = os.environ.get("ROUNDS") or "200"


def main() -> int:
    found = measured("tests/refresh/test_refresh_once.py", ROUNDS=ROUNDS)
    said = ", ".join(f"{value} {name}" for name, value in found.items())
    print(f"20 processes: {said or 'nothing was shown'}")
    return 0 if found.get("rounds") == ROUNDS else 1


if __name__ == "__main__":
    sys.exit(main())
