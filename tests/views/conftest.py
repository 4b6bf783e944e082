"""Records of every shape, stored as the engine stores them, and questions to the views."""

from typing import Any
from uuid import uuid4

import orjson
from django.db import connection as database

from integrations.models import Record, RecordLink
from integrations.records import NormalizedRecord
from integrations.types import Ref
from tests.api.rows import stored
from tests.factories import ConnectionFactory


def keep(record: NormalizedRecord, source_id: str = "", **fields: Any) -> Record:
    """Store the record, linked to what is there already."""
    connection = fields.pop("connection", None) or ConnectionFactory()
    slug = record.record_type
    row = stored(
        connection,
        source_id or uuid4().hex,
        record_type=slug,
        title=getattr(record, "name", "") or "",
        data=orjson.loads(orjson.dumps(record.to_data())),
        **{"entity_type": slug, **fields},
    )
    for field, value in record.refs().items():
        refs = (value,) if isinstance(value, Ref) else value
        for position, ref in enumerate(refs):
            found = Record.objects.filter(
                source_system=row.source_system,
                entity_type=ref.entity_type,
                source_id=ref.source_id,
            )
            RecordLink.objects.create(
                record=row,
                field=field,
                position=position,
                target_system=row.source_system,
                target_type=ref.entity_type,
                target_source_id=ref.source_id,
                target=found.first(),
            )
    return row


def ask(sql: str, *values: object) -> list[dict[str, Any]]:
    """The rows of the answer, by column."""
    with database.cursor() as cursor:
        cursor.execute(sql, values or None)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
