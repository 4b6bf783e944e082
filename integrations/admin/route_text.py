"""A route's mapping and filter as people type them, one entry on each line, and back.

    City = address.city                 status is won
    Write to = emails.0 as email        amount at_least 1000
    Origin = "CRM"                      status one_of ["open", "won"]

Values are JSON; in a filter a bare word or phrase is a text.
"""

import json
from typing import Any

from integrations.destinations.conditions import OPS
from integrations.errors import InvalidInputError

WITHOUT_VALUE = ("empty", "not_empty")


def mapping_text(mapping: list[dict[str, Any]]) -> str:
    return "\n".join(_column_line(entry) for entry in mapping)


def mapping_from(text: str) -> list[dict[str, Any]]:
    """The entries of a mapping.

    Raises:
        InvalidInputError: a line is none; the sentence names it.
    """
    return [_column(number, line) for number, line in _lines(text)]


def filter_text(conditions: list[dict[str, Any]]) -> str:
    return "\n".join(_condition_line(condition) for condition in conditions)


def filter_from(text: str) -> list[dict[str, Any]]:
    """The conditions of a filter.

    Raises:
        InvalidInputError: a line is none; the sentence names it.
    """
    return [_condition(number, line) for number, line in _lines(text)]


def _lines(text: str) -> list[tuple[int, str]]:
    numbered = enumerate((line.strip() for line in text.splitlines()), 1)
    return [(number, line) for number, line in numbered if line]


def _column(number: int, line: str) -> dict[str, Any]:
    name, equals, source = (part.strip() for part in line.rpartition(" = "))
    if not equals or not name or not source:
        raise _wrong("mapping", f"Line {number} should read: Column = field.")
    if source[0] in '"-0123456789' or source in ("true", "false"):
        try:
            return {"column": name, "value": json.loads(source)}
        except json.JSONDecodeError:
            raise _wrong(
                "mapping", f'Line {number}: {source} is no value; write it as "text", 12.5 or true.'
            ) from None
    source, _, kind = (part.strip() for part in source.partition(" as "))
    return {"column": name, "from": source, **({"as": kind} if kind else {})}


def _column_line(entry: dict[str, Any]) -> str:
    if "value" in entry:
        return f"{entry['column']} = {json.dumps(entry['value'], ensure_ascii=False)}"
    kind = f" as {entry['as']}" if entry.get("as") else ""
    return f"{entry['column']} = {entry['from']}{kind}"


def _condition(number: int, line: str) -> dict[str, Any]:
    field, _, rest = line.partition(" ")
    op, _, value = rest.strip().partition(" ")
    if op not in OPS:
        known = ", ".join(OPS)
        raise _wrong("filter", f"Line {number} should read: field, one of {known}, value.")
    condition: dict[str, Any] = {"field": field, "op": op}
    if op not in WITHOUT_VALUE or value.strip():
        condition["value"] = _value(value.strip())
    return condition


def _condition_line(condition: dict[str, Any]) -> str:
    op = condition.get("op", "is")
    if op in WITHOUT_VALUE:
        return f"{condition['field']} {op}"
    value = condition.get("value")
    is_plain = isinstance(value, str) and _value(value) == value
    text = value if is_plain else json.dumps(value, ensure_ascii=False)
    return f"{condition['field']} {op} {text}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _wrong(field: str, sentence: str) -> InvalidInputError:
    return InvalidInputError(sentence, {field: [sentence]})
