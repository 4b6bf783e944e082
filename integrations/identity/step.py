"""The step: reads persons and companies, compares them, and keeps what a person should look at.

Nothing is ever merged. Decisions stand: a confirmed group is only offered to grow, a forbidden pair
never comes back. Reading and comparing hold no lock; the end, which replaces all candidates, does.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from integrations.identity.grouping import Group, groups
from integrations.identity.matching import Match, Profile, matches
from integrations.identity.names import (
    company_name,
    domain_of,
    email_of,
    number_of,
    person_name,
    phone_of,
    words_of,
)
from integrations.managers import RecordQuerySet
from integrations.models import ForbiddenPair, IdentityGroup, IdentityMember, Record
from tenants.context import current_tenant

IDENTITY_LOCK = 7004  # class of the advisory locks that let one decision at a time be made
RECORD_TYPES = ("person", "company")
LABELS = 4  # names shown of a group

Origin = tuple[str, str, str]

# Records that were purged and came back have new ids.
_REFRESH = """
UPDATE integrations_identitymember m SET record_id = r.id FROM integrations_record r
WHERE r.source_system = m.source_system AND r.entity_type = m.entity_type
    AND r.source_id = m.source_id AND m.record_id IS DISTINCT FROM r.id
"""

_CLEAR = """
WITH going AS (DELETE FROM integrations_identitygroup WHERE state = 'candidate' RETURNING id)
DELETE FROM integrations_identitymember m USING going WHERE m.group_id = going.id
"""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a step found: records compared, candidate groups, and how many are new."""

    records: int
    candidates: int
    new: int


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    origin: Origin
    record_type: str
    title: str
    data: Mapping[str, Any]


def resolve() -> Resolved:
    """Replace the tenant's candidates by what its records look like now.

    A second call finds the same and changes nothing; a group that is found again keeps its id.
    """
    rows = _read()
    found = {kind: matches(_profiles(rows, kind)) for kind in RECORD_TYPES}
    with transaction.atomic():
        hold_identities()
        with connection.cursor() as cursor:
            cursor.execute(_REFRESH)
        # What was purged while they were compared leaves no names behind.
        there = set(_present().values_list("id", flat=True))
        known = {row.id: row for row in rows if row.id in there}
        candidates = [
            (kind, group) for kind in RECORD_TYPES for group in _groups(found[kind], known)
        ]
        new = _replace(candidates, known)
    return Resolved(len(rows), len(candidates), new)


def forget_account(source_system: str) -> None:
    """Nothing is kept of the account's records. Call it in the transaction that ends the purge."""
    hold_identities()
    theirs = IdentityMember.objects.filter(source_system=source_system)
    touched = set(theirs.values_list("group_id", flat=True))
    theirs.delete()
    about = Q(left__0=source_system) | Q(right__0=source_system)
    ForbiddenPair.objects.filter(about).delete()
    kept, alone = [], []
    for group in IdentityGroup.objects.filter(pk__in=touched).with_records():
        members = list(group.members.all())
        if len(members) < 2:
            alone.append(group.pk)
            continue
        ids = {member.record_id for member in members}
        group.label = label_of(member.record.title for member in members if member.record)
        group.reasons = [why for why in group.reasons if {why["left"], why["right"]} <= ids]
        kept.append(group)
    IdentityGroup.objects.bulk_update(kept, ["label", "reasons"], batch_size=500)
    IdentityGroup.objects.filter(pk__in=alone).delete()


