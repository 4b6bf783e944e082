"""The sandbox as a process of its own: `python -m integrations.sandbox --port 0`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from pathlib import Path

from integrations.sandbox.server import Sandbox

PARENT_CHECK_SECONDS = 1.0


def main() -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent process."""
    parser = argparse.ArgumentParser(prog="python -m integrations.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same rows")
    parser.add_argument("--rows-scale", type=float, default=1.0, help="rows per account, factor")
    parser.add_argument("--base-time", type=int, help="epoch seconds; default today 00:00 UTC")
    parser.add_argument("--ready-file", type=Path, help="written as JSON once requests are served")
    options = parser.parse_args()

    parent, ended = os.getppid(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    sandbox = Sandbox(
        seed=options.seed,
        scale=options.rows_scale,
        host=options.host,
        port=options.port,
        base_time=options.base_time,
    )
    with sandbox:
        if options.ready_file:
            _write_ready_file(options.ready_file, sandbox)
        print(f"sandbox ready on {sandbox.url}", flush=True)
        while not ended.wait(PARENT_CHECK_SECONDS) and os.getppid() == parent:
            pass


def _write_ready_file(path: Path, sandbox: Sandbox) -> None:
    ready = {"url": sandbox.url, "pid": os.getpid(), "addresses": sandbox.addresses()}
    unfinished = path.with_suffix(f"{path.suffix}.{os.getpid()}")
    unfinished.write_text(json.dumps(ready))
    unfinished.replace(path)


if __name__ == "__main__":
    main()
