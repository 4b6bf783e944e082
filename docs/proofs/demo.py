"""Run the demo twice on an empty data folder: everything arrives, then nothing is rewritten."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MANAGE = Path(__file__).resolve().parent.parent.parent / "manage.py"


def demo(folder: str) -> dict[str, object]:
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, str(MANAGE), "demo", "--check", "--port", "8700"],
        env={**environment, "HUB_DATA_DIR": folder},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(done.stdout)
    if done.returncode:
        sys.exit("the demo did not succeed")
    summary: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return summary


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="hub-proof-") as folder:
        Path(folder).chmod(0o755)
        first, second = demo(folder), demo(folder)
    holds = (
        first["connections"] == second["connections"] >= 6
        and first["runs"] == second["runs"] == {"succeeded": first["connections"], "failed": 0}
        and int(str(first["records"])) > 5_000
        and second["rewritten"] == 0
        and second["records"] == first["records"]
        # deletions that were known already are unchanged too, and no records
        and int(str(second["unchanged"])) >= int(str(second["records"]))
    )
    print(
        f"{first['connections']} connections, {first['records']} records in {first['seconds']} s;"
        f" the second time {second['rewritten']} rewritten, {second['unchanged']} unchanged"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
