"""There is one door into a tenant. The source tree is read: nothing goes round it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "tenants" / "context.py"
# Making and migrating schemas works beside the door: there is no tenant yet, or every one.
PUBLIC_RESET = "set_schema_to_public"
SWITCHES = {
    "set_tenant",
    "set_schema",
    "schema_context",
    "tenant_context",
    "schema_rename",
    "activate",
}
TENANT_NAMES = {"tenant", "acme", "globex", "other_tenant"}


def sources() -> list[Path]:
    folders = [ROOT / name for name in ("hub", "integrations", "tenants", "tests")]
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def ways_round(tree: ast.AST) -> Iterator[str]:
    """A sentence per use of a switch that is not the door."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                inner = decorator.func if isinstance(decorator, ast.Call) else decorator
                if _name(inner) in ("schema_context", "tenant_context", "in_tenant"):
                    yield f"line {node.lineno}: {_name(inner)} as a decorator"
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if _name(item.context_expr).lower() in TENANT_NAMES:
                    yield f"line {node.lineno}: with {_name(item.context_expr)}:"
        if isinstance(node, ast.Call) and _name(node.func) in SWITCHES:
            if _name(node.func) == "activate" and not _is_of_a_tenant(node.func):
                continue  # translations and time zones are activated too
            yield f"line {node.lineno}: {_name(node.func)}()"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_of_a_tenant(function: ast.AST) -> bool:
    return isinstance(function, ast.Attribute) and _name(function.value).lower() in TENANT_NAMES


@pytest.mark.parametrize(
    "source",
    [
        "with tenant: pass",
        "with self.tenant: pass",
        "with acme as entered: pass",
        "connection.set_tenant(tenant)",
        "connection.set_schema('t_1')",
        "with schema_context('t_1'): pass",
        "@schema_context('t_1')\ndef work(): pass",
        "@tenant_context(tenant)\ndef work(): pass",
        "@in_tenant(tenant)\ndef work(): pass",
        "tenant.activate()",
    ],
)
def test_a_way_round_the_door_is_noticed(source):
    assert list(ways_round(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "with in_tenant(tenant): pass",
        "timezone.activate('UTC')",
        "connection.set_schema_to_public()",
    ],
)
def test_the_door_itself_and_what_has_other_meanings_are_left_alone(source):
    assert not list(ways_round(ast.parse(source)))


def test_nothing_in_the_source_tree_goes_round_the_door():
    found = [
        f"{path.relative_to(ROOT)} {way}"
        for path in sources()
        if path != DOOR
        for way in ways_round(ast.parse(path.read_text()))
    ]

    assert found == []


def test_only_setting_up_schemas_goes_back_to_public_by_hand():
    allowed = {"tenants/script.py", "tests/conftest.py", "tests/benchmarks/database.py"}

    found = {
        str(path.relative_to(ROOT))
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _name(node.func) == PUBLIC_RESET
    }

    assert found <= allowed
