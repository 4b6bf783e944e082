"""Airtable as a destination: tables and fields made when missing, rows under a key of ours.

Source: airtable.com/developers, Web API v0, read in November 2026. A row is found by the field
"Hub ID", so the same ten rows sent twice are written once. Tables and fields are remembered by id:
people rename them as they like. What they remove is not made again behind their back, because
their own formulas and views went with it: the destination then waits for them. If they let it be
made anew, what is left is known by its id as before, so that no row is written a second time.
"""

from collections.abc import Container, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from integrations.destinations.airtable_answers import (
    LOCKOUT_SECONDS,
    ROW_GONE,
    RefusedByAirtableError,
    classify,
)
from integrations.destinations.airtable_fields import (
    COMPUTED,
    adopted,
    field_of,
    is_link_to,
    left_of,
    table_of,
    type_of,
    written,
)
from integrations.destinations.change import Change
from integrations.destinations.columns import KEY_COLUMN, LINK, Column
from integrations.destinations.registry import register
from integrations.destinations.tables import (
    Access,
    Outcome,
    Schema,
    Table,
    TableDestination,
    TableRow,
)
from integrations.errors import DestinationBlockedError
from integrations.http.client import ProviderClient
from integrations.types import ApiKey, AuthContext, Field, Identity, Json, Limit, Provider

ANEW = "made_anew"  # in what is remembered: make what is gone, once
SAME_REFUSAL_FROM = 5  # rows of one request, all refused alike: it is not the rows

KEY = Column(KEY_COLUMN)
AIRTABLE = Provider(
    slug="airtable",
    label="Airtable",
    base_url="https://api.airtable.com/v0",
    auth=(ApiKey({"Authorization": "Bearer {key}"}),),
    identity=Identity("/meta/whoami", id="id", label="email"),
    limits=(Limit(4, 1, lockout=LOCKOUT_SECONDS),),
)


