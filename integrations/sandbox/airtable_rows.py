"""Airtable's bases of one account, their tables, and the rows in them.

Two bases hold what people work with. A third one, "Hub", holds one empty table and is shared only
with those who may write.
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from string import ascii_letters, digits
from typing import Any

from integrations.sandbox.business import DAY, businesses, staff, stamps
from integrations.sandbox.names import DEALS, TITLES
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]
Fields = tuple[tuple[str, str, Json | None], ...]
"""Name, type and options of each field; a link's options name the other table."""

ISO_DATE: Json = {"dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}}
ISO_TIME: Json = ISO_DATE | {"timeFormat": {"name": "24hour", "format": "HH:mm"}, "timeZone": "utc"}
STATUSES = ("Lead", "Kunde", "Former customer")
CHANNELS = ("Newsletter", "Blog", "Messe", "Réseaux sociaux")
TAGS = ("vip", "überfällig", "référence", "partner")


def choices(names: tuple[str, ...]) -> Json:
    """Options of a select field."""
    colours = ("blueLight2", "cyanLight2", "tealLight2", "greenLight2")
    return {
        "choices": [
            {"id": f"sel{number:014d}", "name": name, "color": colours[number % 4]}
            for number, name in enumerate(names)
        ]
    }


COMPANIES: Fields = (
    ("Name", "singleLineText", None),
    ("Website", "url", None),
    ("City", "singleLineText", None),
    ("Status", "singleSelect", choices(STATUSES)),
    ("Tags", "multipleSelects", choices(TAGS)),
    ("Contacts", "multipleRecordLinks", {"linkedTableId": "Contacts"}),
    ("Customer since", "date", ISO_DATE),
    ("Active", "checkbox", {"icon": "check", "color": "greenBright"}),
    ("Last modified", "lastModifiedTime", {"isValid": True, "referencedFieldIds": []}),
)
CONTACTS: Fields = (
    ("Name", "singleLineText", None),
    ("Email", "email", None),
    ("Phone", "phoneNumber", None),
    ("Role", "singleLineText", None),
    ("Company", "multipleRecordLinks", {"linkedTableId": "Companies"}),
    ("Notes", "multilineText", None),
)
ORDERS: Fields = (
    ("Order", "formula", {"isValid": True, "formula": "…", "referencedFieldIds": []}),
    ("Subject", "singleLineText", None),
    ("Amount", "currency", {"precision": 2, "symbol": "€"}),
    ("Discount", "percent", {"precision": 1}),
    ("Company", "multipleRecordLinks", {"linkedTableId": "Companies"}),
    ("Due", "date", ISO_DATE),
    ("Paid", "checkbox", {"icon": "check", "color": "greenBright"}),
)
POSTS: Fields = (
    ("Title", "singleLineText", None),
    ("Channel", "singleSelect", choices(CHANNELS)),
    ("Publish at", "dateTime", ISO_TIME),
    ("Owner", "singleCollaborator", None),
    ("Pictures", "multipleAttachments", {"isReversed": False}),
    ("Text", "richText", None),
)
IDEAS: Fields = (
    ("Number", "number", {"precision": 0}),
    ("Idea", "multilineText", None),
    ("Votes", "rating", {"icon": "star", "max": 5, "color": "yellowBright"}),
)
NOTHING_YET: Fields = (("Name", "singleLineText", None), ("Notes", "multilineText", None))

TABLES: dict[str, tuple[Fields, int]] = {
    "Companies": (COMPANIES, 80),
    "Contacts": (CONTACTS, 95),
    "Orders": (ORDERS, 90),
    "Posts": (POSTS, 60),
    "Ideas": (IDEAS, 40),
    "Archive": (NOTHING_YET, 0),
    "Table 1": (NOTHING_YET, 0),
}
"""Fields, and how many rows at scale 1."""

BASES = (
    ("Operations", "edit", ("Companies", "Contacts", "Orders")),
    ("Content calendar", "read", ("Posts", "Ideas", "Archive")),
    ("Hub", "create", ("Table 1",)),
)
FOR_WRITERS = "Hub"


class AirtableRows(Builder):
    """Builds bases, tables and rows; every id is found nowhere else."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        key = account.organisation.key
        self.count = {
            name: setting.scaled(many) if many else 0 for name, (_, many) in TABLES.items()
        }
        self.businesses = businesses(setting.seed, key, self.count["Companies"])
        self.staff = staff(setting.seed, account.organisation, 12)
        self.tables = {name: self.new_id("tbl") for name in TABLES}
        self.ids = {name: [self.new_id("rec") for _ in range(self.count[name])] for name in TABLES}

    def new_id(self, prefix: str) -> str:
        return prefix + "".join(self.rng.choices(ascii_letters + digits, k=14))

    def all(self) -> dict[str, list[Row]]:
        """Every entity of the account."""
        made: dict[str, list[Row]] = {"bases": [], "tables": [], "rows": []}
        for base, level, names in BASES:
            id, visible = self.new_id("app"), base != FOR_WRITERS
            data = {"id": id, "name": base, "permissionLevel": level}
            made["bases"].append(Row(id, 0.0, data, visible=visible))
            for name in names:
                table = self.table(self.tables[name], name, TABLES[name][0])
                made["tables"].append(Row(table["id"], 0.0, table, scope=id, visible=visible))
                made["rows"] += self.rows(name, table)
        return made

    def table(self, id: str, name: str, fields: Fields) -> Json:
        """A table's description; its first field is the primary one."""
        made = [self.field(*field) for field in fields]
        view = {"id": self.new_id("viw"), "name": "Grid view", "type": "grid"}
        first = made[0]["id"]
        return {"id": id, "name": name, "primaryFieldId": first, "fields": made, "views": [view]}

    def field(self, name: str, type: str, options: Json | None) -> Json:
        data: Json = {"id": self.new_id("fld"), "name": name, "type": type}
        if type == "multipleRecordLinks" and options:
            linked = self.tables[options["linkedTableId"]]
            one = {"isReversed": False, "prefersSingleRecordLink": False}
            return {**data, "options": {"linkedTableId": linked, **one}}
        return {**data, "options": options} if options else data

    def rows(self, name: str, table: Json) -> list[Row]:
        pairs = stamps(self.rng, self.setting.base_time, self.count[name])
        cells = getattr(self, f"_{name.lower()}", None)
        ids = {field["name"]: field["id"] for field in table["fields"]}
        return [
            record(
                self.ids[name][number],
                table["id"],
                {ids[field]: cell for field, cell in cells(number, created, modified).items()},
                created,
                modified,
            )
            for number, (created, modified) in enumerate(pairs)
            if cells is not None
        ]

    def _companies(self, number: int, created: int, modified: int) -> Json:
        rng, business = self.rng, self.businesses[number]
        return {
            "Name": business.name,
            "Website": f"https://{business.domain}",
            "City": business.city,
            "Status": rng.choice(STATUSES),
            "Tags": sorted(rng.sample(TAGS, rng.choice((0, 0, 1, 2)))),
            "Contacts": self.ids["Contacts"][number :: self.count["Companies"]],
            "Customer since": iso(created)[:10] if rng.random() < 0.7 else None,
            "Active": rng.random() < 0.8,
            "Last modified": iso(modified),
        }

    def _contacts(self, number: int, created: int, modified: int) -> Json:
        """Contact n works at company n mod the number of companies."""
        at = number % self.count["Companies"]
        contact = self.businesses[at].contacts[number // self.count["Companies"] % 3]
        return {
            "Name": contact.name,
            "Email": contact.email,
            "Phone": contact.phone if number % 3 else None,
            "Role": self.rng.choice(TITLES),
            "Company": [self.ids["Companies"][at]],
            "Notes": self.rng.choice(
                ("", "Rappelle toujours le lundi.\nSeit der Messe in Kontakt")
            ),
        }

    def _orders(self, number: int, created: int, modified: int) -> Json:
        rng = self.rng
        at = rng.randrange(self.count["Companies"])
        return {
            "Order": f"A-{2000 + number} {self.businesses[at].name}",
            "Subject": rng.choice(DEALS),
            "Amount": rng.randrange(1000, 9_000_000) / 100,
            "Discount": rng.choice((None, 0.05, 0.125)),
            "Company": [self.ids["Companies"][at]],
            "Due": iso(created + rng.randrange(10, 60) * DAY)[:10],
            "Paid": rng.random() < 0.6,
        }

    def _posts(self, number: int, created: int, modified: int) -> Json:
        rng, owner = self.rng, self.staff[number % len(self.staff)]
        picture = {
            "id": self.new_id("att"),
            "url": f"https://attachments.example/{number}",
            "filename": f"Bild {number}.png",
            "size": rng.randrange(10_000, 900_000),
            "type": "image/png",
        }
        user = {"id": f"usr{number % len(self.staff):014d}", "email": owner.email}
        return {
            "Title": f"{rng.choice(DEALS)} ✎ {number}" if number % 20 else "",
            "Channel": rng.choice(CHANNELS),
            "Publish at": iso(created + DAY),
            "Owner": {**user, "name": owner.name},
            "Pictures": [picture] if rng.random() < 0.4 else [],
            "Text": "**Fett** und _kursiv_\n" if rng.random() < 0.5 else "",
        }

    def _ideas(self, number: int, created: int, modified: int) -> Json:
        rng = self.rng
        return {"Number": number, "Idea": rng.choice(DEALS), "Votes": rng.randrange(1, 6)}


def record(id: str, table: str, cells: Json, created: float, modified: float) -> Row:
    """A row as it is kept: cells by field id, those that hold nothing left out."""
    kept = {field: cell for field, cell in cells.items() if not is_empty(cell)}
    data = {"id": id, "createdTime": iso(created), "fields": kept}
    return Row(id, float(modified), data, scope=table)


def is_empty(cell: Any) -> bool:
    """True for what no answer shows: null, false, an empty text or list; not for 0."""
    return cell is None or cell is False or cell in ("", [])


def iso(stamp: float) -> str:
    at = datetime.fromtimestamp(stamp, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
