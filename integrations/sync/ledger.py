"""The ledger of external ids: what each record became at a destination, route by route.

Every change of it holds the fence, in the transaction that also counts for the run.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from integrations.destinations.change import Change
from integrations.models import (
    ChangeFeed,
    Destination,
    Disconnection,
    ExternalId,
    Record,
    Route,
)

_REFERRERS = """
SELECT DISTINCT e.record_id FROM integrations_externalid e
JOIN integrations_recordlink l ON l.record_id = e.record_id AND l.target_id = ANY(%s)
WHERE e.destination_id = %s AND e.record_id > %s
ORDER BY e.record_id LIMIT %s
"""

LineKey = tuple[UUID, int]  # route, record

# In place of a hash: the row is written again; and nobody knows whether it is still there.
AGAIN, UNSURE = b"\x00", b""
# Likewise of a row that was refused there: it is tried as soon as possible; and just now.
TRY, TRYING = b"\x01", b"\x02"
TRY_AFTER = timedelta(days=1)  # though neither the record changed nor somebody asked
TRIED_IN_VAIN = 10  # in one look


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger as it is to be written."""

    route_id: UUID
    record_id: int
    key: str
    external_id: str
    content_hash: bytes
    change_seq: int
    is_fresh: bool = False
    rejected_reason: str = ""


def written(
    route_id: UUID,
    change: Change,
    external_id: str,
    content_hash: bytes,
    *,
    is_fresh: bool = False,
) -> Line:
    """The line of a row that is there now; without an external id it is gone."""
    about = route_id, change.record_id, change.key
    return Line(*about, external_id, content_hash, change.seq, is_fresh=is_fresh)


def refused(
    route_id: UUID,
    change: Change,
    before: ExternalId | None,
    reason: str,
    content_hash: bytes,
    there: str = "",
) -> Line:
    """The line of a row that is not taken; what is `there`, or was `before`, stays as it is."""
    about = route_id, change.record_id, change.key
    there = there or (before.external_id if before is not None else "")
    return Line(*about, there, content_hash, change.seq, rejected_reason=reason)


def is_fresh(line: ExternalId | None, external_id: str) -> bool:
    """Whether the row is new there, or may be, since what refers to it was written."""
    if line is None or line.is_fresh or line.external_id != external_id:
        return True
    return bytes(line.content_hash) == UNSURE


def lines_of(destination: Destination, record_ids: Sequence[int]) -> dict[LineKey, ExternalId]:
    """What these records are at the destination, in one statement."""
    rows = ExternalId.objects.filter(destination=destination, record_id__in=record_ids)
    return {(row.route_id, row.record_id): row for row in rows}


def rows_there(destination: Destination, record_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    """External ids to link to: {record id: {table: external id}}; none that may be gone."""
    rows = (
        ExternalId.objects.filter(destination=destination, record_id__in=list(record_ids))
        .exclude(external_id="")
        .exclude(content_hash=UNSURE)
        .values_list("record_id", "route__table", "external_id")
    )
    found: dict[int, dict[str, str]] = {}
    for record_id, table, external_id in rows:
        found.setdefault(record_id, {})[table] = external_id
    return found


def is_noted(line: ExternalId | None, change: Change, run_id: UUID) -> bool:
    """Whether the run has dealt with the change, and counted it, before."""
    return line is not None and line.run_id == run_id and line.change_seq == change.seq


def write_lines(destination: Destination, run_id: UUID, lines: Iterable[Line]) -> None:
    """Insert or replace these lines, in one statement."""
    now = timezone.now()
    rows = [
        ExternalId(
            destination=destination,
            route_id=line.route_id,
            record_id=line.record_id,
            key=line.key,
            external_id=line.external_id,
            content_hash=line.content_hash,
            rejected_reason=line.rejected_reason[:500],
            run_id=run_id,
            change_seq=line.change_seq,
            is_fresh=line.is_fresh,
            written_at=now,
        )
        for line in lines
    ]
    ExternalId.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["route", "record_id"],
        update_fields=[
            "external_id",
            "content_hash",
            "rejected_reason",
            "run_id",
            "change_seq",
            "is_fresh",
            "written_at",
        ],
    )


def forget_rows_gone(destination: Destination, record_ids: Sequence[int]) -> None:
    """Drop the lines of these records that stand for no row and no refusal any more."""
    ExternalId.objects.filter(
        destination=destination, record_id__in=record_ids, external_id="", rejected_reason=""
    ).delete()


def rows_of_others(route_id: UUID, lines: Sequence[ExternalId]) -> set[str]:
    """Which rows of these lines another active route writes too, by external id."""
    others = ExternalId.objects.filter(
        route__is_active=True,
        destination__in={line.destination_id for line in lines},
        record_id__in=[line.record_id for line in lines],
        external_id__in=[line.external_id for line in lines],
    )
    return set(others.exclude(route=route_id).values_list("external_id", flat=True))


