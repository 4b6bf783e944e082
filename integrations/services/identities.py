"""What people decide about identities: run the step, confirm, split, forbid."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

import orjson
from django.db import transaction
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from integrations.errors import InvalidInputError, NotFoundRefusedError, RefusedError
from integrations.identity.step import Origin, Resolved, hold_identities, label_of, resolve
from integrations.models import ForbiddenPair, IdentityGroup, IdentityMember
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.decorators import requires_role
from tenants.roles import Role

State = IdentityGroup.State


@requires_role(Role.OPERATOR)
def resolve_identities(*, actor: Actor) -> Resolved:
    """Look for records that are one person or company; people decide about what is found.

    Safe to call again at any time: decisions stay, and what was found before keeps its id.
    """
    found = resolve()
    record_event(
        AuditAction.IDENTITIES_RESOLVED,
        actor=actor,
        target=current_tenant(),
        detail={"records": found.records, "candidates": found.candidates, "new": found.new},
    )
    return found


@requires_role(Role.OPERATOR)
@transaction.atomic
def confirm_identity(*, group: IdentityGroup, actor: Actor) -> IdentityGroup:
    """The records of the group are one person or company from now on.

    Confirmed groups that share a record with it become part of it.

    Raises:
        RefusedError: it was decided already, or two of the records were said not to be the same.
    """
    row, members = _held(group, State.CANDIDATE)
    origins = [member.origin for member in members]
    shared = IdentityMember.objects.filter(
        is_confirmed=True, record_id__in=[member.record_id for member in members]
    )
    absorbed = IdentityGroup.objects.filter(pk__in=shared.values("group_id"))
    grown = IdentityMember.objects.filter(group__in=absorbed)
    others = [member for member in grown if member.origin not in origins]
    together = [*members, *others]
    if _forbidden_among(member.origin for member in together):
        raise RefusedError("Two of these records were said not to be the same; look again.")
    IdentityMember.objects.filter(pk__in=[member.pk for member in others]).update(group=row)
    absorbed.delete()
    row.members.update(is_confirmed=True)
    _decided(row, State.CONFIRMED, actor)
    record_event(
        AuditAction.IDENTITY_CONFIRMED,
        actor=actor,
        target=row,
        detail={"records": len(together)},
    )
    return row


@requires_role(Role.OPERATOR)
@transaction.atomic
def split_identity(
    *, group: IdentityGroup, record_ids: Collection[int], actor: Actor
) -> IdentityGroup | None:
    """These records are somebody else than the rest; return what they are among themselves.

    They never come into one group with the rest again. Two or more of them are a candidate of
    their own; a single one is in no group. A rest of one is no group either.

    Raises:
        InvalidInputError: none of them is in the group, or all are.
        RefusedError: the group was refused already, or some were confirmed to be one with the rest.
    """
    row, members = _held(group, State.CANDIDATE, State.CONFIRMED)
    taken = [member for member in members if member.record_id in record_ids]
    rest = [member for member in members if member.record_id not in record_ids]
    if not taken or not rest or len(taken) != len(set(record_ids)):
        said = "Name some of the group's records, and not all of them."
        raise InvalidInputError("The group was not split.", {"records": [said]})
    known = _confirmed_elsewhere(row, members)
    if any(_are_one(known, one, other) for one in taken for other in rest):
        raise RefusedError("Some of these were confirmed to be one; split that group instead.")
    _forbid(((one, other) for one in taken for other in rest), actor)
    own = _moved(row, taken) if len(taken) > 1 else None
    if own is None:
        IdentityMember.objects.filter(pk=taken[0].pk).delete()
    row.reasons = _within(row, rest)
    if len(rest) == 1:
        row.members.update(is_confirmed=False)
        _decided(row, State.REFUSED, actor)
    else:
        row.label = _label(rest)
        row.save(update_fields=["reasons", "label"])
    record_event(
        AuditAction.IDENTITY_SPLIT,
        actor=actor,
        target=row,
        detail={"taken": [str(member) for member in taken]},
    )
    return own


@requires_role(Role.OPERATOR)
@transaction.atomic
def forbid_identity(*, group: IdentityGroup, actor: Actor) -> None:
    """No two records of the group are the same; none of these pairs is ever found again.

    Where confirmed groups were to grow, they stay as they are: only growing was refused.

    Raises:
        RefusedError: it was refused already.
    """
    row, members = _held(group, State.CANDIDATE, State.CONFIRMED)
    known = _confirmed_elsewhere(row, members)
    pairs = ((one, other) for at, one in enumerate(members) for other in members[at + 1 :])
    _forbid((pair for pair in pairs if not _are_one(known, *pair)), actor)
    row.members.update(is_confirmed=False)
    _decided(row, State.REFUSED, actor)
    record_event(
        AuditAction.IDENTITY_FORBIDDEN,
        actor=actor,
        target=row,
        detail={"records": [str(member) for member in members]},
    )


def _held(group: IdentityGroup, *states: str) -> tuple[IdentityGroup, list[IdentityMember]]:
    """The group and its members as they are now, held until the transaction ends."""
    hold_identities()
    row = IdentityGroup.objects.filter(pk=group.pk).first()
    if row is None:
        raise NotFoundRefusedError("The records do not look like that any more; look again.")
    if row.state not in states:
        raise RefusedError(f"This was decided already: {row.get_state_display().lower()}.")
    return row, list(row.members.select_related("record"))


def _confirmed_elsewhere(
    row: IdentityGroup, members: Iterable[IdentityMember]
) -> dict[int | None, UUID]:
    """The other confirmed groups that records of this one are in, by record."""
    theirs = IdentityMember.objects.filter(
        is_confirmed=True, record_id__in=[member.record_id for member in members]
    ).exclude(group=row)
    return dict(theirs.values_list("record_id", "group_id"))


def _are_one(known: Mapping[int | None, UUID], one: IdentityMember, other: IdentityMember) -> bool:
    group_id = known.get(one.record_id)
    return group_id is not None and group_id == known.get(other.record_id)


def _decided(row: IdentityGroup, state: str, actor: Actor) -> None:
    row.state, row.decided_at, row.decided_by = state, timezone.now(), actor.label[:200]
    row.label = _label(row.members.select_related("record")) or row.label
    row.save()


def _moved(row: IdentityGroup, taken: list[IdentityMember]) -> IdentityGroup:
    """A candidate of those that were taken out."""
    own = IdentityGroup.objects.create(
        record_type=row.record_type,
        label=_label(taken),
        confidence=row.confidence,
        reasons=_within(row, taken),
    )
    IdentityMember.objects.filter(pk__in=[member.pk for member in taken]).update(
        group=own, is_confirmed=False
    )
    return own


def _within(row: IdentityGroup, members: Iterable[IdentityMember]) -> list[dict[str, object]]:
    """The reasons that concern these members alone."""
    ids = {member.record_id for member in members}
    return [why for why in row.reasons if why["left"] in ids and why["right"] in ids]


def _label(members: Iterable[IdentityMember]) -> str:
    return label_of(member.record.title for member in members if member.record)


def _forbid(pairs: Iterable[tuple[IdentityMember, IdentityMember]], actor: Actor) -> None:
    ForbiddenPair.objects.bulk_create(
        [
            ForbiddenPair(
                digest=_digest(one.origin, other.origin),
                left=list(one.origin),
                right=list(other.origin),
                decided_by=actor.label[:200],
            )
            for one, other in pairs
        ],
        ignore_conflicts=True,
    )


def _forbidden_among(origins: Iterable[Origin]) -> bool:
    known = list(origins)
    digests = [_digest(a, b) for at, a in enumerate(known) for b in known[at + 1 :]]
    return ForbiddenPair.objects.filter(pk__in=digests).exists()


def _digest(one: Origin, other: Origin) -> bytes:
    return hashlib.blake2b(orjson.dumps(sorted((one, other))), digest_size=16).digest()
