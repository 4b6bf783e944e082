"""From an entity to a row: transform, validate, hash. Pure, so that it runs beside the fetching.

Whatever is wrong with one entity ends here, as one rejected row with its reason.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import orjson

from hub.observability.known_secrets import without_secrets
from integrations.connectors.base import Connector
from integrations.destinations.base import Link, Row
from integrations.errors import HubError, RecordRejectedError
from integrations.records import NormalizedRecord
from integrations.types import Entity, Ref, Unreadable, unreadable_id

MAX_ID_LENGTH = 300
MAX_REASON_LENGTH = 500
NUL_IN_JSON = b"\\u0000"
NOT_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # as it is in a text that speaks of it
TITLE_FIELDS = ("name", "title", "subject", "number", "text")


def prepare(connector: Connector, entity: Entity) -> Row:
    """Return the row of an entity: a record, a deletion, a rejection or only a position."""
    if entity.is_rest:
        return Row("rest", entity.entity_type, "", entity.scope, entity.position)
    if isinstance(entity.payload, Unreadable):
        return rejected(entity, entity.payload.reason, entity.payload.raw)
    if entity.deleted:
        return Row(
            "gone",
            entity.entity_type,
            entity.source_id,
            entity.scope,
            entity.position,
            source_changed_at=entity.changed_at,
        )
    try:
        record = connector.transform(entity)
        record.validate()
        return _row(connector, entity, record)
    except RecordRejectedError as exc:
        reason = str(exc)
    except (HubError, MemoryError):
        raise
    # The provider's data is hostile input and may break a transform in any way; it is this one
    # entity that is wrong, so this one entity is set aside.
    except Exception as exc:
        reason = _reason(exc)
    return rejected(entity, reason, _raw_bytes(entity))


def rejected(entity: Entity, reason: str, raw: bytes) -> Row:
    """Return the row that sets an entity aside, with an id the database accepts."""
    source_id = entity.source_id
    if len(source_id) > MAX_ID_LENGTH or not source_id.isprintable():
        source_id = unreadable_id(raw)
    return Row(
        "rejected",
        entity.entity_type,
        source_id,
        entity.scope,
        entity.position,
        raw=raw,
        source_changed_at=entity.changed_at,
        reason=_storable(reason),
    )


def _row(connector: Connector, entity: Entity, record: NormalizedRecord) -> Row:
    if not entity.source_id.isprintable() or len(entity.source_id) > MAX_ID_LENGTH:
        raise RecordRejectedError(
            f"The id is longer than {MAX_ID_LENGTH} characters or holds control characters."
        )
    declared = connector.entity_type(entity.entity_type)
    data = _dump(record.to_data())
    raw = _dump(entity.data)
    if _holds_nul(data) or _holds_nul(raw):
        raise RecordRejectedError("A text holds the character NUL, which PostgreSQL cannot store.")
    kept = (
        _dump({k: v for k, v in entity.data.items() if k not in declared.ignore})
        if declared.ignore
        else raw
    )
    return Row(
        "record",
        entity.entity_type,
        entity.source_id,
        entity.scope,
        entity.position,
        record_type=record.record_type,
        title=_title(record),
        data=data,
        raw=raw,
        content_hash=hashlib.blake2b(data + b"\x00" + kept, digest_size=16).digest(),
        source_changed_at=entity.changed_at,
        newest_wins=declared.newest_wins,
        links=tuple(_links(refs)) if (refs := record.refs()) else (),
    )


def _dump(value: Any) -> bytes:
    """JSON with sorted keys; numbers too large for 64 bits become strings."""
    # A copy: what orjson returns keeps its buffer of 8 KB, which a batch holds 10,000 times.
    return bytes(memoryview(orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)))


def _holds_nul(dumped: bytes) -> bool:
    return NUL_IN_JSON in dumped and NOT_ESCAPED.search(dumped) is not None


def _links(refs: dict[str, Ref | tuple[Ref, ...]]) -> Iterator[Link]:
    for field, value in refs.items():
        for position, target in enumerate((value,) if isinstance(value, Ref) else value):
            yield Link(field, position, target.entity_type, target.source_id)


def _title(record: NormalizedRecord) -> str:
    for name in TITLE_FIELDS:
        if value := getattr(record, name, None):
            return " ".join(str(value).split())[:300]
    return ""


def _raw_bytes(entity: Entity) -> bytes:
    try:
        return orjson.dumps(entity.data, default=str)
    except (orjson.JSONEncodeError, TypeError):
        return repr(entity.data).encode("utf-8", "backslashreplace")


def _storable(text: str) -> str:
    """The text as PostgreSQL can keep it, no NUL, no half characters; and without our secrets."""
    text = without_secrets(text)[:MAX_REASON_LENGTH]
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()


def _reason(exc: Exception) -> str:
    if isinstance(exc, KeyError):
        return f"The field {exc.args[0]!r} is missing."
    return f"It does not have the documented shape ({type(exc).__name__}: {exc})."
