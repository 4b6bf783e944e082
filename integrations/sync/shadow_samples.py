"""The first entities of each kind a shadow diff keeps, small enough to be shown on one page."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from hub.display import flat
from integrations.destinations.base import Row
from integrations.destinations.compare import Compared, key_of
from integrations.models import Record

SAMPLES = 50  # of each kind and entity type
FIELDS = 20  # of one sample
SENT = "as sent"
TEXT = 200  # characters of one value

Samples = dict[str, list[dict[str, Any]]]


def add_samples(samples: Samples, found: Compared) -> None:
    """Add what a sync would insert, update and reject, until there are enough of each.

    An update: {"id": "a-1", "title": "Nordlicht", "type": "company", "record": 7,
    "fields": [["name", "old", "new"]]}; an insert has [["name", "new"]].
    """
    for row in _wanted(samples, "inserted", found.inserted):
        samples["inserted"].append({**_named(row), "fields": _fields(orjson.loads(row.data))})
    updated = _wanted(samples, "updated", found.updated)
    ids = [found.stored[key_of(row)].id for row in updated]
    before = Record.objects.in_bulk(ids) if ids else {}
    for row, record_id in zip(updated, ids, strict=True):
        if old := before.get(record_id):
            changes = changed_fields(_shown(old), _shown_row(row))
            # The shared shape may stay as it is, and what the provider sends besides does not.
            changes = changes or changed_fields({SENT: old.raw}, {SENT: orjson.loads(row.raw)})
            samples["updated"].append({**_named(row), "record": old.pk, "fields": changes})
    for row in _wanted(samples, "rejected", found.rejected):
        samples["rejected"].append({"id": row.source_id, "reason": row.reason})


def add_deleted(samples: Samples, kind: str, record_ids: Sequence[int]) -> None:
    """Add the records that a sync would delete; `kind` says whether they are reported or absent."""
    wanted = _wanted(samples, kind, record_ids)
    rows = Record.objects.filter(pk__in=wanted).defer("data", "raw").order_by("pk")
    samples[kind] += [
        {
            "id": row.source_id,
            "title": row.title,
            "type": row.record_type,
            "record": row.pk,
            "scope": row.scope,
        }
        for row in rows
    ]


def changed_fields(old: dict[str, Any], new: dict[str, Any]) -> list[list[str]]:
    """[["address › city", "Ulm", "Bonn"], …]: what differs, '' where there is nothing."""
    before, after = dict(flat(_read(old))), dict(flat(_read(new)))
    names = [*after, *(name for name in before if name not in after)]
    found = [
        [name, before.get(name, "")[:TEXT], after.get(name, "")[:TEXT]]
        for name in names
        if before.get(name, "") != after.get(name, "")
    ]
    return found[:FIELDS]


def _wanted(samples: Samples, kind: str, found: Iterable[Any]) -> list[Any]:
    room = SAMPLES - len(samples.setdefault(kind, []))
    return list(found)[:room] if room > 0 else []


def _named(row: Row) -> dict[str, Any]:
    return {"id": row.source_id, "title": row.title, "type": row.record_type}


def _fields(data: dict[str, Any]) -> list[list[str]]:
    return [[name, value[:TEXT]] for name, value in flat(_read(data))][:FIELDS]


def _read(value: Any) -> Any:
    """The value with every reference as one text: "companies 10073021"."""
    if isinstance(value, dict) and set(value) == {"entity_type", "source_id"}:
        return f"{value['entity_type']} {value['source_id']}"
    if isinstance(value, dict):
        return {name: _read(part) for name, part in value.items()}
    return [_read(part) for part in value] if isinstance(value, list) else value


def _shown(record: Record) -> dict[str, Any]:
    """What a person would compare: the data, and where the record is."""
    is_deleted = "yes" if record.deleted_at else ""
    return {**record.data, "listed under": record.scope, "deleted": is_deleted}


def _shown_row(row: Row) -> dict[str, Any]:
    return {**orjson.loads(row.data), "listed under": row.scope, "deleted": ""}
