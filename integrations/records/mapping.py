"""Fields by table, for entity types whose fields map one to one."""

from collections.abc import Mapping
from typing import Any

from integrations.records.base import NormalizedRecord, shape_of
from integrations.records.values import day, dig_all, found, money, ref, utc

Table = Mapping[str, str]
"""Field to dotted path: {"amount": "monetary_value"}; of references with the entity type in
front: {"company": "companies:company_id"}."""


def mapped(
    record_type: type[NormalizedRecord], item: Any, table: Table, exponent: int | None = None
) -> dict[str, Any]:
    """Arguments for `record_type`, each read as its field's kind demands.

    A field whose path leads nowhere (or to '') is left to its default; a required one is None,
    which `validate` refuses. Of several values on the way through a list, the first counts unless
    the field holds many. With `exponent`, decimals count minor units, as in `money`.
    """
    kinds = {shape.name: shape.kind for shape in shape_of(record_type)}
    made = {}
    for name, path in table.items():
        found_at = dig_all(item, path.rpartition(":")[2])
        values = [value for value in found_at if value is not None and value != ""]
        if values or name in record_type.required:
            made[name] = _read(kinds[name], path, values, exponent)
    return made


def _read(kind: str, path: str, values: list[Any], exponent: int | None) -> Any:
    first = values[0] if values else None
    match kind:
        case "texts":
            return found(*values)
        case "refs":
            several = [ref(path.partition(":")[0], value) for value in values]
            return tuple(dict.fromkeys(one for one in several if one is not None))
        case "ref":
            return ref(path.partition(":")[0], first)
        case "decimal":
            return money(first, exponent)
        case "time":
            return utc(first)
        case "day":
            return day(first)
    return first
