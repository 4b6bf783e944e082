"""No provider is known by name outside its connector, its part of the sandbox, tests and docs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from integrations.connectors.registry import all_connectors, load

ROOT = Path(settings.BASE_DIR)
SOURCES = ("hub", "integrations", "tenants", "templates", "manage.py")
TEXTS = {".py", ".html", ".js", ".css", ".sql", ".txt", ".svg", ".json", ".toml", ".yaml", ".md"}
GATEWAY = "composio"

# Where a name may stand: its own files, and for their own product only what is named here.
ITS_OWN = ("integrations/connectors/{name}*.py", "integrations/sandbox/*")
PRODUCTS = {
    "airtable": ("integrations/destinations/airtable*.py",),
    # Domains of mailboxes that anybody can have: no company is known by them.
    "gmail": ("integrations/identity/names.py",),
    "outlook": ("integrations/identity/names.py",),
    "slack": ("integrations/notifications/*",),
    "teams": ("integrations/notifications/*",),
    GATEWAY: (
        f"**/{GATEWAY}.py",
        f"**/through_{GATEWAY}.py",
        # Its setting, its form and button, and where calls and accounts are handed to it.
        "hub/settings/base.py",
        "integrations/admin/connections.py",
        "integrations/admin/provider_apps.py",
        "integrations/api/urls.py",
        "integrations/management/commands/connect.py",
        "integrations/oauth/views.py",
        "integrations/services/connect_links.py",
        "integrations/services/revocation.py",
        "integrations/sync/credentials.py",
        "integrations/sync/gateway.py",
        "integrations/sync/guards.py",
        "integrations/sync/outside.py",
        "templates/admin/connections.html",
    ),
}
# Names in code that hold a provider's slug.
OF_A_PROVIDER = re.compile(r"(?:^|_)(?:provider|slug|source_system)$")


def names() -> list[str]:
    load()
    ours = "integrations.connectors."
    slugs = [c.provider.slug for c in all_connectors() if c.__module__.startswith(ours)]
    return sorted({*slugs, GATEWAY})


def files() -> Iterator[Path]:
    for source in SOURCES:
        at = ROOT / source
        yield from [at] if at.is_file() else (f for f in at.rglob("*") if f.suffix in TEXTS)


def allowed(name: str, path: Path) -> bool:
    patterns = [*ITS_OWN, *PRODUCTS.get(name, ())]
    return any(path.match(pattern.format(name=name)) for pattern in patterns)


def places(name: str, text: str) -> list[int]:
    """The lines on which it is a word, or a part of one that _ or a capital sets apart."""
    begins = "(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
    word = re.compile(rf"{begins}(?i:{name})(?![a-z])")
    return [number for number, line in enumerate(text.splitlines(), 1) if word.search(line)]


def decided_by_name(source: str) -> list[int]:
    """The lines that compare a provider with a literal: ==, !=, in, not in, match."""
    return sorted(
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.expr | ast.stmt)
        if _compares(node) or _matches(node)
    )


def _compares(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    return any(map(_is_provider, sides)) and any(map(_is_literal, sides))


def _matches(node: ast.AST) -> bool:
    return isinstance(node, ast.Match) and _is_provider(node.subject)


def _is_provider(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return isinstance(node.slice.value, str) and bool(OF_A_PROVIDER.search(node.slice.value))
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return bool(OF_A_PROVIDER.search(name))


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(_is_literal, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""


@pytest.mark.parametrize("name", names())
def test_a_provider_is_named_only_where_it_is_at_home(name):
    found = {
        f"{path.relative_to(ROOT)}:{number}"
        for path in files()
        if not allowed(name, path.relative_to(ROOT))
        for number in places(name, path.read_text(errors="replace"))
    }

    assert found == set()


def test_nothing_is_decided_by_the_name_of_a_provider():
    found = {
        f"{path.relative_to(ROOT)}:{number}"
        for path in files()
        if path.suffix == ".py" and "sandbox" not in path.parts
        for number in decided_by_name(path.read_text())
    }

    assert found == set()


@pytest.mark.parametrize(
    "planted",
    [
        'if provider == "acme": pass',
        'if "acme" != connection.provider: pass',
        'x = 1 if row["provider"] in ("acme", "umbra") else 2',
        'match connection.provider:\n    case "acme": pass',
        'while kind.slug not in {"acme"}: pass',
        'y = source_system == "acme:1"',
    ],
)
def test_a_planted_decision_is_found(planted):
    assert decided_by_name(planted) == [1]


@pytest.mark.parametrize(
    "harmless",
    ["if attempt.provider != provider: pass", 'if provider == "": pass', 'if name == "acme": pass'],
)
def test_comparing_two_providers_or_none_is_no_decision_by_name(harmless):
    assert decided_by_name(harmless) == []


def test_a_planted_name_is_found_however_it_is_written():
    text = (
        "ACME_URL = 1\n# as Acme does\nacmeist\nx.acme_id\nclass AcmeClient:\nbyAcmeToken\npacme\n"
    )

    assert places("acme", text) == [1, 2, 4, 5, 6]
    assert not allowed("airtable", Path("integrations/sync/follow.py"))
    assert allowed("airtable", Path("integrations/destinations/airtable_fields.py"))
    assert not allowed("slack", Path("integrations/destinations/airtable.py"))
