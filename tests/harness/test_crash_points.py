"""Every point at which a process may be ended is listed, and what is listed exists."""

import ast
import re
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from integrations import crash
from integrations.services.disconnect import STEPS

PASSES = ("hit", "at")  # crash.hit itself, and where it is handed in under that name
LISTED = [point for points in crash.POINTS.values() for point in points]


@cache
def passed_in_the_source() -> frozenset[str]:
    """Every point by name; f"before_{step}" is one for each step of a disconnect."""
    found: set[str] = set()
    for folder in ("hub", "integrations", "tenants"):
        for path in sorted((Path(settings.BASE_DIR) / folder).rglob("*.py")):
            source = path.read_text()
            if "crash.hit(" not in source and not re.search(r"\bat\(", source):
                continue
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and _name(node.func) in PASSES and node.args:
                    found |= _points(node.args[0])
    return frozenset(found)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id == "crash" else ""
    return function.id if isinstance(function, ast.Name) else ""


def _points(argument: ast.expr) -> set[str]:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return {argument.value}
    if not isinstance(argument, ast.JoinedStr):
        return set()
    fixed = [part.value if isinstance(part, ast.Constant) else None for part in argument.values]
    return {"".join(step if part is None else str(part) for part in fixed) for step in STEPS}


def test_every_point_in_the_source_is_listed():
    passed = passed_in_the_source()

    assert len(passed) > 20
    assert sorted(passed - set(LISTED)) == []


def test_every_listed_point_is_in_the_source_once_by_name():
    assert sorted(set(LISTED) - passed_in_the_source()) == []
    assert len(LISTED) == len(set(LISTED))


def ended(order: str, then: str = "print('went on')") -> tuple[int, str]:
    """Exit code and output of a process that passes after_commit twice under this order."""
    program = (
        "from integrations import crash\n"
        "crash.HANG_SECONDS = 0.05\n"
        "crash.hit('before_commit')\n"
        "crash.hit('after_commit')\n"
        "print('once')\n"
        "crash.hit('after_commit')\n"
        f"{then}\n"
    )
    done = subprocess.run(
        [sys.executable, "-u", "-c", program],
        cwd=settings.BASE_DIR,
        env={"HUB_CRASH": order},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("order", "code", "said"),
    [
        ("", 0, "once\nwent on\n"),
        ("after_commit", -signal.SIGKILL, ""),
        ("after_commit:2", -signal.SIGKILL, "once\n"),
        ("after_commit:2:KILL", -signal.SIGKILL, "once\n"),
        ("after_commit:2:HANG", 0, "once\nwent on\n"),
        ("after_commit:3:KILL", 0, "once\nwent on\n"),
    ],
)
def test_an_order_is_obeyed_at_its_point_and_turn(order, code, said):
    assert ended(order) == (code, said)


def test_a_broken_process_meets_an_error_nobody_has_classed():
    code, said = ended("after_commit:2:RAISE")

    assert code == 1
    assert said.startswith("once\n")
    assert "CrashError" in said


@pytest.mark.parametrize("order", ["nowhere:1:KILL", "after_commit:1:EXPLODE", "after_commit:x"])
def test_an_order_that_means_nothing_is_refused_at_the_start(order):
    code, said = ended(order)

    assert code == 1
    assert "ValueError" in said