def fresh_of(destination: Destination) -> list[int]:
    """The records whose rows are new there, so that whoever refers to them is to be written."""
    fresh = ExternalId.objects.filter(destination=destination, is_fresh=True)
    return list(fresh.values_list("record_id", flat=True).distinct())


def referrers_of(
    destination: Destination, targets: Sequence[int], limit: int
) -> Iterator[list[int]]:
    """The records that refer to one of the targets, so many at once."""
    ids = [0]
    while ids:
        with connection.cursor() as cursor:
            cursor.execute(_REFERRERS, [list(targets), destination.pk, ids[-1], limit])
            ids = [row[0] for row in cursor.fetchall()]
        if ids:
            yield ids


def write_again(destination: Destination, *, is_unsure: bool) -> None:
    """Every row is written again; with `is_unsure` none is linked to before it is."""
    ExternalId.objects.filter(destination=destination).update(
        content_hash=UNSURE if is_unsure else AGAIN, rejected_reason=""
    )


def mark_unsure(destination: Destination, record_ids: Iterable[int]) -> None:
    """These rows may be gone there: none is linked to before it is written again."""
    ExternalId.objects.filter(destination=destination, record_id__in=list(record_ids)).update(
        content_hash=UNSURE
    )


def left_unsure(destination: Destination) -> set[int]:
    """The records of such rows to which the feed does not come again.

    A slice that ended before it had written them leaves them behind.
    """
    passed: Any = Record.objects.filter(
        pk=OuterRef("record_id"), change_seq__lte=destination.checkpoint
    )
    lines = ExternalId.objects.filter(
        Exists(passed), destination=destination, route__is_active=True, content_hash=UNSURE
    )
    return set(lines.exclude(external_id="").values_list("record_id", flat=True))


def try_soon(destination: Destination) -> None:
    """What was refused there is tried at the next look: perhaps its cause has gone."""
    _refused_there(destination).update(content_hash=TRY)


def must_try(destination: Destination) -> bool:
    """Whether it is time to try something that was refused there."""
    return _to_try(destination).exists()


def refused_to_try(destination: Destination) -> Iterator[int]:
    """The records of such rows, longest ago first, until a few were refused once more.

    Ask for the next when the row of the last is noted. What was not is tried a day later.
    """
    in_vain = 0
    while in_vain < TRIED_IN_VAIN and (line := _to_try(destination).first()) is not None:
        mine = ExternalId.objects.filter(pk=line.pk)
        mine.update(content_hash=TRYING, written_at=timezone.now())
        yield line.record_id
        in_vain += mine.exclude(rejected_reason="").exists()


def _to_try(destination: Destination) -> QuerySet[ExternalId]:
    is_time = Q(content_hash=TRY) | Q(written_at__lte=timezone.now() - TRY_AFTER)
    lines = _refused_there(destination).filter(is_time, route__is_active=True)
    return lines.exclude(destination__status=Destination.Status.PAUSED).order_by("written_at", "pk")


def _refused_there(destination: Destination) -> QuerySet[ExternalId]:
    """Not by ourselves: what does not fit its column will not do so tomorrow."""
    lines = ExternalId.objects.filter(destination=destination).exclude(rejected_reason="")
    return lines.exclude(content_hash__in=(AGAIN, UNSURE))


def forget_fresh(destination: Destination, record_ids: Sequence[int]) -> None:
    """Whoever refers to these rows has been written again."""
    fresh = ExternalId.objects.filter(destination=destination, record_id__in=record_ids)
    fresh.filter(is_fresh=True).update(is_fresh=False)


def must_sweep(destination: Destination) -> bool:
    """Whether records may be gone without a change, since rows without a record were looked for.

    So are purged ones, and for a route that was off those whose tombstones are pruned.
    """
    purges = Disconnection.objects.filter(keep_records=False, ended_at__isnull=False)
    if destination.swept_at is None:
        return purges.exists() or ChangeFeed.objects.filter(floor__gt=0).exists()
    return purges.filter(ended_at__gte=destination.swept_at).exists()


def orphans_of(destination: Destination, limit: int) -> list[ExternalId]:
    """Lines whose record is gone without a trace: their rows are to go too."""
    record: Any = Record.objects.filter(pk=OuterRef("record_id"))
    lines = ExternalId.objects.filter(~Exists(record), destination=destination)
    return list(lines.select_related("route").order_by("pk")[:limit])


def active_routes(destination: Destination) -> list[Route]:
    routes = Route.objects.filter(destination=destination, is_active=True)
    return list(routes.select_related("connection").order_by("created_at"))
