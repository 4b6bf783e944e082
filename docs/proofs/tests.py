"""The whole suite is green; none of its files patches anything of ours."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# No function of ours: how a name is looked up (the edge of the network), what belongs to a stand-in
# provider of the tests, a constant, and the clock.
OTHERS = r'socket, |(?:Acme|Shelf)Connector, |\w+, "(?:[A-Z_]+|monotonic)", '
PATCHES = re.compile(rf"monkeypatch\.setattr\((?!{OTHERS})|unittest\.mock|mock\.patch|mocker\.")


def main() -> int:
    patching = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if PATCHES.search(path.read_text())
    ]
    suite = subprocess.run(
        ["make", "test"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    print(suite.stdout[-2000:])
    last = (
        suite.stdout.strip().splitlines()[-1].strip("= ") if suite.stdout.strip() else "no output"
    )
    print(f"{last}; {len(patching)} test files patch functions {patching or ''}".strip())
    return 0 if suite.returncode == 0 and not patching else 1


if __name__ == "__main__":
    sys.exit(main())
