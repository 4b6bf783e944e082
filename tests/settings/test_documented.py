"""docs/settings.md lists what the code reads from the environment: all of it, and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

SOURCES = ("hub", "integrations", "tenants", "manage.py")
NAME = re.compile(r"[A-Z][A-Z0-9_]+")


def names_read_in(source: Path) -> Iterator[str]:
    """Names given to a reader of the settings, to os.environ's methods, or in its brackets.

    Within hub/settings every function that is called with such a name reads it.
    """
    is_settings = source.parent.name == "settings"
    for node in ast.walk(ast.parse(source.read_text())):
        first: ast.expr | None = None
        if isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func)
            if is_settings or called.startswith("os.environ.") or called == "os.getenv":
                first = node.args[0]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            first = node.slice
        if isinstance(first, ast.Constant) and NAME.fullmatch(str(first.value)):
            yield str(first.value)


def names_read() -> set[str]:
    found: set[str] = set()
    for source in SOURCES:
        path = settings.BASE_DIR / source
        for file in [path] if path.is_file() else path.rglob("*.py"):
            found.update(names_read_in(file))
    return found


def names_documented() -> list[str]:
    text = (settings.BASE_DIR / "docs" / "settings.md").read_text()
    return re.findall(r"^\| `([A-Z0-9_]+)` \|", text, re.MULTILINE)


def test_every_variable_that_is_read_has_one_line_and_no_other_has():
    documented = names_documented()

    assert sorted(documented) == sorted(names_read())


def test_every_line_says_what_happens_without_and_what_it_is():
    text = (settings.BASE_DIR / "docs" / "settings.md").read_text()
    for line in re.findall(r"^\| `[A-Z0-9_]+` \|.*", text, re.MULTILINE):
        assert all(cell.strip() for cell in line.strip("|").split("|")), line
