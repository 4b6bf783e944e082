"""Connectors are found, checked and asked for by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from integrations.connectors import registry
from integrations.connectors.base import Connector, Declared
from integrations.connectors.lines import (
    MOST_DECLARED_LINES,
    MOST_METHOD_LINES,
    count_lines,
    count_source,
)
from integrations.errors import FatalError, UnknownProviderError
from integrations.records import NormalizedRecord, Option
from integrations.types import Checkpoint, Entity, EntityType, Identity, OAuth2, Provider

OUTSIDE = '''"""A connector from outside the source tree."""

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.records import Option
from integrations.types import EntityType, Identity, OAuth2, Provider


@register
class OutsideConnector(Declared, Connector):
    provider = Provider(
        slug="outside_acme",
        label="Outside",
        base_url="https://api.acme.example",
        auth=(OAuth2(),),
        identity=Identity("/me", "id", "name"),
    )
    entity_types = (EntityType("things", becomes=Option),)

    def fetch_entities(self, entity_type, since):
        return iter(())

    def transform(self, raw):
        return Option(name=raw.data["name"])
'''


@pytest.fixture(autouse=True)
def as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is forgotten after it."""
    registry.load()
    before = dict(registry._registered)
    monkeypatch.syspath_prepend(tmp_path)
    modules = set(sys.modules)
    yield
    registry._registered.clear()
    registry._registered.update(before)
    for name in set(sys.modules) - modules:
        if name.startswith(("outside_", "acme_")):
            del sys.modules[name]


def made(**changed: Any) -> type[Connector]:
    """An unregistered connector with some declared fact changed."""
    declared: dict[str, Any] = {
        "slug": "acme",
        "label": "Acme",
        "base_url": "https://api.acme.example",
        "auth": (OAuth2(),),
        "identity": Identity("/me", "id", "name"),
    }
    types = changed.pop("entity_types", (EntityType("things", becomes=Option),))

    class Acme(Declared, Connector):
        provider: ClassVar[Provider] = Provider(**{**declared, **changed})
        entity_types = types

        def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
            return iter(())

        def transform(self, raw: Entity) -> NormalizedRecord:
            return Option(name="x")

    return Acme


def test_the_connectors_of_the_package_are_found_without_a_list() -> None:
    slugs = [connector.provider.slug for connector in registry.all_connectors()]

    assert {"copper", "quickbooks", "slack"} <= set(slugs)
    assert slugs == sorted(slugs)
    assert registry.get_connector("copper").provider.label == "Copper"


def test_an_unknown_provider_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownProviderError, match=r"'nosuch'.*copper, .*quickbooks, .*slack"):
        registry.get_connector("nosuch")


def test_a_named_module_registers_like_a_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "outside_one.py").write_text(OUTSIDE)

    registry.load(["", " outside_one "])

    assert registry.get_connector("outside_acme").provider.label == "Outside"


def test_an_installed_distribution_registers_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "outside_two.py").write_text(OUTSIDE)
    info = tmp_path / "acme_connector-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-connector\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hub.connectors]\nacme = outside_two:Outside\n")

    registry.load()

    assert registry.get_connector("outside_acme")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_module_that_does_not_import_is_named_with_the_cause_in_one_sentence(
    tmp_path: Path, source: str, cause: str
) -> None:
    (tmp_path / "outside_bad.py").write_text(source)

    with pytest.raises(FatalError, match=f"outside_bad does not import: {cause}") as raised:
        registry.load(["outside_bad"])

    assert "\n" not in str(raised.value)


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(FatalError, match="outside_missing"):
        registry.load(["outside_missing"])


def test_registering_twice_is_harmless_but_two_of_a_name_are_refused() -> None:
    first = made()
    registry.register(first)
    registry.register(first)

    class Second(first):  # type: ignore[misc, valid-type]
        pass

    with pytest.raises(FatalError, match="acme"):
        registry.register(Second)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"slug": "Acme CRM"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"label": ""}, "label"),
        ({"base_url": "http://api.acme.example"}, "https"),
        ({"auth": ()}, "auth"),
        ({"auth": OAuth2()}, "auth"),
        ({"entity_types": ()}, "must be declared"),
        ({"entity_types": (EntityType("Things", becomes=Option),)}, "'Things'"),
        (
            {"entity_types": (EntityType("a1", becomes=Option), EntityType("a1", becomes=Option))},
            "twice",
        ),
        ({"entity_types": (EntityType("a1", Option, after=("b1",)),)}, "a1 names b1"),
        ({"entity_types": (EntityType("a1", Option, parent="b1"),)}, "a1 names b1"),
        ({"entity_types": (EntityType("a1", Option, inside="b1"),)}, "a1 names b1"),
        ({"entity_types": (EntityType("a1", Option, after=("a1",)),)}, "a1 after a1"),
        (
            {
                "entity_types": (
                    EntityType("a1", Option, after=("b1",)),
                    EntityType("b1", Option, parent="c1"),
                    EntityType("c1", Option, after=("a1",)),
                )
            },
            "a1 after b1 after c1 after a1 is a circle",
        ),
        ({"entity_types": (EntityType("a1", becomes=NormalizedRecord),)}, "record type"),
    ],
)
def test_what_a_connector_declares_is_checked_when_it_registers(
    changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(FatalError, match=said):
        registry.register(made(**changed))


def test_a_method_that_is_not_written_is_named() -> None:
    class Half(Declared, Connector):
        provider = made().provider
        entity_types = (EntityType("things", becomes=Option),)

    with pytest.raises(FatalError, match="fetch_entities, transform is not written"):
        registry.register(Half)


# Lines.


@pytest.mark.parametrize("slug", ["copper", "quickbooks", "slack"])
def test_a_connector_stays_within_its_lines(slug: str) -> None:
    lines = count_lines(registry.get_connector(slug))

    assert 0 < lines.methods <= MOST_METHOD_LINES
    assert 0 < lines.declared <= MOST_DECLARED_LINES


def test_lines_count_code_and_nothing_else() -> None:
    source = '''"""Module docstring
over two lines."""

import os
from typing import (
    Any,
)

SIZE = 5
"""What the constant means."""
TABLE = {
    "a": "b",  # a comment
}


# A comment.
@decorated
class Acme:
    """Docstring."""

    label = "x"

    @cached
    def method(self) -> Any:
        """Docstring."""
        # A comment.

        def inner() -> str:
            return """two
lines"""

        return inner()


def helper() -> str:
    import sys

    return os.sep
'''

    lines = count_source(source)

    assert lines.methods == 6 + 2
    assert lines.declared == 1 + 3 + 2 + 1
