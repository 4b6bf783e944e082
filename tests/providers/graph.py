"""Microsoft's own description of Graph's types.

It holds names, types and which lists have a delta function; it holds no paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from integrations.types import Entity
from tests.providers.conftest import Reader
from tests.providers.official import SPECS, unpacked

TYPES = SPECS / "msgraph_v1_types_subset.json.gz"
PLAIN: dict[str, type | tuple[type, ...]] = {
    "Edm.String": str,
    "Edm.Boolean": bool,
    "Edm.Int32": int,
    "Edm.DateTimeOffset": str,
    "Edm.Double": (int, float),
}


def graph() -> Any:
    return unpacked(TYPES)


@cache
def properties(name: str) -> dict[str, str]:
    """Type by name of property, those of what it is based on and its related lists included."""
    declared = graph()["types"][name]
    above = properties(declared["base"]) if declared.get("base") in graph()["types"] else {}
    own = {key: one["type"] for key, one in declared.get("properties", {}).items()}
    return {**above, **own, **declared.get("navigation", {})}


def problems(value: Any, kind: str) -> list[str]:
    """What is no property of its type, or has another value than its type allows."""
    if value is None:
        return []
    if kind.startswith("Collection("):
        return [said for one in value for said in problems(one, kind[11:-1])]
    if kind in PLAIN:
        return [] if isinstance(value, PLAIN[kind]) else [f"{value!r} is no {kind}"]
    declared = graph()["types"].get(kind)
    if declared is None:
        return [f"{kind} is not described"]
    if declared["kind"] == "EnumType":
        return [] if value in declared["members"] else [f"{value!r} is no {kind}"]
    told = value.get("@odata.type", "").removeprefix("#microsoft.graph.")
    known = properties(told if told in graph()["types"] else kind)
    named = {name: one for name, one in value.items() if "@" not in name}
    unknown = [f"{kind} has no {name}" for name in named if name not in known]
    below = [
        said for name, one in named.items() if name in known for said in problems(one, known[name])
    ]
    return unknown + below


def assert_only_described_fields_matter(reader: Reader, kinds: Mapping[str, str]) -> None:
    """With only the fields Graph names, the records are the same; `kinds` by entity type."""
    connector = reader.connector(None)
    for name, kind in kinds.items():
        known = properties(kind)
        for entity in list(reader.known(name))[:40]:
            named = {key: value for key, value in entity.data.items() if key in known}
            stripped = Entity(name, entity.source_id, named, entity.scope)
            assert connector.transform(stripped) == connector.transform(entity)
