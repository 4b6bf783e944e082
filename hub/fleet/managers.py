"""Questions about the fleet, and the few statements that must be one statement to be safe."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection, models
from django.db.models.functions import Greatest, Least, Now

if TYPE_CHECKING:
    from hub.fleet.models import ConnectionStatus, Due, RunHour, Worker  # noqa: F401

ALIVE_WITHIN = timedelta(minutes=2)
"""A unit says every second that it lives; one not seen for so long counts as gone, everywhere."""

_COUNT_RUN = """
INSERT INTO public.fleet_runhour AS kept
    (tenant_id, provider, hour, succeeded, failed, cancelled, records)
VALUES (%(tenant)s, %(provider)s, date_trunc('hour', now(), 'UTC'),
    %(succeeded)s, %(failed)s, %(cancelled)s, %(records)s)
ON CONFLICT (hour, tenant_id, provider) DO UPDATE SET
    succeeded = kept.succeeded + excluded.succeeded,
    failed = kept.failed + excluded.failed,
    cancelled = kept.cancelled + excluded.cancelled,
    records = kept.records + excluded.records
"""


# Spread over the day, so that no hour is busier than others.
_PLAN_HOUSEKEEPING = """
INSERT INTO public.fleet_due AS d (id, kind, tenant_id, object_id, lane, provider, due_at,
    interval_seconds, fence, attempts, failures, parked_reason)
SELECT gen_random_uuid(), 'housekeeping', t.id, t.id, 'live', '',
    statement_timestamp() + random() * interval '1 day', 86400, 0, 0, 0, ''
FROM public.tenants_tenant t
WHERE t.state = 'active' AND NOT EXISTS (
    SELECT FROM public.fleet_due d
    WHERE d.object_id = t.id AND d.kind = 'housekeeping' AND d.tenant_id = t.id
        AND d.parked_reason = ''
)
ON CONFLICT (object_id, kind, lane, tenant_id) DO UPDATE
    SET due_at = excluded.due_at, attempts = 0, parked_reason = ''
    WHERE d.parked_reason <> ''
