"""Which records look like the same person or company, and why.

First what is exact: the same e-mail address, domain or registration number. Then what is similar:
names are compared only within blocks (same beginning of a word, same phone, same domain), and in a
large block only with their neighbours in the alphabet, so that the work grows with the number of
records and not with its square. A pair's confidence is

    how alike the names are (0 to 1)  ×  what the strongest other sign is worth (SIGNS)

and pairs below LEAST_CONFIDENCE are none.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from integrations.identity.names import likeness, pairs_of_letters

EXACT = {
    "email": ("same e-mail address", 0.98),
    "registration": ("same registration number", 0.99),
    "domain": ("same domain", 0.92),
}
SIGNS = {
    "person": {
        "phone": ("same phone number", 0.95),
        "company": ("same company", 0.90),
        "domain": ("e-mail at the same domain", 0.88),
        "city": ("same city", 0.75),
        "": ("nothing else in common", 0.60),
    },
    "company": {
        "phone": ("same phone number", 0.97),
        "city": ("same city", 0.93),
        "": ("nothing else in common", 0.80),
    },
}
LEAST_LIKENESS = 0.75
LEAST_CONFIDENCE = 0.70
BLOCK = 40  # records of which every pair is compared
NEIGHBOURS = 6  # in the alphabet, in larger blocks
SHARED_BY_AT_MOST = 20  # an address or a number that more records have is nobody's own
PREFIX = 4  # letters that two words of a block begin with


@dataclass(frozen=True, slots=True)
class Profile:
    """What is compared of one record; every value in the form that `names` gives it."""

    id: int
    record_type: str
    name: str
    emails: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    registrations: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    company: str = ""
    city: str = ""
    letters: frozenset[str] = field(default=frozenset(), compare=False)

    @classmethod
    def of(cls, **values: object) -> "Profile":
        """A profile with the letters of its name."""
        return cls(**values, letters=pairs_of_letters(str(values["name"])))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Match:
    """Two records (the smaller id first) that look like one, and why."""

    left: int
    right: int
    reason: str
    confidence: float


def matches(profiles: Iterable[Profile]) -> list[Match]:
    """The best match of every pair that has one, the surest first. One record type at a time."""
    known = {profile.id: profile for profile in profiles}
    best: dict[tuple[int, int], Match] = {}
    for match in (*_exact(known), *_similar(known)):
        pair = match.left, match.right
        if pair not in best or best[pair].confidence < match.confidence:
            best[pair] = match
    return sorted(best.values(), key=lambda match: (-match.confidence, match.left, match.right))


def _exact(known: Mapping[int, Profile]) -> Iterator[Match]:
    for kind, values in (("email", "emails"), ("registration", "registrations")):
        yield from _sharing(known, kind, values)
    companies = {p.id: p for p in known.values() if p.record_type == "company"}
    yield from _sharing(companies, "domain", "domains")


def _sharing(known: Mapping[int, Profile], kind: str, values: str) -> Iterator[Match]:
    """Every two that have the same value."""
    reason, confidence = EXACT[kind]
    for ids in _blocks((value, p.id) for p in known.values() for value in getattr(p, values)):
        if len(ids) <= SHARED_BY_AT_MOST:
            for left, right in combinations(ids, 2):
                yield Match(left, right, reason, confidence)


def _similar(known: Mapping[int, Profile]) -> Iterator[Match]:
    compared: set[tuple[int, int]] = set()
    for ids in _blocks((key, p.id) for p in known.values() for key in _keys(p)):
        for pair in _neighbours(ids, known):
            if pair not in compared:
                compared.add(pair)
                match = _compared(known[pair[0]], known[pair[1]])
                if match is not None:
                    yield match


def _blocks(keyed: Iterable[tuple[str, int]]) -> Iterator[list[int]]:
    """The ids under each key, those under which there is but one left out."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for key, profile_id in keyed:
        found[key].add(profile_id)
    for ids in found.values():
        if len(ids) > 1:
            yield sorted(ids)


def _keys(profile: Profile) -> Iterator[str]:
    """Under what a record is filed: by its words' beginnings, its phones, its e-mails' domains."""
    words = profile.name.split()
    if profile.record_type == "company":
        words = words[:2]
    for word in words:
        yield f"name {word[:PREFIX]}"
    for phone in profile.phones:
        yield f"phone {phone}"
    if profile.record_type == "person":
        for domain in profile.domains:
            yield f"domain {domain}"


def _neighbours(ids: list[int], known: Mapping[int, Profile]) -> Iterator[tuple[int, int]]:
    """The pairs of a block worth comparing, the smaller id first."""
    reach = len(ids) if len(ids) <= BLOCK else NEIGHBOURS
    if len(ids) > BLOCK:
        ids = sorted(ids, key=lambda profile_id: known[profile_id].name)
    for at, left in enumerate(ids):
        for right in ids[at + 1 : at + 1 + reach]:
            yield (left, right) if left < right else (right, left)


def _compared(left: Profile, right: Profile) -> Match | None:
    alike = likeness(left.letters, right.letters)
    if alike < LEAST_LIKENESS:
        return None
    sign, worth = SIGNS[left.record_type][_sign(left, right)]
    confidence = round(alike * worth, 2)
    if confidence < LEAST_CONFIDENCE:
        return None
    name = "same name" if alike == 1 else "similar name"
    return Match(left.id, right.id, f"{name}, {sign}", confidence)


def _sign(left: Profile, right: Profile) -> str:
    """The strongest thing the two have in common besides their names; '' if there is none."""
    if left.phones & right.phones:
        return "phone"
    if left.record_type == "person":
        if left.company and left.company == right.company:
            return "company"
        if left.domains & right.domains:
            return "domain"
    return "city" if left.city and left.city == right.city else ""