def hold_identities() -> None:
    """Let one decision or step of the tenant go after the other, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [IDENTITY_LOCK, current_tenant().number]
        )


def _present() -> RecordQuerySet:
    return Record.objects.present().filter(record_type__in=RECORD_TYPES)


def _read() -> list[_Row]:
    fields = ("id", "source_system", "entity_type", "source_id", "record_type", "title", "data")
    return [
        _Row(pk, (system, entity_type, source_id), kind, title, data)
        for pk, system, entity_type, source_id, kind, title, data in _present().values_list(*fields)
    ]


def _profiles(rows: Iterable[_Row], record_type: str) -> Iterator[Profile]:
    names = {row.origin: company_name(row.title) for row in rows if row.record_type == "company"}
    for row in rows:
        if row.record_type == record_type:
            yield _profile(row, names)


def _profile(row: _Row, companies: Mapping[Origin, str]) -> Profile:
    data = row.data
    texts = data.get("emails") or ()
    name = str(data.get("name") or row.title)
    is_person = row.record_type == "person"
    return Profile.of(
        id=row.id,
        record_type=row.record_type,
        name=person_name(name) if is_person else company_name(name),
        emails=_set(email_of(text) for text in texts),
        domains=_set(domain_of(text) for text in (*texts, data.get("domain") or "")),
        registrations=_set([number_of(data.get("registration_number") or "")]),
        phones=_set(phone_of(text) for text in data.get("phones") or ()),
        company=_employer(row, companies) if is_person else "",
        city=" ".join(words_of((data.get("address") or {}).get("city") or "")),
    )


def _employer(row: _Row, companies: Mapping[Origin, str]) -> str:
    ref = row.data.get("company")
    if ref and (name := companies.get((row.origin[0], ref["entity_type"], ref["source_id"]))):
        return name
    return company_name(row.data.get("company_name") or "")


def _set(values: Iterable[str]) -> frozenset[str]:
    return frozenset(filter(None, values))


def _groups(found: list[Match], known: Mapping[int, _Row]) -> list[Group]:
    """Groups of these matches among what is known, as decisions of now leave them."""
    found = [match for match in found if match.left in known and match.right in known]
    confirmed: dict[UUID, set[int]] = {}
    members = IdentityMember.objects.filter(is_confirmed=True)
    for group_id, record_id in members.values_list("group_id", "record_id"):
        if record_id in known:
            confirmed.setdefault(group_id, set()).add(record_id)
    ids = {row.origin: row.id for row in known.values()}
    apart = []
    for left, right in ForbiddenPair.objects.values_list("left", "right"):
        pair = ids.get((left[0], left[1], left[2])), ids.get((right[0], right[1], right[2]))
        if pair[0] is not None and pair[1] is not None:
            apart.append((pair[0], pair[1]))
    return groups(found, settled=confirmed.values(), forbidden=apart)


def _replace(candidates: list[tuple[str, Group]], known: Mapping[int, _Row]) -> int:
    """Store these as the only candidates; return how many were none before."""
    before: dict[UUID, set[int]] = {}
    waiting = IdentityMember.objects.filter(group__state=IdentityGroup.State.CANDIDATE)
    for group_id, record_id in waiting.values_list("group_id", "record_id"):
        before.setdefault(group_id, set()).add(record_id)
    ids = {frozenset(members): group_id for group_id, members in before.items()}
    with connection.cursor() as cursor:
        cursor.execute(_CLEAR)
    made, members, new = [], [], 0
    for kind, group in candidates:
        row = IdentityGroup(
            record_type=kind,
            label=label_of(known[pk].title for pk in sorted(group.members)),
            confidence=group.confidence,
            reasons=[asdict(match) for match in group.matches],
        )
        kept = ids.get(frozenset(group.members))
        if kept is None:
            new += 1
        else:
            row.id = kept
        made.append(row)
        members += [_member(row, known[pk]) for pk in sorted(group.members)]
    IdentityGroup.objects.bulk_create(made, batch_size=1000)
    IdentityMember.objects.bulk_create(members, batch_size=1000)
    return new


def label_of(titles: Iterable[str]) -> str:
    """The different names among the titles: "Ada Lovelace · A. Lovelace"."""
    names = list(dict.fromkeys(filter(None, titles))) or ["Nameless"]
    more = f" · and {len(names) - LABELS} more" if len(names) > LABELS else ""
    return (" · ".join(name[:60] for name in names[:LABELS]) + more)[:300]


def _member(group: IdentityGroup, row: _Row) -> IdentityMember:
    system, entity_type, source_id = row.origin
    return IdentityMember(
        group=group,
        record_id=row.id,
        source_system=system,
        entity_type=entity_type,
        source_id=source_id,
    )
