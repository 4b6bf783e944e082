"""HubSpot rows of one account: owners, pipelines with stages, companies, contacts, deals."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from integrations.sandbox.business import Business, skewed, staff, stamps
from integrations.sandbox.names import DEALS
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

COUNTS = {"owners": 9, "companies": 150, "contacts": 320, "deals": 120}
MOST_OWNERS = 60
"""However large the account is: few have more seats."""
FIRST_IDS = {"owners": 6_166_000, "companies": 8_800, "contacts": 430_000, "deals": 15_000}
CHANGED = {
    "companies": "hs_lastmodifieddate",
    "contacts": "lastmodifieddate",
    "deals": "hs_lastmodifieddate",
}
"""The property in which each kind of object says when it changed."""
DAY = 86_400
STAGES = (
    ("appointmentscheduled", "Termin vereinbart", "0.2"),
    ("qualifiedtobuy", "Qualified to buy", "0.4"),
    ("presentationscheduled", "Presentation scheduled", "0.6"),
    ("contractsent", "Vertrag verschickt", "0.9"),
    ("closedwon", "Closed won", "1.0"),
    ("closedlost", "Closed lost", "0.0"),
)


class HubSpotRows(Builder):
    """Builds rows. What an object is associated with stands beside its data, under `links`."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.counts = {name: setting.scaled(count) for name, count in COUNTS.items()}
        self.counts["owners"] = min(self.counts["owners"], MOST_OWNERS)
        self.staff = staff(setting.seed, account.organisation, 40)
        self.made = dict.fromkeys((*COUNTS, "pipelines", "stages"), 0)

    def all(self) -> dict[str, list[Row]]:
        """Every kind of thing in the account."""
        base, begun = self.setting.base_time, self.setting.base_time - 700 * DAY
        builds = {
            "owners": self.owner,
            "companies": self.company,
            "contacts": self.contact,
            "deals": self.deal,
        }
        rows = {"pipelines": [self.pipeline("default", "Sales", begun)]}
        rows["stages"] = [self.stage(*stage, begun) for stage in STAGES]
        for kind, build in builds.items():
            pairs = stamps(self.rng, base, self.counts[kind])
            rows[kind] = [build(number, *pair) for number, pair in enumerate(pairs)]
        return rows

    def owner(self, number: int, created: int, modified: int) -> Row:
        person = self.staff[number % len(self.staff)]
        data = {
            "id": self._next("owners"),
            "email": person.email if number < len(self.staff) else f"{number}.{person.email}",
            "type": "PERSON",
            "firstName": person.first,
            "lastName": person.last,
            "userId": 1_296_000 + number,
            "userIdIncludingInactive": 1_296_000 + number,
            **_times(created, modified),
            "archived": False,
            "teams": [],
        }
        return Row(data["id"], float(modified), data)

    def pipeline(self, id: str, label: str, at: int) -> Row:
        rank = self.made["pipelines"]
        self.made["pipelines"] += 1
        data = {"id": id, "label": label, "displayOrder": rank, **_times(at, at), "archived": False}
        return Row(id, float(at), data)

    def stage(self, id: str, label: str, chance: str, at: int) -> Row:
        """All stages belong to the first pipeline."""
        rank = self.made["stages"]
        self.made["stages"] += 1
        metadata = {"isClosed": str(id.startswith("closed")).lower(), "probability": chance}
        data = {
            "id": id,
            "label": label,
            "displayOrder": rank,
            "metadata": metadata,
            **_times(at, at),
            "archived": False,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        }
        return Row(id, float(at), data, scope="default")

    def company(self, number: int, created: int, modified: int) -> Row:
        rng, business = self.rng, self.businesses[number % len(self.businesses)]
        return self._object(
            "companies",
            created,
            modified,
            {
                "name": business.name if number % 40 else None,
                "domain": business.domain,
                "phone": business.phone,
                "industry": rng.choice(("MACHINERY", "RETAIL", None)),
                "numberofemployees": str(rng.randrange(2, 900)),
                "annualrevenue": None,
                "hubspot_owner_id": self._owner(),
                **_place(business if rng.random() < 0.9 else None),
            },
            {},
        )

    def contact(self, number: int, created: int, modified: int) -> Row:
        rng = self.rng
        at = number % self.counts["companies"]
        business = self.businesses[at % len(self.businesses)]
        person = business.contacts[number // self.counts["companies"] % len(business.contacts)]
        is_named = number % 30 != 7
        employed = rng.random() < 0.93
        return self._object(
            "contacts",
            created,
            modified,
            {
                "firstname": person.first if is_named else None,
                "lastname": person.last if is_named else None,
                "email": person.email,
                "phone": business.phone if rng.random() < 0.6 else None,
                "mobilephone": person.phone if rng.random() < 0.6 else None,
                "jobtitle": person.title,
                "company": business.name if employed else None,
                "hubspot_owner_id": self._owner(),
                **_place(business if rng.random() < 0.3 else None),
            },
            {"companies": [self.id_of("companies", at)] if employed else []},
        )

    def deal(self, number: int, created: int, modified: int) -> Row:
        rng = self.rng
        at = skewed(rng, range(self.counts["companies"]))
        stage = rng.choice(STAGES)[0]
        business = self.businesses[at % len(self.businesses)]
        closes = datetime.fromtimestamp(created + rng.randrange(20, 200) * DAY, UTC)
        people = [self.id_of("contacts", at)] if at < self.counts["contacts"] else []
        return self._object(
            "deals",
            created,
            modified,
            {
                "dealname": f"{rng.choice(DEALS)} {business.name.split()[0]} {number}",
                "amount": f"{rng.randrange(50_000, 25_000_000) / 100:.2f}" if number % 15 else None,
                "deal_currency_code": self.account.organisation.currency,
                "dealstage": stage,
                "pipeline": "default",
                "closedate": f"{closes:%Y-%m-%dT00:00:00.000Z}",
                "hubspot_owner_id": self._owner(),
                "hs_is_closed": str(stage.startswith("closed")).lower(),
                "hs_is_closed_won": str(stage == "closedwon").lower(),
            },
            {"companies": [self.id_of("companies", at)], "contacts": people},
        )

    def id_of(self, kind: str, number: int) -> str:
        return str((self.account.number + 1) * 10_000_000 + FIRST_IDS[kind] + number)

    def _object(self, kind: str, created: int, modified: int, held: Json, links: Json) -> Row:
        id = self._next(kind)
        changed = {CHANGED[kind]: stamp_text(modified)}
        own = {"createdate": stamp_text(created), **changed, "hs_object_id": id}
        times = _times(created, modified)
        data = {"id": id, "properties": {**held, **own}, **times, "archived": False, "links": links}
        return Row(id, float(modified), data)

    def _next(self, kind: str) -> str:
        """Ids are counted, so that a row made later gets one nobody had."""
        number, self.made[kind] = self.made[kind], self.made[kind] + 1
        return self.id_of(kind, number)

    def _owner(self) -> str | None:
        if self.rng.random() < 0.05:
            return None
        return self.id_of("owners", skewed(self.rng, range(self.counts["owners"])))


def restamp(row: Row, stamp: float) -> None:
    """The row changed at `stamp`, of which milliseconds are kept."""
    text = stamp_text(stamp)
    row.data["updatedAt"] = text
    held = row.data.get("properties", {})
    for name in set(CHANGED.values()) & set(held):
        held[name] = text
    row.stamp = int(stamp * 1000) / 1000


def stamp_text(epoch: float) -> str:
    """2026-11-19T08:15:30.123Z"""
    thousandths = int(epoch * 1000)
    at = datetime.fromtimestamp(thousandths // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{thousandths % 1000:03d}Z"


def _times(created: int, modified: int) -> Json:
    return {"createdAt": stamp_text(created), "updatedAt": stamp_text(modified)}


def _place(business: Business | None) -> Json:
    if business is None:
        return dict.fromkeys(("address", "city", "state", "zip", "country"))
    return {
        "address": business.street,
        "city": business.city,
        "state": None,
        "zip": business.postal_code,
        "country": business.country,
    }
