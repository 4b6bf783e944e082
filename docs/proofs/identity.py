"""10,000 persons are compared in seconds; what people decide about them stays decided."""

import sys

from measured import measured

PEOPLE = "10000"


def main() -> int:
    found = measured("tests/identity", HUB_PEOPLE=PEOPLE)
    said = ", ".join(f"{value} {name}" for name, value in found.items())
    print(said or "nothing was shown")
    return 0 if found.get("persons compared") == PEOPLE else 1


if __name__ == "__main__":
    sys.exit(main())