"""


class ConnectionStatusQuerySet(models.QuerySet["ConnectionStatus"]):
    def for_list(self) -> "ConnectionStatusQuerySet":
        """With the tenant and the next run, in one statement."""
        from_due = (
            self.model._meta.apps.get_model("fleet", "Due")
            .objects.filter(object_id=models.OuterRef("connection_id"), kind="sync", lane="live")
            .values("due_at")[:1]
        )
        return self.select_related("tenant").annotate(next_run_at=models.Subquery(from_due))


class DueQuerySet(models.QuerySet["Due"]):
    def for_object(self, row: models.Model) -> "DueQuerySet":
        """The work of one connection or destination, of whatever lane."""
        return self.filter(object_id=row.pk)

    def free(self) -> "DueQuerySet":
        """What nobody holds."""
        return self.filter(lease_until=None)

    def hold(self) -> None:
        """Lock these rows until the transaction ends: before what operations see of the object."""
        list(self.select_for_update().order_by("pk"))

    def held_by(self, worker_id: UUID) -> "DueQuerySet":
        """What the worker holds, begun or only rung; a lease that ran out holds nothing."""
        return self.filter(leased_by=worker_id, lease_until__gte=Now())

    def ask_now(self, row: models.Model, *, run_id: UUID, lane: str = "live") -> bool:
        """Make the object's work due now for the run `run_id`. False if a run is already open.

        One UPDATE decides, so two people pressing the button cannot both win.
        """
        asked = self.for_object(row).filter(lane=lane, run_id=None)
        return bool(asked.update(due_at=Now(), run_id=run_id, attempts=0, parked_reason=""))

    def bring_forward(self, span: timedelta) -> None:
        """What is planned for later than `span` from now is due then.

        A run that is open and waits goes on when it was told to, and not sooner.
        """
        planned = self.filter(due_at__isnull=False, run_id=None)
        planned.update(due_at=Least("due_at", Now() + span))

    def begin(self, due_id: UUID, *, fence: int, seconds: float) -> str | None:
        """Mark that the claimed work begins and extend its lease; return its kind.

        None if somebody else holds it, or this claim was begun before: a doorbell that rings twice.
        """
        claimed = self.filter(
            pk=due_id, fence=fence, lease_until__isnull=False, started_at__isnull=True
        )
        lease_until = Now() + timedelta(seconds=seconds)
        if not claimed.update(started_at=Now(), lease_until=lease_until):
            return None
        return self.values_list("kind", flat=True).get(pk=due_id)

    def extend(self, due_id: UUID, *, fence: int, seconds: float) -> bool:
        """Keep the lease for `seconds` from now. False if somebody else holds it already."""
        return bool(
            self.filter(pk=due_id, fence=fence, lease_until__isnull=False).update(
                lease_until=Now() + timedelta(seconds=seconds)
            )
        )

    def is_held(self, due_id: UUID, *, fence: int) -> bool:
        """Whether nobody has taken over from whoever holds this fence."""
        return self.filter(pk=due_id, fence=fence, lease_until__isnull=False).exists()

    def release(self, due_id: UUID, *, fence: int, **changes: Any) -> bool:
        """Give the lease back and set `changes`. False if somebody else holds it already."""
        mine = self.filter(pk=due_id, fence=fence, lease_until__isnull=False)
        return bool(mine.give_back(**changes))

    def give_back(self, **changes: Any) -> int:
        """Take the leases off these rows and set `changes`; return how many.

        The database has served this attempt, unless `changes` say since when it does not.
        """
        changes = {"faulted_since": None, **changes}
        return self.update(lease_until=None, leased_by=None, started_at=None, **changes)

    def got_on(self, due_id: UUID, *, fence: int) -> None:
        """Note that something was done: what was met before it, kills, waits or faults, is over."""
        mine = self.filter(pk=due_id, fence=fence)
        mine.update(attempts=0, failures=0, faulted_since=None)

    def free_all(self, worker_id: UUID, *, only_rung: bool = False) -> int:
        """Take every lease from a worker whose processes are gone; what was due is due again.

        Work that had not begun has made no attempt. `only_rung` leaves what has begun alone.
        """
        rows = self.filter(leased_by=worker_id, lease_until__isnull=False)
        if only_rung:
            rows = rows.filter(started_at=None)
        begun_or_not = models.Case(
            models.When(started_at=None, then=Greatest(models.F("attempts") - 1, 0)),
            default=models.F("attempts"),
            output_field=models.IntegerField(),
        )
        return rows.update(attempts=begun_or_not, lease_until=None, leased_by=None, started_at=None)

    def put_off_inactive(self, by: timedelta) -> int:
        """Make what tenants that are not active have due, due later: claims would look past it."""
        rows = self.free().filter(due_at__lte=Now()).exclude(tenant__state="active")
        return rows.update(due_at=Now() + by)

    def plan_housekeeping(self) -> int:
        """Give every tenant its daily housekeeping that has none yet; return to how many.

        What was parked is tried again: nobody in the tenant would miss it, nor put it back.

        One statement, however many tenants there are.
        """
        with connection.cursor() as cursor:
            cursor.execute(_PLAN_HOUSEKEEPING)
            return int(cursor.rowcount)

    def is_any_waiting(self, since: timedelta) -> bool:
        """Whether anything has been due for so long and no process is free that could take it.

        What a free one leaves may not be claimed at present: its provider or its tenant has all
        the slices it may have. Nobody need make room for that. Two looks into indexes.
        """
        if not self.free().filter(due_at__lte=Now() - since).exists():
            return False
        units = self.model._meta.apps.get_model("fleet", "Worker").objects.alive()
        working = units.filter(stopping_at=None).aggregate(all=models.Sum("processes"))
        return self.filter(lease_until__gte=Now()).count() >= (working["all"] or 0)

    def is_any_due(self, worker_id: UUID) -> bool:
        """Whether the worker holds something, or something waits that anybody may claim."""
        waits = models.Q(lease_until=None, due_at__lte=Now(), tenant__state="active")
        return self.filter(waits | models.Q(leased_by=worker_id)).exists()


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self) -> "WorkerQuerySet":
        """Units that were seen lately."""
        return self.filter(seen_at__gte=Now() - ALIVE_WITHIN)

    def is_stopping(self, due_id: UUID, *, fence: int) -> bool:
        """Whether the unit that holds this lease was told to stop."""
        held_by = (
            self.model._meta.apps.get_model("fleet", "Due")
            .objects.filter(pk=due_id, fence=fence)
            .values("leased_by")
        )
        return self.filter(pk__in=held_by, stopping_at__isnull=False).exists()


class RunHourQuerySet(models.QuerySet["RunHour"]):
    def forget_older(self, age: timedelta) -> int:
        """Delete the hours that began longer ago; return how many rows that were."""
        return self.filter(hour__lt=Now() - age).delete()[0]

    def count_run(self, *, tenant_id: UUID, provider: str, state: str, records: int) -> None:
        """Count a run that ends now: `state` is succeeded, failed or cancelled.

        Call it in the transaction that ends the run. One statement, so two may count at once.
        """
        counted = {name: int(state == name) for name in ("succeeded", "failed", "cancelled")}
        values: dict[str, Any] = {
            "tenant": tenant_id,
            "provider": provider,
            "records": records,
            **counted,
        }
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_RUN, values)


ConnectionStatusManager = models.Manager.from_queryset(ConnectionStatusQuerySet)
DueManager = models.Manager.from_queryset(DueQuerySet)
WorkerManager = models.Manager.from_queryset(WorkerQuerySet)
RunHourManager = models.Manager.from_queryset(RunHourQuerySet)
