"""Every connector stays within its lines, as `manage.py connectors --json` counts them."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent.parent
METHODS, MEDIAN, DECLARED = 50, 45, 60


def main() -> int:
    listed = subprocess.run(
        [sys.executable, "manage.py", "connectors", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = {each["slug"]: each["lines"] for each in json.loads(listed.stdout)}
    for slug, counted in lines.items():
        print(f"{slug:12} {counted['methods']:3} in methods, {counted['declared']:3} declared")
    most = max(counted["methods"] for counted in lines.values())
    declared = max(counted["declared"] for counted in lines.values())
    middle = median(counted["methods"] for counted in lines.values())
    print(
        f"{len(lines)} connectors: at most {most} lines in methods (median {middle:g}),"
        f" at most {declared} declared"
    )
    return 0 if most <= METHODS and middle <= MEDIAN and declared <= DECLARED else 1


if __name__ == "__main__":
    sys.exit(main())
