"""Record types as SQL views, so that any BI tool reads typed columns instead of JSON.

`script()` is what tenants/views.sql holds: one view per record type, one for the lines of invoices,
one for confirmed identities. A view shows what the provider still has. Of a reference, `company` is
what a person calls the other record and `company_id` its id, both empty until it has arrived; of
several, `members` and `members_ids` are arrays in order. Money is `numeric` beside its currency.
"""

from collections.abc import Iterator

from integrations.records.base import FieldShape, NormalizedRecord, shape_of

SCHEMA = "t_00000000000000000000000000000000"
"""Stands for the tenant's schema in the script."""

NAMES = {"user": "app_user"}
"""Views that are not called like their record type: `SELECT * FROM user` without quotes would
quietly answer with the database user."""

ADDRESS = ("street", "city", "region", "postal_code", "country")

PROVENANCE = (
    "source_system",
    "entity_type",
    "source_id",
    "connection_id",
    "source_changed_at",
    "first_seen_at",
    "changed_at",
)

CASTS = {
    "text": "",
    "flag": "::boolean",
    "integer": "::bigint",
    "decimal": "::numeric",
    "time": "::timestamptz",
    "day": "::date",
}

LINES = f"""CREATE OR REPLACE VIEW {SCHEMA}.invoice_line AS
SELECT
    r.id AS invoice_id,
    l.position,
    l.line->>'description' AS description,
    (l.line->>'amount')::numeric AS amount,
    (l.line->>'quantity')::numeric AS quantity,
    (l.line->>'unit_price')::numeric AS unit_price,
    r.data->>'currency' AS currency,
    i.id AS item_id,
    i.title AS item
FROM {SCHEMA}.integrations_record r
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(r.data->'lines') WHEN 'array' THEN r.data->'lines' END
) WITH ORDINALITY AS l(line, position)
LEFT JOIN {SCHEMA}.integrations_record i ON i.source_system = r.source_system
    AND i.entity_type = l.line#>>'{{item,entity_type}}'
    AND i.source_id = l.line#>>'{{item,source_id}}'
WHERE r.record_type = 'invoice' AND r.deleted_at IS NULL;
"""


IDENTITY = f"""CREATE OR REPLACE VIEW {SCHEMA}.identity AS
SELECT
    r.id,
    m.group_id,
    r.record_type,
    g.label AS name,
    r.source_system,
    r.entity_type,
    r.source_id,
    g.decided_at AS confirmed_at
FROM {SCHEMA}.integrations_identitymember m
JOIN {SCHEMA}.integrations_identitygroup g ON g.id = m.group_id
JOIN {SCHEMA}.integrations_record r ON r.source_system = m.source_system
    AND r.entity_type = m.entity_type AND r.source_id = m.source_id AND r.deleted_at IS NULL
WHERE m.is_confirmed;
"""


def script(record_types: dict[str, type[NormalizedRecord]]) -> str:
    """The statements that make every view in SCHEMA, or bring one up to date that can be."""
    views = [view_of(record_type) for record_type in record_types.values()]
    return "\n".join([*views, LINES, IDENTITY])


def name_of(record_type: str) -> str:
    """What the view of a record type is called."""
    return NAMES.get(record_type, record_type)


def view_of(record_type: type[NormalizedRecord]) -> str:
    """The statement for one record type; which columns it has follows from its fields alone."""
    columns, joins = ["r.id"], []
    for shape in shape_of(record_type):
        columns += _columns(shape)
        if shape.kind == "ref":
            joins.append(_join(shape.name))
    columns += [f"r.{name}" for name in PROVENANCE]
    slug = record_type.record_type
    return (
        f"CREATE OR REPLACE VIEW {SCHEMA}.{name_of(slug)} AS\nSELECT\n    "
        + ",\n    ".join(columns)
        + f"\nFROM {SCHEMA}.integrations_record r\n"
        + "".join(joins)
        + f"WHERE r.record_type = '{slug}' AND r.deleted_at IS NULL;\n"
    )


def _columns(shape: FieldShape) -> Iterator[str]:
    name = shape.name
    match shape.kind:
        case "ref":
            yield f"{name}_link.target_id AS {name}_id"
            yield f"{name}_record.title AS {name}"
        case "refs":
            yield f"{_of_links('l.target_id', name)} AS {name}_ids"
            yield f"{_of_links('t.title', name)} AS {name}"
        case "texts":
            yield (
                f"ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'{name}')"
                f" WHEN 'array' THEN r.data->'{name}' END)) AS {name}"
            )
        case "address":
            for part in ADDRESS:
                yield f"r.data#>>'{{{name},{part}}}' AS {name}_{part}"
        case "lines":
            return  # a view of their own
        case kind:
            value = f"r.data->>'{name}'"
            yield f"({value}){CASTS[kind]} AS {name}" if CASTS[kind] else f"{value} AS {name}"


def _join(name: str) -> str:
    """One row at most for each record, so a query that leaves the columns out skips the join."""
    return (
        f"LEFT JOIN {SCHEMA}.integrations_recordlink {name}_link ON {name}_link.record_id = r.id"
        f" AND {name}_link.field = '{name}' AND {name}_link.position = 0\n"
        f"LEFT JOIN {SCHEMA}.integrations_record {name}_record"
        f" ON {name}_record.id = {name}_link.target_id\n"
    )


def _of_links(value: str, name: str) -> str:
    return (
        f"ARRAY(SELECT {value} FROM {SCHEMA}.integrations_recordlink l"
        f" LEFT JOIN {SCHEMA}.integrations_record t ON t.id = l.target_id"
        f" WHERE l.record_id = r.id AND l.field = '{name}' ORDER BY l.position)"
    )
