"""The import contracts hold, and every connector stays within its lines."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent.parent
METHODS, DECLARED = 50, 60


def main() -> int:
    linter = Path(sys.executable).parent / "lint-imports"
    order = subprocess.run([str(linter)], cwd=ROOT, check=False).returncode
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
        f"import order {'kept' if order == 0 else 'BROKEN'}; {len(lines)} connectors,"
        f" at most {most} lines in methods (median {middle:g}), {declared} declared"
    )
    return 0 if order == 0 and most <= METHODS and declared <= DECLARED else 1


if __name__ == "__main__":
    sys.exit(main())
