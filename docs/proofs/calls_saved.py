"""10,000 rows of every provider, one in a hundred changed: how many calls the next sync makes.

`--write` puts the figures into docs/calls-saved.md.
"""

import sys
from pathlib import Path

from measured import measured

ROWS = "10000"
PAGE = Path(__file__).resolve().parent.parent / "calls-saved.md"
HEADER = f"""\
# Calls saved

Measured by `python docs/proofs/calls_saved.py --write` against the sandbox: accounts of about
{int(ROWS):,} rows, read in full; then one row in a hundred is changed and they are synced again.
A run shows its own figures as `calls` and `calls_saved`, measured against the last run of its
connection that read everything.

| provider | full read | incremental | allowed |
|---|---|---|---|
"""


def main() -> int:
    found = measured("tests/contracts/test_calls_saved.py", ROWS=ROWS)
    for slug, figures in found.items():
        print(f"{slug:12} {figures}")
    if found and "--write" in sys.argv:
        PAGE.write_text(HEADER + "".join(map(_row, found, found.values())))
    print(f"{len(found)} providers stay within the calls allowed")
    return 0 if found else 1


def _row(slug: str, figures: str) -> str:
    """ "…, 60 calls; then 105 changed, 9 calls of 18 allowed" as a line of the table."""
    whole, then = figures.split("; then ")
    changed, calls = then.split(" changed, ")
    made, allowed = calls.removesuffix(" allowed").split(" calls of ")
    return f"| {slug} | {whole} | {changed} changed: {made} calls | {allowed} |\n"


if __name__ == "__main__":
    sys.exit(main())
