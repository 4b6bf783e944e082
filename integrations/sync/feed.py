"""The change feed as others read it: from a place on, in pages, without missing anything.

A reader without a place begins with everything there is. A place is good while every deletion
behind it is still known. Tombstones are pruned after 90 days and purged records leave none; both
raise the feed's floor, and a place below it is refused rather than read on from with a gap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from integrations.destinations.change import Change
from integrations.destinations.postgres import order_changes
from integrations.errors import CursorExpiredError
from integrations.managers import RecordQuerySet
from integrations.models import ChangeFeed
from integrations.sync.changes import changes_after, last_change

TOMBSTONES_KEPT = timedelta(days=90)
PRUNED_AT_ONCE = 10_000
EXPIRED = (
    "Deletions behind this cursor are not known any more. Begin again without a cursor, and drop "
    "what you hold that does not come along."
)

# What a destination has not seen yet stays, however old.
_PRUNE = """
WITH going AS (
    SELECT id, change_seq FROM integrations_record
    WHERE deleted_at < now() - %(kept)s AND change_seq <= coalesce(
        (SELECT min(checkpoint) FROM integrations_destination), 9223372036854775807
    )
    ORDER BY change_seq LIMIT %(rows)s FOR UPDATE
), parted AS (
    UPDATE integrations_recordlink SET target_id = NULL
    WHERE target_id IN (SELECT id FROM going) AND record_id NOT IN (SELECT id FROM going)
), unlinked AS (
    DELETE FROM integrations_recordlink WHERE record_id IN (SELECT id FROM going)
), gone AS (
    DELETE FROM integrations_record WHERE id IN (SELECT id FROM going)
)
INSERT INTO integrations_changefeed AS f (id, floor)
SELECT 1, max(change_seq) FROM going HAVING count(*) > 0
ON CONFLICT (id) DO UPDATE SET floor = greatest(f.floor, excluded.floor)
RETURNING (SELECT count(*) FROM going)
"""

_RAISE = """
INSERT INTO integrations_changefeed AS f (id, floor)
VALUES (1, nextval('integrations_change_seq'))
ON CONFLICT (id) DO UPDATE SET floor = greatest(f.floor, excluded.floor)
"""

_NEWEST = "SELECT greatest(last_value, %s) FROM integrations_change_seq"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands: everything up to `seq` is read.

    `began` was the end of the feed when it began. Deletions up to there concern records it has
    never seen, so until it has come so far it may stand below the floor.
    """

    seq: int = 0
    began: int = 0


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Changes in the order of commits, the place behind them, and whether more are there now."""

    changes: list[Change]
    place: Place
    has_more: bool


def read_feed(records: RecordQuerySet, place: Place | None, *, limit: int) -> FeedPage:
    """The next changes of `records` behind `place`; without one, from the beginning.

    A page may be empty while its place moves on: nothing of what was asked for has changed.

    Raises:
        CursorExpiredError: deletions behind the place are not known any more, or the place lies
            in a future that a restored backup does not know.
    """
    end = max(last_change(), _floor())
    if place is None:
        place = Place(0, began=end)
    elif place.seq > end and place.seq > _newest(end):
        raise CursorExpiredError(EXPIRED)
    found = changes_after(place.seq, limit + 1, until=end, among=records)
    # Asked last: what was pruned while we read counts against this page.
    if max(place.seq, place.began) < _floor():
        raise CursorExpiredError(EXPIRED)
    has_more = len(found) > limit
    page = found[:limit]
    seq = page[-1].seq if has_more else max(place.seq, end)
    return FeedPage(page, Place(seq, place.began), has_more)


def raise_floor() -> None:
    """From here on every reader begins again: records are gone that left no tombstone.

    Call it in the transaction that notes the end of the purge.
    """
    order_changes()
    with connection.cursor() as cursor:
        cursor.execute(_RAISE)


def prune_tombstones(is_over: Callable[[], bool] = lambda: False) -> int:
    """Forget tombstones older than 90 days that every destination has seen; return how many.

    Between two batches it stops if `is_over`.
    """
    pruned = 0
    values: dict[str, Any] = {"kept": TOMBSTONES_KEPT, "rows": PRUNED_AT_ONCE}
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_PRUNE, values)
            row = cursor.fetchone()
        pruned += row[0] if row else 0
        if row is None or row[0] < PRUNED_AT_ONCE or is_over():
            return pruned


def _floor() -> int:
    return ChangeFeed.objects.values_list("floor", flat=True).first() or 0


def _newest(end: int) -> int:
    """The newest number that was ever given out; it may not be committed yet."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [end])
        return int(cursor.fetchone()[0])
