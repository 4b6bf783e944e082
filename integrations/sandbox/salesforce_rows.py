"""Salesforce rows of one organization: users, opportunity stages, accounts, contacts, deals."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from integrations.sandbox.business import Business, skewed, staff, stamps
from integrations.sandbox.names import DEALS
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

COUNTS = {"User": 12, "Account": 150, "Contact": 320, "Opportunity": 120}
PREFIXES = {
    "User": "005",
    "OpportunityStage": "01J",
    "Account": "001",
    "Contact": "003",
    "Opportunity": "006",
    "Organization": "00D",
}
DAY = 86_400
PARTS = ("Street", "City", "State", "PostalCode", "Country")
STAGES = (
    ("Prospecting", 10, False, False),
    ("Qualification", 20, False, False),
    ("Value Proposition", 45, False, False),
    ("Proposal/Price Quote", 65, False, False),
    ("Negotiation/Review", 85, False, False),
    ("Closed Won", 100, True, True),
    ("Closed Lost", 0, True, False),
)
INDUSTRIES = ("Manufacturing", "Retail", "Transportation", "Energy", "Consulting")
_TIMES = dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), "datetime")
_HEAD = {"Id": "id", **_TIMES}
_BINNED = {**_HEAD, "IsDeleted": "boolean", "Name": "string", "Description": "textarea"}
_PERSON = {"FirstName": "string", "LastName": "string", "Email": "email", "Title": "string"}
_ENDS = {"IsClosed": "boolean", "IsWon": "boolean"}
KINDS: dict[str, dict[str, str]] = {
    "User": {
        **_HEAD, **_PERSON, "Name": "string", "Username": "string", "Phone": "phone",
        "IsActive": "boolean",
    },
    "OpportunityStage": {
        **_HEAD, **_ENDS, "ApiName": "string", "MasterLabel": "string", "SortOrder": "int",
        "DefaultProbability": "double", "IsActive": "boolean",
    },
    "Account": {
        **_BINNED, "Website": "url", "Phone": "phone", "Industry": "picklist",
        "ParentId": "reference", "OwnerId": "reference",
        **{f"Billing{part}": "string" for part in PARTS},
    },
    "Contact": {
        **_BINNED, **_PERSON, "AccountId": "reference", "OwnerId": "reference", "Phone": "phone",
        "MobilePhone": "phone", **{f"Mailing{part}": "string" for part in PARTS},
    },
    "Opportunity": {
        **_BINNED, **_ENDS, "AccountId": "reference", "OwnerId": "reference",
        "Amount": "double", "StageName": "picklist", "Probability": "double",
        "CloseDate": "date",
    },
    "Organization": {"Id": "id", "Name": "string", "SystemModstamp": "datetime"},
}  # fmt: skip
"""What each object can be asked for, with the kind `describe` gives it."""

_CHECK_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


class SalesforceRows(Builder):
    """Builds rows; account 0 works with several currencies, account 1 with its own alone."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.counts = {name: setting.scaled(count) for name, count in COUNTS.items()}
        self.staff = staff(setting.seed, account.organisation, 40)
        self.made = dict.fromkeys(PREFIXES, 0)

    @property
    def has_currencies(self) -> bool:
        return self.account.number == 0

    def all(self) -> dict[str, list[Row]]:
        """Every object of the organization by the name it has in queries."""
        rows = {
            "User": self._stamped("User", self.user),
            "OpportunityStage": [row_of("OpportunityStage", one) for one in self._stages()],
        }
        for entity, build in (
            ("Account", self.company),
            ("Contact", self.contact),
            ("Opportunity", self.opportunity),
        ):
            rows[entity] = self._stamped(entity, build)
        return rows

    def user(self, number: int, created: int, modified: int) -> Json:
        person = self.staff[number % len(self.staff)]
        return {
            **self._head("User", created, modified),
            "Username": person.email if number < len(self.staff) else f"{number}.{person.email}",
            "Name": person.name,
            "FirstName": person.first,
            "LastName": person.last,
            "Email": person.email,
            "Title": person.title,
            "Phone": person.phone,
            "IsActive": number % 6 != 5,
        }

    def stage(self, name: str, rank: int, created: int, modified: int) -> Json:
        known = {stage[0]: stage[1:] for stage in STAGES}
        chance, is_closed, is_won = known.get(name, (50, False, False))
        return {
            **self._head("OpportunityStage", created, modified),
            "ApiName": name,
            "MasterLabel": name,
            "SortOrder": rank,
            "DefaultProbability": float(chance),
            "IsActive": True,
            "IsClosed": is_closed,
            "IsWon": is_won,
        }

    def company(self, number: int, created: int, modified: int) -> Json:
        rng, business = self.rng, self.businesses[number % len(self.businesses)]
        parent = (
            self.id_of("Account", rng.randrange(number)) if number and number % 25 == 0 else None
        )
        website = rng.choice(("https://www.{}", "http://{}/", "{}", "www.{}/start"))
        data = {
            **self._head("Account", created, modified),
            "IsDeleted": False,
            "Name": business.name,
            "Website": website.format(business.domain) if rng.random() < 0.9 else None,
            "Phone": business.phone,
            "Industry": rng.choice(INDUSTRIES),
            "ParentId": parent,
            "OwnerId": self._owner(),
            "Description": None,
            **_address("Billing", business if rng.random() < 0.9 else None),
        }
        return data | self._currency()

    def contact(self, number: int, created: int, modified: int) -> Json:
        rng = self.rng
        at = number % self.counts["Account"]
        business = self.businesses[at % len(self.businesses)]
        person = business.contacts[number // self.counts["Account"] % len(business.contacts)]
        return {
            **self._head("Contact", created, modified),
            "IsDeleted": False,
            "AccountId": self.id_of("Account", at) if rng.random() < 0.95 else None,
            "Name": person.name,
            "FirstName": person.first,
            "LastName": person.last,
            "Email": person.email if rng.random() < 0.93 else None,
            "Phone": business.phone if rng.random() < 0.5 else None,
            "MobilePhone": person.phone,
            "Title": person.title,
            "OwnerId": self._owner(),
            "Description": None,
            **_address("Mailing", business if rng.random() < 0.4 else None),
        }

    def opportunity(self, number: int, created: int, modified: int) -> Json:
        rng = self.rng
        at = skewed(rng, range(self.counts["Account"]))
        name, chance, is_closed, is_won = rng.choice(STAGES)
        closes = datetime.fromtimestamp(created + rng.randrange(20, 200) * DAY, UTC).date()
        business = self.businesses[at % len(self.businesses)]
        data = {
            **self._head("Opportunity", created, modified),
            "IsDeleted": False,
            "AccountId": self.id_of("Account", at),
            "Name": f"{rng.choice(DEALS)} {business.name.split()[0]} {number}",
            "Amount": float(rng.randrange(500, 250_000) // 50 * 50) if number % 20 else None,
            "StageName": name,
            "Probability": float(chance),
            "CloseDate": closes.isoformat(),
            "IsClosed": is_closed,
            "IsWon": is_won,
            "OwnerId": self._owner(),
            "Description": None,
        }
        return data | self._currency()

    def id_of(self, entity: str, number: int) -> str:
        return record_id(PREFIXES[entity], self.account.number, number)

    def _stamped(self, entity: str, build: Any) -> list[Row]:
        pairs = stamps(self.rng, self.setting.base_time, self.counts[entity])
        return [row_of(entity, build(number, *pair)) for number, pair in enumerate(pairs)]

    def _stages(self) -> list[Json]:
        begun = self.setting.base_time - 700 * DAY
        return [self.stage(one[0], rank, begun, begun + rank) for rank, one in enumerate(STAGES, 1)]

    def _head(self, entity: str, created: int, modified: int) -> Json:
        """Ids are counted, so that a row made later gets one nobody had."""
        id, self.made[entity] = self.id_of(entity, self.made[entity]), self.made[entity] + 1
        return {
            "Id": id,
            "CreatedDate": stamp_text(created),
            "LastModifiedDate": stamp_text(modified),
            "SystemModstamp": stamp_text(modified),
        }

    def _owner(self) -> str:
        return self.id_of("User", skewed(self.rng, range(self.counts["User"])))

    def _currency(self) -> Json:
        currency = self.account.organisation.currency
        return {"CurrencyIsoCode": currency} if self.has_currencies else {}


def organization(account: Account) -> Row:
    """The one row of Organization."""
    data = {"Id": account.id, "Name": account.name, "SystemModstamp": stamp_text(0)}
    return Row(account.id, 0.0, data)


def row_of(entity: str, data: Json) -> Row:
    """A record as a row; stages go by the name that opportunities hold."""
    id = data["ApiName"] if entity == "OpportunityStage" else data["Id"]
    return Row(id, float(epoch_of(data["SystemModstamp"])), data)


def restamp(row: Row, stamp: float) -> None:
    row.data["LastModifiedDate"] = row.data["SystemModstamp"] = stamp_text(stamp)
    row.stamp = float(int(stamp))


def record_id(prefix: str, account: int, number: int) -> str:
    """Eighteen characters, of which the last three tell upper from lower case in the others."""
    id = f"{prefix}Qx0{account:02d}{number:07d}"
    chunks = (id[0:5], id[5:10], id[10:15])
    bits = (sum(ch.isupper() << place for place, ch in enumerate(chunk)) for chunk in chunks)
    return id + "".join(_CHECK_LETTERS[each] for each in bits)


def stamp_text(epoch: float) -> str:
    """2026-11-19T08:15:30.000+0000: whole seconds, the offset without a colon."""
    return f"{datetime.fromtimestamp(int(epoch), UTC):%Y-%m-%dT%H:%M:%S}.000+0000"


def epoch_of(text: str) -> float:
    """Of such a stamp or of a literal in a query. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset")
    return moment.timestamp()


def _address(kind: str, business: Business | None) -> Json:
    if business is None:
        return {f"{kind}{part}": None for part in PARTS}
    values = (business.street, business.city, None, business.postal_code, business.country)
    return {f"{kind}{part}": value for part, value in zip(PARTS, values, strict=True)}