@register
class AirtableDestination(TableDestination):
    """One base."""

    slug = "airtable"
    label = "Airtable"
    fields = (
        Field(
            "base_id",
            "Base id",
            help="It begins with app and stands in the address of the base.",
            pattern=r"app[A-Za-z0-9]{2,20}",
        ),
        Field(
            "key",
            "Personal access token",
            secret=True,
            help="With data.records:read and :write, schema.bases:read and :write, for this base.",
            pattern=r"pat\w+\.\w+",
        ),
    )
    place = "base_id"
    provider = "airtable"
    lends = ("data.records:write", "schema.bases:read", "schema.bases:write")
    rows_per_request = 10
    limits = AIRTABLE.limits

    @classmethod
    def to_be_made_anew(cls, schema: Schema) -> Schema:
        return {**schema, ANEW: True} if schema else {}

    def __init__(self, access: Access, schema: Schema) -> None:
        held = access.credentials
        token = held.access_token or held.key
        self._base = access.settings[self.place]
        self._schema: Schema = {"tables": {}, **deepcopy(schema)}
        self._there: dict[str, dict[str, Any]] = {}
        self._columns: dict[str, tuple[Column, ...]] = {}
        self._http = ProviderClient(
            AIRTABLE,
            AuthContext({"Authorization": f"Bearer {token}"}, AIRTABLE.base_url),
            egress=access.egress,
            deadline=access.deadline,
            clock=access.deadline.clock,
            classify=classify,
            gate=access.gate,
        )

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def calls(self) -> int:
        return self._http.calls

    def close(self) -> None:
        self._http.close()

    def holds(self, change: Change) -> bool:
        ours = {table["id"] for table in self._schema["tables"].values()}
        return change.scope in ours and change.source_system.startswith(f"{self.provider}:")

    # Tables and fields.

    def prepare(self, tables: Sequence[Table]) -> None:
        """Read the base once; make what is missing, and say what somebody removed."""
        self._read_base()
        for table in tables:  # several routes may fill one
            self._columns[table.name] = (*self._columns.get(table.name, (KEY,)), *table.columns)
        if self._schema.pop(ANEW, False):
            self._forget_what_is_gone()
        for name in self._columns:
            self._check_remembered(name)
        for table in tables:
            if table.name not in self._schema["tables"]:
                self._adopt_or_create(table)
            for column in self._filled(table.name):
                self._field(table.name, column)

    def _read_base(self) -> None:
        try:
            answer = self._http.get(f"/meta/bases/{self._base}/tables")
        except RefusedByAirtableError as exc:
            raise DestinationBlockedError(
                f"The base {self._base} cannot be reached: it was removed, or this access no longer"
                " includes it. Share the base again, or enter another access."
            ) from exc
        self._there = {table["id"]: table for table in answer.body["tables"]}

    def _forget_what_is_gone(self) -> None:
        """So it is made anew; but where the key is gone, every row would be."""
        known = self._schema["tables"]
        filled = {name: known.pop(name) for name in self._columns if name in known}
        for name, table in left_of(filled, self._there).items():
            known[name] = table
            if KEY_COLUMN not in table["fields"] and not self._has_field(table["id"], KEY_COLUMN):
                raise DestinationBlockedError(
                    f"The field {KEY_COLUMN!r} is no longer in the table {name!r}, so its rows "
                    "cannot be told apart. Restore it there, or remove the whole table as well."
                )

    def _filled(self, name: str) -> list[Column]:
        """The columns of the table that hold values; links are made when needed."""
        return [column for column in self._columns[name] if not column.is_link]

    def _check_remembered(self, name: str) -> None:
        """Whether what was found or made earlier is still there; what nobody fills may go."""
        remembered = self._schema["tables"].get(name)
        if remembered is None:
            return
        if remembered["id"] not in self._there:
            raise DestinationBlockedError(
                f"The table {name!r} is no longer in the base. Restore it from the base's trash, "
                "or let the tables be made anew."
            )
        there = {field["id"]: field for field in self._there[remembered["id"]]["fields"]}
        for (column, other), id in self._remembered(name, there).items():
            called = f"{column} ({other})" if other else column
            field = there.get(id)
            if field is None:
                raise DestinationBlockedError(
                    f"The field {called!r} is no longer in the table {name!r}. Restore it there, "
                    "or let the tables be made anew."
                )
            if field["type"] in COMPUTED:
                raise DestinationBlockedError(
                    f"The field {column!r} of the table {name!r} is computed there now, so nobody "
                    "can write to it. Change its type back, or map another column here."
                )
            if other and not is_link_to(field, self._schema["tables"][other]["id"]):
                raise DestinationBlockedError(
                    f"The field {column!r} of the table {name!r} no longer links to {other!r}. "
                    "Change it back there, or let the tables be made anew."
                )

    def _remembered(self, name: str, there: Container[str]) -> dict[tuple[str, str], str]:
        """The ids of the fields that are filled, by column and linked table; others that are gone
        are forgotten."""
        known = self._schema["tables"][name]
        filled = {column.name for column in self._columns[name]}
        every = {(column, ""): id for column, id in known["fields"].items()}
        every |= {(c, other): id for c, to in known["links"].items() for other, id in to.items()}
        used = {
            (column, other): id
            for (column, other), id in every.items()
            if column in filled and (not other or other in self._columns)
        }
        for column, other in every.keys() - used.keys():
            if every[column, other] not in there:
                del (known["links"][column] if other else known["fields"])[other or column]
        return used

    def _adopt_or_create(self, table: Table) -> None:
        found = self._find(table.name)
        if found is None:
            body = table_of(table.name, KEY, [c for c in table.columns if not c.is_link])
            self._make(f"/meta/bases/{self._base}/tables", body, f"the table {table.name!r}")
            found = self._find(table.name)
        if found is None:
            raise DestinationBlockedError(f"The table {table.name!r} cannot be made in the base.")
        self._schema["tables"][table.name] = {"id": found["id"], "fields": {}, "links": {}}

    def _field(self, table: str, column: Column) -> str:
        """The id of the column's field, adopted by its name or made if it is missing."""
        remembered = self._schema["tables"][table]
        if column.name not in remembered["fields"]:
            found = self._adopt_or_make(table, (column.name,), column)
            remembered["fields"][column.name] = found
        return str(remembered["fields"][column.name])

    def _link(self, table: str, column: str, other: str) -> str:
        """The id of the column's field that links to the other table."""
        known = self._schema["tables"][table]["links"].setdefault(column, {})
        if other not in known:
            linked = self._schema["tables"][other]["id"]
            names = (column, f"{column} ({other})")
            known[other] = self._adopt_or_make(table, names, Column(column, kind=LINK), linked)
        return str(known[other])

    def _adopt_or_make(
        self, table: str, names: Sequence[str], column: Column, linked: str = ""
    ) -> str:
        """The field with the first of the names that is free or fits."""
        table_id = self._schema["tables"][table]["id"]
        for name in names:
            found = adopted(self._there[table_id], name, column, linked)
            if found is None and not self._has_field(table_id, name):
                path = f"/meta/bases/{self._base}/tables/{table_id}/fields"
                what = f"the field {name!r} in the table {table!r}"
                self._make(path, field_of(name, column, linked), what)
                found = adopted(self._there[table_id], name, column, linked)
            if found is not None:
                return found
        raise DestinationBlockedError(
            f"The field {column.name!r} of the table {table!r} cannot take what is written to it. "
            "Rename it there, or map another column here."
        )

    def _has_field(self, table_id: str, name: str) -> bool:
        fields = self._there[table_id]["fields"]
        return any(field["name"].lower() == name.lower() for field in fields)

    def _find(self, name: str) -> dict[str, Any] | None:
        same = [t for t in self._there.values() if t["name"].lower() == name.lower()]
        return same[0] if same else None

    def _make(self, path: str, body: dict[str, Any], what: str) -> None:
        """Make it and read the base again: also when the answer to a first try was lost."""
        try:
            self._http.post(path, body)
        except RefusedByAirtableError as exc:
            if exc.status in (403, 404):
                raise DestinationBlockedError(
                    f"This access may not make {what}. Allow it to change the base's schema "
                    "(schema.bases:write), or make it there by hand."
                ) from exc
            self._read_base()
            if "DUPLICATE" not in exc.type.upper():
                raise DestinationBlockedError(f"Airtable does not make {what}: {exc}") from exc
            return
        self._read_base()

    # Rows.

    def upsert(self, table: str, rows: Sequence[TableRow]) -> list[Outcome]:
        """In one request, or in two where values must be converted: an id that is no longer there
        would be taken for the title of a row to be made."""
        converts = self._converts(table)
        linked = [
            row for row in rows if any(ids for to in row.links.values() for ids in to.values())
        ]
        if not converts or not linked:
            outcomes = list(self._upsert(table, list(rows), typecast=converts))
        else:
            outcomes = list(
                self._upsert(table, [replace(r, links={}) for r in rows], typecast=True)
            )
            there = {outcome.key for outcome in outcomes if not outcome.reason}
            links = [TableRow(row.key, {}, row.links) for row in rows if row.key in there]
            refused = {o.key: o for o in self._upsert(table, links, typecast=False) if o.reason}
            outcomes = [
                replace(refused[each.key], external_id=each.external_id)  # without its links
                if each.key in refused
                else each
                for each in outcomes
            ]
        judged = [outcome.reason for outcome in outcomes if not outcome.has_lost_links]
        reasons = set(judged)
        if len(judged) >= SAME_REFUSAL_FROM and len(reasons) == 1 and "" not in reasons:
            raise DestinationBlockedError(
                f"Airtable refuses every row for the table {table!r}: {reasons.pop()}"[:500]
            )
        return outcomes

    def _converts(self, table: str) -> bool:
        """Whether a field that was there before is of another type than its column."""
        fields = {f["id"]: f["type"] for f in self._there[self._table_id(table)]["fields"]}
        return any(
            fields.get(self._field(table, column)) != type_of(column)
            for column in self._filled(table)
        )

    def _upsert(self, table: str, rows: list[TableRow], *, typecast: bool) -> Iterator[Outcome]:
        """All rows in one request; if that is refused, by halves down to the one that is."""
        key = self._field(table, KEY)
        body = {
            "performUpsert": {"fieldsToMergeOn": [key]},
            "typecast": typecast,
            "returnFieldsByFieldId": True,
            "records": [{"fields": self._cells(table, row)} for row in rows],
        }
        try:
            answer = self._http.patch(self._path(table), body)
        except RefusedByAirtableError as exc:
            self._look_again(table, exc)
            if len(rows) == 1:
                is_lost = exc.type == ROW_GONE
                yield Outcome(rows[0].key, reason=str(exc), has_lost_links=is_lost)
                return
            for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                yield from self._upsert(table, half, typecast=typecast)
            return
        created = set(answer.body.get("createdRecords", ()))
        by_key = {record["fields"].get(key): record["id"] for record in answer.body["records"]}
        for row in rows:
            if row.key not in by_key:
                raise DestinationBlockedError(
                    f"Airtable changes the field {KEY_COLUMN!r} of the table {table!r}; it must "
                    "keep the text that is written to it."
                )
            yield Outcome(row.key, by_key[row.key], by_key[row.key] in created)

    def delete(self, table: str, external_ids: Sequence[str]) -> None:
        try:
            self._http.delete(self._path(table), {"records[]": list(external_ids)})
        except RefusedByAirtableError as exc:
            self._look_again(table, exc)
            half = len(external_ids) // 2
            if half == 0:
                return  # it was gone before
            self.delete(table, external_ids[:half])
            self.delete(table, external_ids[half:])

    def _look_again(self, table: str, exc: RefusedByAirtableError) -> None:
        """Is it the table, a field or the access? Then no row is to blame, and all must wait."""
        if exc.status not in (403, 404) and exc.type != "UNKNOWN_FIELD_NAME":
            return
        if exc.type == ROW_GONE:
            return
        self._read_base()
        for name in self._columns:
            self._check_remembered(name)
        if exc.status == 403:
            raise DestinationBlockedError(
                f"This access may not write to the table {table!r}; allow it data.records:write "
                "in this base."
            ) from exc

    def _cells(self, table: str, row: TableRow) -> dict[str, Json]:
        """Cells by field id; empty ones are cleared."""
        fields = self._schema["tables"][table]["fields"]
        cells: dict[str, Json] = {fields[KEY_COLUMN]: row.key}
        for name, value in row.values.items():
            cells[fields[name]] = written(value)
        for column, targets in row.links.items():
            for other in targets:
                self._link(table, column, other)
            links = self._schema["tables"][table]["links"].get(column, {})
            linked: dict[str, list[Json]] = {}  # names that differ in case alone share a field
            for other, id in links.items():
                linked[id] = [*linked.get(id, ()), *targets.get(other, ())]
            cells.update(linked)
        return cells

    def _path(self, table: str) -> str:
        return f"/{self._base}/{self._table_id(table)}"

    def _table_id(self, table: str) -> str:
        return str(self._schema["tables"][table]["id"])
