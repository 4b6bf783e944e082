"""docs/faults.md names every fault, and only tests that exist."""

import ast
import re
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGE = ROOT / "docs" / "faults.md"
ROW = re.compile(r"^\| (F\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
FAULTS = [f"F{number}" for number in range(1, 42)]


def rows() -> dict[str, str]:
    """What shows each fault, as the page says it."""
    return {number: shown for number, _, shown in ROW.findall(PAGE.read_text())}


def said_in(file: Path) -> dict[str, str]:
    """The tests of a file with what their docstrings say; under '' what the file says of all."""
    tree = ast.parse(file.read_text())
    said = {
        node.name: ast.get_docstring(node) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    return {**said, "": ast.get_docstring(tree) or ""}


def test_every_fault_has_a_row_that_names_a_test_or_says_that_nothing_shows_it():
    found = rows()

    assert list(found) == FAULTS
    silent = [
        number
        for number, shown in found.items()
        if not NAMED.search(shown) and "not shown" not in shown
    ]
    assert silent == []


def test_every_test_that_is_named_exists():
    named = {pair for shown in rows().values() for pair in NAMED.findall(shown)}

    missing = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (ROOT / file).exists() or name not in said_in(ROOT / file)
    ]

    assert len(named) > 40
    assert missing == []


def test_a_test_of_the_harness_that_shows_a_fault_is_named_with_it():
    found = rows()
    unnamed = []
    for file in sorted((ROOT / "tests" / "harness").glob("test_*.py")):
        for name, said in said_in(file).items():
            for number in re.findall(r"\bF\d+\b", said):
                if f"{file.relative_to(ROOT)}::{name}" not in found[number]:
                    unnamed.append(f"{number}: {file.name}::{name}")

    assert unnamed == []
