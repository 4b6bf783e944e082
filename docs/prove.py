"""Run the promises of docs/claims.md: all of them, or those named on the command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| ([a-z-]+) \| (.+) \| `(.+)` \|$", re.MULTILINE)


def main() -> int:
    """Return 0 if every promise that was asked for holds."""
    claims = {name: command for name, _, command in ROW.findall(_table())}
    wanted = sys.argv[1:] or list(claims)
    if unknown := [name for name in wanted if name not in claims]:
        print(f"error: no claim is called {', '.join(unknown)}; there are: {', '.join(claims)}.")
        return 2
    held = {name: _holds(name, claims[name]) for name in wanted}
    print()
    for name, (is_held, figure) in held.items():
        print(f"{'holds' if is_held else 'FAILS'}  {name}: {figure}")
    return 0 if all(is_held for is_held, _ in held.values()) else 1


def _table() -> str:
    return (ROOT / "docs" / "claims.md").read_text()


def _holds(name: str, command: str) -> tuple[bool, str]:
    """Run one command; whether it holds, and the last line it printed."""
    print(f"\n--- {name}: {command}", flush=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        command,
        shell=True,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    figure = "it printed nothing"
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        figure = line.strip() or figure
    return process.wait() == 0, figure


if __name__ == "__main__":
    sys.exit(main())
