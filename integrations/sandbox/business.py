"""The made-up business world: two organisations, the businesses they deal with, their staff.

All providers draw from the same businesses, so that a company in the CRM is found again as a
customer in the books. Everything follows from the seed: the same in every process.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from integrations.sandbox.names import REGIONS, STEMS, TITLES, TRADES, Region

DAY = 86_400
SPAN_SECONDS = 730 * DAY
"""Rows spread over the two years before the base time."""

SHARED_STAMP_EVERY = 100
SHARED_STAMP_REACH = 12
"""Around every 100th row, in order of change, 24 rows carry one stamp, as after an import."""

_ASCII = str.maketrans({"ł": "l", "Ł": "L", "ß": "ss", "æ": "ae", "Æ": "Ae", "þ": "th", "Þ": "Th"})


@dataclass(frozen=True, slots=True)
class Organisation:
    """One of the two businesses whose accounts the sandbox holds at every provider."""

    key: str
    name: str
    domain: str
    currency: str
    country: str
    timezone: str


NORDLICHT = Organisation(
    "nordlicht", "Nordlicht GmbH", "nordlicht.example", "EUR", "DE", "Europe/Berlin"
)
HARBOUR = Organisation(
    "harbour", "Harbour & Vale Ltd", "harbourvale.example", "GBP", "GB", "Europe/London"
)
ORGANISATIONS = (NORDLICHT, HARBOUR)


@dataclass(frozen=True, slots=True)
class Contact:
    """A made-up person at a business."""

    first: str
    last: str
    email: str
    title: str
    phone: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


@dataclass(frozen=True, slots=True)
class Business:
    """A made-up business somebody trades with."""

    name: str
    domain: str
    street: str
    city: str
    postal_code: str
    country: str
    phone: str
    contacts: tuple[Contact, ...]


@lru_cache(maxsize=16)
def businesses(seed: int, organisation: str, count: int) -> tuple[Business, ...]:
    """`count` businesses with unique names and domains and three contacts each."""
    rng = Random(f"{seed}:businesses:{organisation}")
    taken: set[str] = set()
    return tuple(_business(rng, number, taken) for number in range(count))


@lru_cache(maxsize=16)
def staff(seed: int, organisation: Organisation, count: int) -> tuple[Contact, ...]:
    """`count` people who work at the organisation, with unique addresses."""
    rng = Random(f"{seed}:staff:{organisation.key}")
    home = next(region for region in REGIONS if region.country == organisation.country)
    people = []
    for number in range(count):
        region = home if number % 3 else rng.choice(REGIONS)
        people.append(_contact(rng, region, organisation.domain, number))
    return tuple(people)


def stamps(rng: Random, base_time: int, count: int) -> list[tuple[int, int]]:
    """(created, modified) per row, epoch seconds before `base_time`; runs share one stamp."""
    pairs = []
    for _ in range(count):
        created = base_time - rng.randrange(DAY // 2, SPAN_SECONDS)
        modified = created + int((base_time - 1 - created) * rng.random() ** 2)
        pairs.append((created, modified))
    order = sorted(range(count), key=lambda index: pairs[index][1])
    for edge in range(SHARED_STAMP_EVERY, count, SHARED_STAMP_EVERY):
        shared = pairs[order[edge]][1]
        for index in order[edge - SHARED_STAMP_REACH : edge + SHARED_STAMP_REACH]:
            pairs[index] = (min(pairs[index][0], shared), shared)
    return pairs


def skewed(rng: Random, choices: Sequence[Any]) -> Any:
    """One of `choices`, the early ones more often: a few customers buy most."""
    return choices[int(len(choices) * rng.random() ** 1.6)]


def _business(rng: Random, number: int, taken: set[str]) -> Business:
    region = rng.choices(REGIONS, weights=(30, 18, 18, 14, 10, 5, 5))[0]
    stem, trade = rng.choice(STEMS), rng.choice(TRADES)
    city, postal_code = rng.choice(region.cities)
    name = f"{stem} {trade} {rng.choice(region.suffixes)}"
    if name in taken:
        name = f"{stem} {trade} {city} {number}"
    taken.add(name)
    domain = f"{ascii_slug(stem)}-{ascii_slug(trade)}-{number}.example"
    return Business(
        name=name,
        domain=domain,
        street=f"{rng.choice(region.streets)} {rng.randrange(1, 120)}",
        city=city,
        postal_code=postal_code,
        country=region.country,
        phone=f"{region.dial}555{rng.randrange(10**6):06d}",
        contacts=tuple(_contact(rng, region, domain, index) for index in range(3)),
    )


def _contact(rng: Random, region: Region, domain: str, number: int) -> Contact:
    first, last = rng.choice(region.firsts), rng.choice(region.lasts)
    local = ".".join(filter(None, (ascii_slug(first), ascii_slug(last)))) or "kontakt"
    return Contact(
        first=first,
        last=last,
        email=f"{local}.{number}@{domain}" if number else f"{local}@{domain}",
        title=rng.choice(TITLES),
        phone=f"{region.dial}555{rng.randrange(10**6):06d}",
    )


def ascii_slug(text: str) -> str:
    """`text` in lower-case ASCII letters and digits; may be empty (日本)."""
    plain = unicodedata.normalize("NFKD", text.translate(_ASCII)).encode("ascii", "ignore")
    return "".join(ch for ch in plain.decode().lower() if ch.isalnum())
