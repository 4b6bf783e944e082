"""PandaDoc's rows of one workspace: members, contacts, templates, documents, and what was deleted.

A document's row is its details; the list shows eight of their fields.
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from integrations.sandbox.business import DAY, Contact, businesses, skewed, staff, stamps
from integrations.sandbox.names import DEALS, PRODUCTS
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

COUNTS = {"contacts": 120, "templates": 60, "documents": 75}
MEMBERS = 9
BINNED = {"deleted_documents": "documents", "deleted_templates": "templates"}
BINNED_COUNT = 3
LISTED = (
    "id",
    "name",
    "status",
    "date_created",
    "date_modified",
    "date_completed",
    "expiration_date",
    "version",
)
STATUSES = ("draft", "sent", "completed", "viewed", "waiting_approval", "paid", "declined")
SENT = ("sent", "completed", "viewed", "paid", "declined")
PROCESSING = "document.uploaded"
ROLES = ("Admin", "Manager", "Member", "Collaborator")
KINDS = ("Angebot", "Maintenance contract", "NDA", "Devis", "Order form", "Rahmenvertrag")
COUNTRIES = {"DE": "Germany", "FR": "France", "GB": "United Kingdom", "US": "USA", "PL": "Poland"}
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


def iso(stamp: float) -> str:
    """Texts of one length, which sort as the moments do."""
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class PandaDocRows(Builder):
    """Builds rows; every id is 22 letters and digits."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.counts = {name: setting.scaled(count) for name, count in COUNTS.items()}
        key = account.organisation.key
        self.businesses = businesses(setting.seed, key, max(40, self.counts["contacts"]))
        self.workspace = self.new_id()
        self.members = [
            self.member(number, person)
            for number, person in enumerate(staff(setting.seed, account.organisation, MEMBERS))
        ]
        self.templates: list[Row] = []
        self.contacts: list[Row] = []

    def all(self) -> dict[str, list[Row]]:
        made = {name: self._spread(name, count) for name, count in self.counts.items()}
        made["documents"][len(made["documents"]) // 2].data["status"] = PROCESSING
        binned = {name: self._spread(one, BINNED_COUNT) for name, one in BINNED.items()}
        return {"members": self.members, **made, **binned}

    def _spread(self, entity: str, count: int) -> list[Row]:
        pairs = stamps(self.rng, self.setting.base_time, count)
        rows = [self.build(entity, created, modified) for created, modified in pairs]
        if entity == "templates" and not self.templates:
            self.templates = rows
        if entity == "contacts":
            self.contacts = rows
        return rows

    def build(self, entity: str, created: float, modified: float) -> Row:
        """A new row of `contacts`, `templates` or `documents`."""
        build = {"contacts": self.contact, "templates": self.template, "documents": self.document}
        data = build[entity](created, modified)
        return Row(data["id"], modified, data)

    def new_id(self) -> str:
        return "".join(self.rng.choices(LETTERS, k=22))

    def member(self, number: int, person: Contact) -> Row:
        created = self.setting.base_time - (900 - number) * DAY
        data: Json = {
            "user_id": self.new_id(),
            "membership_id": self.new_id(),
            "email": person.email,
            "first_name": person.first if number != MEMBERS - 1 else "",
            "last_name": person.last if number != MEMBERS - 1 else "",
            "is_active": number != MEMBERS - 2,
            "workspace": self.workspace,
            "workspace_name": self.account.name,
            "email_verified": True,
            "role": ROLES[min(number, len(ROLES) - 1)],
            "user_license": "Full",
            "date_created": iso(created),
            "date_modified": iso(created + 30 * DAY),
        }
        return Row(data["user_id"], created + 30 * DAY, data)

    def contact(self, created: float, modified: float) -> Json:
        """Contacts tell no time; some have no name, and some no address."""
        rng, business = self.rng, self.rng.choice(self.businesses)
        person = rng.choice(business.contacts)
        has_name, has_address = rng.random() < 0.95, rng.random() < 0.7
        return {
            "id": self.new_id(),
            "email": person.email,
            "first_name": person.first if has_name else None,
            "last_name": person.last if has_name else None,
            "company": business.name,
            "job_title": person.title if rng.random() < 0.8 else None,
            "phone": person.phone,
            "country": COUNTRIES.get(business.country, business.country) if has_address else "",
            "state": "",
            "street_address": business.street if has_address else "",
            "city": business.city if has_address else "",
            "postal_code": business.postal_code if has_address else "",
        }

    def template(self, created: float, modified: float) -> Json:
        rng = self.rng
        return {
            "id": self.new_id(),
            "name": f"{rng.choice(KINDS)} {rng.randrange(2019, 2027)}",
            "date_created": iso(created),
            "date_modified": iso(modified),
            "version": rng.choice(("1", "2", "2", "2")),
            "content_date_modified": iso(modified),
        }

    def document(self, created: float, modified: float) -> Json:
        rng = self.rng
        owner = skewed(rng, self.members).data
        status = rng.choice(STATUSES)
        template = skewed(rng, self.templates).data if rng.random() < 0.8 else None
        sent = created + (modified - created) / 2 if status in SENT else None
        completed = modified if status in ("completed", "paid") else None
        amount = f"{rng.randrange(0, 90_000) / 2:.2f}"
        return {
            "id": self.new_id(),
            "name": f"{rng.choice(DEALS)} {rng.choice(self.businesses).name}",
            "autonumbering_sequence_name_prefix": None,
            "folder_uuid": self.new_id() if rng.random() < 0.5 else None,
            "date_created": iso(created),
            "date_modified": iso(modified),
            "date_completed": iso(completed) if completed else None,
            "content_date_modified": iso(modified),
            "date_sent": iso(sent) if sent else None,
            "ref_number": f"{rng.randrange(16**5):05X}-{rng.randrange(16**5):05X}",
            "created_by": {**_shown(owner), "membership_id": owner["membership_id"]},
            "template": template and {"id": template["id"], "name": template["name"]},
            "expiration_date": iso(sent + 60 * DAY) if sent and rng.random() < 0.5 else None,
            "metadata": {"crm_deal_id": str(rng.randrange(10**7))} if rng.random() < 0.4 else {},
            "tokens": [{"name": "Client.Company", "value": "✎"}],
            "fields": [],
            "pricing": self._pricing(amount) if rng.random() < 0.7 else {},
            "tables": [],
            "images": [],
            "texts": [],
            "tags": rng.sample(("2026", "renewal", "dringend", "référence"), rng.randrange(3)),
            "sent_by": _shown(owner) if sent else None,
            "recipients": self._recipients(completed),
            "grand_total": {"amount": amount, "currency": self.account.organisation.currency},
            "linked_objects": self._links(),
            "status": f"document.{status}",
            "approval_execution": None,
            "version": "2",
            "lock": None,
        }

    def _pricing(self, amount: str) -> Json:
        name, _, price = self.rng.choice(PRODUCTS)
        item = {"id": self.new_id(), "sku": None, "qty": "1", "name": name, "price": f"{price}"}
        table = {
            "id": self.new_id(),
            "name": "Pricing Table",
            "total": amount,
            "is_included_in_total": True,
            "items": [item],
        }
        return {"tables": [table], "quotes": [], "total": amount}

    def _recipients(self, completed: float | None) -> list[Json]:
        """One or two people, now and then a group of two."""
        rng = self.rng
        chosen = [one.data for one in rng.sample(self.contacts, min(2, len(self.contacts)))]
        if chosen and rng.random() < 0.1:
            members = [{**_named(one), "id": self.new_id()} for one in chosen]
            group = {"id": self.new_id(), "type": "recipient_group", "name": "Einkauf"}
            return [{**group, "recipient_type": "signer", "role": "Client", "members": members}]
        return [
            {
                **_named(one),
                "id": self.new_id(),
                "contact_id": one["id"],
                "recipient_type": "signer" if number == 0 else "CC",
                "role": "Client",
                "has_completed": completed is not None,
                "signature_date": iso(completed) if completed else None,
                "type": "recipient",
            }
            for number, one in enumerate(chosen[: rng.randrange(1, 3)])
        ]

    def _links(self) -> list[Json]:
        if self.rng.random() < 0.7:
            return []
        deal = str(self.rng.randrange(10**6))
        return [
            {"id": self.new_id(), "provider": "copper", "entity_type": "deal", "entity_id": deal}
        ]


def _named(contact: Json) -> Json:
    """As documents repeat a contact: without a name they hold empty texts."""
    names = {name: contact[name] or "" for name in ("first_name", "last_name")}
    return {"email": contact["email"], **names}


def _shown(member: Json) -> Json:
    who = {name: member[name] for name in ("email", "first_name", "last_name")}
    return {"id": member["user_id"], **who, "avatar": None}
