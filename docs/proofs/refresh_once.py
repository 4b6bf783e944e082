"""Twenty processes need a token at the same moment, ROUNDS times over: one call a round, no reuse.

ROUNDS is 200 unless the environment says otherwise; `make refresh-long` takes 10,000.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent.parent
TEST = "tests/refresh/test_refresh_once.py"
ROUNDS = os.environ.get("ROUNDS") or "200"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="hub-proof-") as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", TEST],
            cwd=ROOT,
            env={**os.environ, "ROUNDS": ROUNDS},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        print(done.stdout[-3000:])
        found = ElementTree.parse(report).iter("property") if report.exists() else []
        said = [f"{each.get('value')} {each.get('name')}" for each in found]
    holds = done.returncode == 0 and f"{ROUNDS} rounds" in said
    print(f"20 processes: {', '.join(said) or 'nothing was measured'}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
