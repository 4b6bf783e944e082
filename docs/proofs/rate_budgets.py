"""Processes that share a provider's limit, and what sharing it costs."""

import sys

from measured import measured


def main() -> int:
    found = measured("tests/resilience/test_shared.py", "-k", "not redis")
    print(", ".join(f"{value} {name}" for name, value in found.items()) or "nothing was shown")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
