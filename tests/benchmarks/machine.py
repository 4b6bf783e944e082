"""What a figure was measured on, in one line; and how a table of figures is printed."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Processor, memory, load and versions: a figure says nothing without them."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {gib:.0f} GiB, {platform.system()}; "
        f"load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
        f"Django {version('django')}, psycopg {version('psycopg')}"
    )


def waited_for_a_core(*pids: int) -> float:
    """Seconds these processes stood ready but had no core, because others had them all.

    Subtracting it takes the other programs of a busy machine out of a figure. 0 where the kernel
    does not say.
    """
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
    return total / 1e9


def used_of_a_core(*pids: int) -> float:
    """Seconds these processes have computed, by the kernel's own measure; 0 where it has none."""
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        except (OSError, IndexError):
            return 0.0
    return total / 1e9


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    found = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(found, platform.machine())
