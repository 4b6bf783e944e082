"""From an answer to entities: where the rows are, what their ids are, which are deletions."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson

from integrations.http.answer import Answer
from integrations.records import dig, dig_all, utc
from integrations.types import Entity, EntityType, Payload, Unreadable, unreadable_id

_TEMPLATE = re.compile(r"\{(\w+)\}")


def rows_in(body: Any, items: str) -> list[Any]:
    """The rows at the dotted path `items`, through arrays on the way; [] where the way ends."""
    return [row for row in dig_all(body, items) if row is not None]


def has_place_for(body: Any, items: str) -> bool:
    """True where rows could be: the first step of `items` is there, or the body is the list."""
    if not items:
        return isinstance(body, list)
    return isinstance(body, dict) and items.split(".")[0] in body


def told_entity(row: tuple[str, Payload, bool], entity_type: EntityType, scope: str) -> Entity:
    """From what a connector's own `rows` said: (source_id, payload, is deleted)."""
    source_id, payload, is_deleted = row
    if is_deleted:
        return Entity.gone(entity_type.name, source_id, scope)
    changed_at = None
    if isinstance(payload, dict):
        changed_at = _changed_at(payload, entity_type.changed_at)
    return Entity(entity_type.name, source_id, payload, scope, changed_at)


def entity_of(
    row: Any, entity_type: EntityType, key: str, scope: str, gone: tuple[str, Any] | None
) -> Entity:
    """One row as entity. What is no object or has no id becomes Unreadable with that reason."""
    if isinstance(row, Unreadable):
        source_id = guessed_id(row.raw, key, scope) or unreadable_id(row.raw)
        return Entity(entity_type.name, source_id, row, scope)
    source_id = id_of(row, key, scope) if isinstance(row, dict) else ""
    if not source_id:
        raw = orjson.dumps(row, default=repr)
        reason = f"has no id at {key}" if isinstance(row, dict) else "is not an object"
        return Entity(entity_type.name, unreadable_id(raw), Unreadable(raw, reason), scope)
    changed_at = _changed_at(row, entity_type.changed_at)
    if gone is not None and _is_marked(row, *gone):
        return Entity.gone(entity_type.name, source_id, scope, changed_at)
    return Entity(entity_type.name, source_id, row, scope, changed_at)


def _is_marked(row: Payload, path: str, value: Any) -> bool:
    told = dig(row, path)
    return bool(told is not None and value in (None, told))


def id_of(row: Payload, key: str, scope: str) -> str:
    """The id under a dotted path, or by a template such as "{scope}:{ts}"; '' without one."""
    if "{" not in key:
        return _text(dig(row, key))
    parts = {name: scope if name == "scope" else _text(row.get(name)) for name in _names(key)}
    return key.format(**parts) if all(parts.values()) else ""


def guessed_id(raw: bytes, key: str, scope: str) -> str:
    """The id of a row nobody can read, from its bytes; '' if there is none to be found."""
    parts = {}
    for name in _names(key) or [key.rpartition(".")[2]]:
        pattern = (
            rb'"' + re.escape(name.encode()) + rb'"\s*:\s*("?)([A-Za-z0-9_.:/@=+-]{1,200})\1\s*[,}]'
        )
        match = re.search(pattern, raw)
        parts[name] = scope if name == "scope" else match[2].decode() if match else ""
    if not all(parts.values()):
        return ""
    return key.format(**parts) if "{" in key else next(iter(parts.values()))


def closed(entities: list[Entity], rest: Entity) -> Iterator[Entity]:
    """The entities, the last of them carrying the position; only the position if there are none."""
    if not entities:
        yield rest
        return
    yield from entities[:-1]
    last = entities[-1]
    yield Entity(
        last.entity_type,
        last.source_id,
        last.payload,
        last.scope,
        last.changed_at,
        last.deleted,
        rest.position,
    )


def only(entities: Iterable[Entity], wanted: Callable[[Entity], bool]) -> Iterator[Entity]:
    """The entities `wanted` says yes to; of the others nothing but their positions is left."""
    for entity in entities:
        if entity.is_rest or wanted(entity):
            yield entity
        elif entity.position is not None:
            yield Entity.rest(entity.position, entity.entity_type)


def first_of_each(entities: Iterable[Entity]) -> Iterator[Entity]:
    """Every id once, where it comes first: of changes newest first, what is true now."""
    seen: set[str] = set()

    def is_first(entity: Entity) -> bool:
        is_known = entity.source_id in seen
        seen.add(entity.source_id)
        return not is_known

    return only(entities, is_first)


def in_pages(entities: Iterable[Entity]) -> Iterator[list[Entity]]:
    """The entities up to each position, together: for what one more call completes for all."""
    page: list[Entity] = []
    for entity in entities:
        page.append(entity)
        if entity.position is not None:
            yield page
            page = []
    if page:
        yield page


def stamp_of(entity: Entity, path: str) -> Any:
    """What the provider wrote at `path`; None for deletions and rows nobody can read."""
    return dig(entity.payload, path) if isinstance(entity.payload, dict) else None


def value_at(answer: Answer, path: str) -> Any:
    """The value at a dotted path of the body; None if missing or not readable."""
    value = dig(answer.body, path)
    return None if isinstance(value, Unreadable) else value


def _names(key: str) -> list[str]:
    return _TEMPLATE.findall(key)


def _text(value: Any) -> str:
    is_id = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value) if is_id else ""


def _changed_at(row: Payload, path: str) -> datetime | None:
    """None also where the value makes no sense: that is for transform to refuse."""
    try:
        return utc(dig(row, path)) if path else None
    except ValueError:
        return None
