"""The hub's own connectors, and what each one's tests say about the contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

from integrations.connectors import registry
from integrations.sandbox.part import Setting
from integrations.sandbox.world import World

registry.load()
OURS = [
    connector
    for connector in registry.all_connectors()
    if connector.__module__.startswith("integrations.connectors.")
]
WITH_PART = set(World(Setting()).parts)


@dataclass(frozen=True)
class Own:
    """SKIPS and TABLES of tests/providers/<slug>/contract.py."""

    skips: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)


def own(slug: str) -> Own:
    package = f"tests.providers.{slug}"
    if find_spec(package) is None or find_spec(f"{package}.contract") is None:
        return Own()
    said = import_module(f"{package}.contract")
    return Own(getattr(said, "SKIPS", {}), getattr(said, "TABLES", {}))
