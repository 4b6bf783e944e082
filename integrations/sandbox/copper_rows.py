"""Copper's rows of one account: companies, people, deals, leads, tasks and the small lists."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from integrations.sandbox.business import Business, Contact, businesses, skewed, staff, stamps
from integrations.sandbox.names import DEALS
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

COUNTS = {"companies": 300, "people": 700, "opportunities": 250, "leads": 150, "tasks": 200}
STATUSES = ("Open", "Won", "Lost", "Abandoned")
LEAD_STATUSES = ("New", "Contacted", "Unqualified", "Qualified")
STAGES = ("Erstkontakt", "Qualified", "Angebot", "Negotiation", "Contract sent")
TAGS = ("vip", "messe-2025", "newsletter", "référence", "partner", "überfällig")


class CopperRows(Builder):
    """Builds rows; ids are unique within their type only, and differ per account."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.base = (account.number + 1) * 10_000_000
        count = setting.scaled(COUNTS["companies"])
        key = account.organisation.key
        self.businesses = businesses(setting.seed, key, count)
        self.staff = staff(setting.seed, account.organisation, 40)
        self.counts = {name: setting.scaled(count) for name, count in COUNTS.items()}

    def all(self) -> dict[str, list[Row]]:
        """Every entity of the account."""
        builders = {
            "companies": self.company,
            "people": self.person,
            "opportunities": self.opportunity,
            "leads": self.lead,
            "tasks": self.task,
        }
        rows = {
            name: [_small(entry) for entry in entries] for name, entries in self.lists().items()
        }
        for entity, build in builders.items():
            pairs = stamps(self.rng, self.setting.base_time, self.counts[entity])
            rows[entity] = [
                row_of(build(number, created, modified))
                for number, (created, modified) in enumerate(pairs)
            ]
        return rows

    def lists(self) -> dict[str, list[Json]]:
        """The reference lists, without paging."""
        base = self.base
        pipelines = [
            {
                "id": base + 213_214,
                "name": "Sales",
                "type": "opportunity",
                "is_revenue": True,
                "stages": self._stages(),
            }
        ]
        options = [
            {"id": base + 2_082_340 + rank, "name": name, "rank": rank}
            for rank, name in enumerate(("Handel", "Industry", "Services", "Santé"))
        ]
        field = base + 705_300
        everywhere = ["company", "lead", "person", "opportunity"]
        return {
            "users": [
                {"id": self.user_id(number), "name": person.name, "email": person.email}
                for number, person in enumerate(self.staff[:12])
            ],
            "pipelines": pipelines,
            "pipeline_stages": self._stages(),
            "activity_types": [
                {"id": 0, "category": "user", "name": "Note", "is_disabled": False},
                {"id": base + 1, "category": "user", "name": "Phone Call", "is_disabled": False},
                {"id": 1, "category": "system", "name": "Property Changed", "is_disabled": False},
                {"id": 3, "category": "system", "name": "Stage Changed", "is_disabled": False},
            ],
            "contact_types": _named(base + 451_490, ("Kunde", "Prospect", "Fournisseur", "Other")),
            "customer_sources": _named(
                base + 331_240, ("Messe", "Referral", "Website", "Cold call")
            ),
            "lead_statuses": [
                {
                    "id": base + 208_231 + order,
                    "name": name,
                    "order": order,
                    "is_default": not order,
                }
                for order, name in enumerate(LEAD_STATUSES)
            ],
            "loss_reasons": _named(base + 135_601, ("Price", "Termin", "Competitor")),
            "custom_field_definitions": [
                _field(field, "Industry", "Dropdown", everywhere, options=options),
                _field(field + 1, "Customer since", "Date", ["company"]),
                _field(field + 2, "Credit score", "Float", ["company"]),
                _field(field + 3, "Newsletter", "Checkbox", ["person", "lead"]),
                _field(field + 4, "Interests", "MultiSelect", ["company"], options=options),
                _field(field + 5, "Background", "Text", ["company"]),
                _field(field + 6, "Share of wallet", "Percentage", ["company"]),
                _field(field + 7, "Parent of", "Connect", ["company"], connected_id=field + 8),
                _field(field + 8, "Child of", "Connect", ["company"], connected_id=field + 7),
            ],
            "tags": [{"id": base + number, "name": tag} for number, tag in enumerate(TAGS)],
        }

    def company(self, number: int, created: int, modified: int) -> Json:
        rng, business = self.rng, self.businesses[number % len(self.businesses)]
        return {
            "id": self.company_id(number),
            "name": business.name,
            "address": _address(business) if rng.random() < 0.9 else None,
            "assignee_id": self._assignee(),
            "contact_type_id": self.base + 451_490 + rng.randrange(4),
            "details": None,
            "email_domain": business.domain,
            "phone_numbers": [{"number": business.phone, "category": "work"}],
            "primary_contact_id": self.person_id(number)
            if number < self.counts["people"]
            else None,
            "socials": [],
            "tags": self._tags(),
            "websites": [{"url": f"https://{business.domain}", "category": "work"}],
            "custom_fields": self._company_fields(created),
            "interaction_count": rng.randrange(40),
            "date_created": created,
            "date_modified": modified,
        }

    def person(self, number: int, created: int, modified: int) -> Json:
        """Person n works at company n mod the number of companies; some work nowhere."""
        rng = self.rng
        at = number % len(self.businesses)
        business = self.businesses[at]
        contact = business.contacts[number // len(self.businesses) % len(business.contacts)]
        employed = number < len(self.businesses) or rng.random() < 0.95
        return {
            **self._who(contact),
            "id": self.person_id(number),
            "address": _address(business) if rng.random() < 0.5 else None,
            "company_id": self.company_id(at) if employed else None,
            "company_name": business.name if employed else None,
            "contact_type_id": self.base + 451_490 + rng.randrange(4),
            "emails": [{"email": contact.email, "category": "work"}],
            "date_last_contacted": modified if rng.random() < 0.6 else None,
            "leads_converted_from": [],
            "date_lead_created": None,
            "custom_fields": [
                {"custom_field_definition_id": self.base + 705_303, "value": rng.random() < 0.5}
            ],
            "date_created": created,
            "date_modified": modified,
        }

    def opportunity(self, number: int, created: int, modified: int) -> Json:
        rng = self.rng
        at = skewed(rng, range(len(self.businesses)))
        status = rng.choices(STATUSES, weights=(55, 25, 15, 5))[0]
        close = datetime.fromtimestamp(created + rng.randrange(20, 200) * 86_400, UTC)
        return {
            "id": self.base + 2_827_000 + number,
            "name": f"{rng.choice(DEALS)} {self.businesses[at].name.split()[0]}",
            "assignee_id": self._assignee(),
            "close_date": f"{close.month}/{close.day}/{close.year}",
            "company_id": self.company_id(at),
            "company_name": self.businesses[at].name,
            "customer_source_id": self.base + 331_240 + rng.randrange(4),
            "details": "",
            "loss_reason_id": self.base + 135_601 + rng.randrange(3) if status == "Lost" else None,
            "pipeline_id": self.base + 213_214,
            "pipeline_type": "opportunity",
            "pipeline_is_revenue": True,
            "pipeline_stage_id": self.base + 987_790 + rng.randrange(len(STAGES)),
            "primary_contact_id": self.person_id(at) if at < self.counts["people"] else None,
            "priority": rng.choice(("None", "Low", "Medium", "High")),
            "status": status,
            "tags": self._tags(),
            "interaction_count": rng.randrange(20),
            "monetary_unit": self.account.organisation.currency,
            "monetary_value": rng.randrange(500, 250_000) // 50 * 50,
            "converted_unit": None,
            "converted_value": None,
            "win_probability": rng.randrange(0, 101, 5),
            "date_stage_changed": modified,
            "date_last_contacted": modified if rng.random() < 0.7 else None,
            "leads_converted_from": [],
            "date_lead_created": None,
            "date_created": created,
            "date_modified": modified,
            "custom_fields": [],
        }

    def lead(self, number: int, created: int, modified: int) -> Json:
        """A lead has one e-mail object, or null, and its company only as text."""
        rng = self.rng
        business = rng.choice(self.businesses)
        contact = business.contacts[2]
        status = rng.randrange(len(LEAD_STATUSES))
        worth = rng.randrange(500, 40_000) if rng.random() < 0.6 else None
        return {
            **self._who(contact),
            "id": self.base + 8_894_000 + number,
            "address": None,
            "company_name": business.name,
            "customer_source_id": self.base + 331_240 + rng.randrange(4),
            "email": (
                {"email": contact.email, "category": "work"} if rng.random() < 0.85 else None
            ),
            "monetary_unit": self.account.organisation.currency if worth else None,
            "monetary_value": worth,
            "converted_unit": None,
            "converted_value": None,
            "status": LEAD_STATUSES[status],
            "status_id": self.base + 208_231 + status,
            "converted_opportunity_id": None,
            "converted_contact_id": None,
            "converted_at": None,
            "date_last_contacted": None,
            "custom_fields": [],
            "date_created": created,
            "date_modified": modified,
        }

    def task(self, number: int, created: int, modified: int) -> Json:
        rng = self.rng
        done = rng.random() < 0.6
        at = rng.randrange(len(self.businesses))
        return {
            "id": self.base + 3_716_000 + number,
            "name": rng.choice(("Call back", "Angebot senden", "Prepare visit", "Check invoice")),
            "related_resource": {"id": self.company_id(at), "type": "company"},
            "assignee_id": self._assignee(),
            "due_date": created + rng.randrange(1, 40) * 86_400,
            "reminder_date": None,
            "completed_date": modified if done else None,
            "priority": rng.choice(("None", "High")),
            "status": "Completed" if done else "Open",
            "details": None,
            "tags": [],
            "custom_fields": [],
            "date_created": created,
            "date_modified": modified,
        }

    def company_id(self, number: int) -> int:
        return self.base + 73_001 + number

    def person_id(self, number: int) -> int:
        return self.base + 140_001 + number

    def user_id(self, number: int) -> int:
        return self.base + 137_658 + number

    def _who(self, contact: Contact) -> Json:
        return {
            "name": contact.name,
            "prefix": None,
            "first_name": contact.first,
            "middle_name": None,
            "last_name": contact.last,
            "suffix": None,
            "assignee_id": self._assignee(),
            "details": None,
            "phone_numbers": [{"number": contact.phone, "category": "mobile"}],
            "socials": [],
            "tags": self._tags(),
            "title": contact.title,
            "websites": [],
            "interaction_count": self.rng.randrange(20),
        }

    def _assignee(self) -> int | None:
        return self.user_id(self.rng.randrange(12)) if self.rng.random() < 0.8 else None

    def _tags(self) -> list[str]:
        return sorted(self.rng.sample(TAGS, self.rng.choice((0, 0, 1, 2))))

    def _stages(self) -> list[Json]:
        return [
            {
                "id": self.base + 987_790 + order,
                "name": name,
                "pipeline_id": self.base + 213_214,
                "win_probability": 20 * order,
            }
            for order, name in enumerate(STAGES)
        ]

    def _company_fields(self, created: int) -> list[Json]:
        rng, field, option = self.rng, self.base + 705_300, self.base + 2_082_340
        values: list[Any] = [
            option + rng.randrange(4),
            created,
            round(rng.uniform(0, 10), 1),
            None,
            sorted(option + number for number in rng.sample(range(4), rng.randrange(3))),
            rng.choice((None, "Seit der Messe in Kontakt.", "Rappelle toujours le lundi.")),
            rng.randrange(101),
            [],
            [],
        ]
        return [
            {"custom_field_definition_id": field + number, "value": value}
            for number, value in enumerate(values)
            if number != 3  # only people and leads have this one
        ]


def row_of(data: Json) -> Row:
    """A Copper object as a row: its stamp is date_modified."""
    return Row(str(data["id"]), float(data["date_modified"]), data)


def _small(entry: Json) -> Row:
    return Row(str(entry["id"]), 0.0, entry)


def _named(first: int, names: tuple[str, ...]) -> list[Json]:
    return [{"id": first + number, "name": name} for number, name in enumerate(names)]


def _field(id: int, name: str, kind: str, on: list[str], **more: Any) -> Json:
    base = {"id": id, "name": name, "data_type": kind, "available_on": on, "is_filterable": True}
    return {**base, **more}


def _address(business: Business) -> Json:
    return {
        "street": business.street,
        "city": business.city,
        "state": None,
        "postal_code": business.postal_code,
        "country": business.country,
    }
