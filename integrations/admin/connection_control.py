"""What people set and ask of one connection: how often each type is read, from when, and whether.

The forms stand below the connection's own page and post to addresses of their own.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from operator import itemgetter
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from hub import display
from hub.audit.admin import service_action
from integrations.admin.base import address_of, link_to
from integrations.admin.connection_actions import ConnectionActions
from integrations.admin.labels import as_declared
from integrations.admin.progress import progress_bar
from integrations.admin.shadow_diffs import PROGRESS
from integrations.connectors.registry import get_connector
from integrations.errors import HubError, InvalidInputError
from integrations.models import Connection, EntityTypeStatus, Preflight, ShadowDiff, SyncRun
from integrations.services.connections import change_reconcile_interval
from integrations.services.preflights import request_preflight
from integrations.services.rhythm import (
    change_type_interval,
    change_type_reconcile_interval,
    why_not_shorter,
)
from integrations.services.shadows import request_shadow
from integrations.services.syncs import request_sync
from integrations.sync.rhythm import interval_of, reconcile_interval_of
from integrations.types import EntityType

ALL_TYPES = "*"  # in the form for reading again
INTERVALS = (60, 300, 900, 1_800, 3_600, 6 * 3_600, 86_400)  # seconds
RECONCILE = (0, 86_400, 7 * 86_400, 30 * 86_400, 90 * 86_400)  # seconds
RECENT_DIFFS = 5
# An outcome of a pre-flight, as the state that looks alike.
TONE_OF = {
    "ok": "done",
    "empty": "waiting",
    "rejected": "limited",
    "unavailable": "limited",
    "failed": "failed",
    "later": "waiting",
}


@dataclass(frozen=True)
class Choice:
    value: str
    label: str
    is_chosen: bool
    is_allowed: bool = True


@dataclass(frozen=True)
class TypeRhythm:
    """One entity type with the intervals one may choose, and why not shorter ones."""

    name: str
    field: str
    every: str
    choices: list[Choice]
    why: str
    in_full_field: str
    in_full: list[Choice]  # how often it is read in full, to find what was missed


class ConnectionControl(ConnectionActions):
    """Shadow diffs, intervals per entity type, and reading again."""

    actions = (*ConnectionActions.actions, "preflight", "shadow", "shadow_full")

    def fits(self, action: str, row: Any) -> bool:
        if action in ("preflight", "shadow", "shadow_full"):
            return bool(row.can_sync)
        return super().fits(action, row)

    preflight = service_action(
        "Pre-flight",
        lambda connection, actor: request_preflight(connection=connection, actor=actor),
        done="looked at by a worker within seconds",
    )

    @admin.action(description="Shadow diff", permissions=["operate"])
    def shadow(
        self, request: HttpRequest, queryset: models.QuerySet[Connection]
    ) -> HttpResponse | None:
        return self._ask_shadows(request, queryset, SyncRun.Mode.INCREMENTAL)

    @admin.action(description="Shadow diff of a full sync", permissions=["operate"])
    def shadow_full(
        self, request: HttpRequest, queryset: models.QuerySet[Connection]
    ) -> HttpResponse | None:
        return self._ask_shadows(request, queryset, SyncRun.Mode.FULL)

    def _ask_shadows(
        self, request: HttpRequest, rows: models.QuerySet[Connection], mode: str
    ) -> HttpResponse | None:
        """Ask for each; of one connection, show the page on which the diff will be."""
        asked: list[ShadowDiff] = []
        self.act(
            request,
            rows,
            lambda connection, actor: asked.append(
                request_shadow(connection=connection, mode=mode, actor=actor)
            ),
            done="asked for; nothing will be written",
        )
        if len(asked) == 1:
            return HttpResponseRedirect(address_of(ShadowDiff, asked[0].pk))
        return None

    # Forms

    def get_urls(self) -> list[URLPattern]:
        name = "integrations_connection"
        rhythm = require_POST(self.admin_site.admin_view(self.rhythm_view))
        again = require_POST(self.admin_site.admin_view(self.read_again_view))
        return [
            path("<path:object_id>/rhythm/", rhythm, name=f"{name}_rhythm"),
            path("<path:object_id>/read-again/", again, name=f"{name}_read_again"),
            *super().get_urls(),
        ]

    def rhythm_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Set the intervals that differ from what is set; say why one cannot be."""
        connection = self._connection(request, object_id)
        actor, changed = self.actor_of(request), 0
        set_now = {row.entity_type: row for row in connection.entity_type_statuses.all()}
        for declared in _walked(connection):
            for field, column, change in (
                (_field(declared), "interval_seconds", change_type_interval),
                (_in_full_field(declared), "reconcile_seconds", change_type_reconcile_interval),
            ):
                asked = request.POST.get(field, "")
                before = getattr(set_now.get(declared.name), column, None)
                try:
                    seconds = int(asked) if asked else None
                    if seconds != before:
                        change(
                            connection=connection,
                            entity_type=declared.name,
                            seconds=seconds,
                            actor=actor,
                        )
                        changed += 1
                except (ValueError, HubError) as refusal:
                    self.message_user(request, f"{declared.name}: {refusal}", messages.ERROR)
        try:
            seconds = int(request.POST.get("reconcile", connection.reconcile_seconds))
            if seconds != connection.reconcile_seconds:
                change_reconcile_interval(connection=connection, seconds=seconds, actor=actor)
                changed += 1
        except (ValueError, HubError) as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        if changed:
            self.message_user(request, f"{changed} changed.", messages.SUCCESS)
        return HttpResponseRedirect(address_of(Connection, connection.pk))

    def read_again_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Read the chosen types, or all of them, again: from the beginning or from a date on.

        Asked to `look` only, it works out what reading them from the beginning would do.
        """
        connection = self._connection(request, object_id)
        back = HttpResponseRedirect(f"{address_of(Connection, connection.pk)}#read-again")
        chosen = request.POST.getlist("entity_type")
        if not chosen:
            said = "Nothing was asked for. Choose entity types to read again, or all of them."
            self.message_user(request, said, messages.WARNING)
            return back
        try:
            not_before = _day(request.POST.get("not_before", ""))
            types = [] if ALL_TYPES in chosen else chosen
            if "look" in request.POST:
                return self._look(request, connection, types, not_before)
            run = request_sync(
                connection=connection,
                actor=self.actor_of(request),
                trigger=SyncRun.Trigger.MANUAL,
                mode=SyncRun.Mode.BACKFILL if not_before else SyncRun.Mode.FULL,
                entity_types=types,
                not_before=not_before,
            )
        except HubError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return back
        return HttpResponseRedirect(address_of(SyncRun, run.pk))

    def _look(
        self,
        request: HttpRequest,
        connection: Connection,
        types: list[str],
        not_before: datetime | None,
    ) -> HttpResponse:
        if not_before:
            problem = "What only looks takes no date; leave it empty."
            raise InvalidInputError(problem, {"not_before": [problem]})
        actor, mode = self.actor_of(request), SyncRun.Mode.FULL
        shadow = request_shadow(connection=connection, mode=mode, entity_types=types, actor=actor)
        return HttpResponseRedirect(address_of(ShadowDiff, shadow.pk))

    def _connection(self, request: HttpRequest, object_id: str) -> Connection:
        if not self.has_operate_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied("Operators set this.")
        connection: Connection | None = self.get_object(request, object_id)
        if connection is None:
            raise Http404("There is no such connection.")
        return connection


def control_of(connection: Connection) -> dict[str, Any]:
    """What the forms show."""
    statuses = {row.entity_type: row for row in connection.entity_type_statuses.all()}
    types = _walked(connection)
    as_connection = display.span_text(connection.interval_seconds)
    return {
        "rhythms": [
            _rhythm(connection, declared, statuses.get(declared.name), as_connection)
            for declared in types
        ],
        "reconcile": [
            Choice(
                str(seconds),
                f"every {display.span_text(seconds)}" if seconds else "never",
                seconds == connection.reconcile_seconds,
            )
            for seconds in sorted({*RECONCILE, connection.reconcile_seconds})
        ],
        "types": [(ALL_TYPES, "all of them"), *((one.name, one.name) for one in types)],
        "may_read_again": connection.can_sync,
        "latest_day": f"{datetime.now(UTC):%Y-%m-%d}",
        "shadows": _shadows(connection),
        "preflight": _preflight(connection),
    }


def _rhythm(
    connection: Connection,
    declared: EntityType,
    status: EntityTypeStatus | None,
    as_connection: str,
) -> TypeRhythm:
    own = status.interval_seconds if status else None
    least = declared.min_interval or timedelta()
    offered = sorted({*INTERVALS, *([own] if own else [])})
    choices = [Choice("", f"as the connection ({as_connection})", own is None)]
    choices += [
        Choice(
            str(seconds),
            f"every {display.span_text(seconds)}",
            seconds == own,
            timedelta(seconds=seconds) >= least,
        )
        for seconds in offered
    ]
    every = interval_of(connection, declared, status).total_seconds()
    return TypeRhythm(
        name=declared.name,
        field=_field(declared),
        every=display.span_text(every),
        choices=choices,
        why=why_not_shorter(connection, declared),
        in_full_field=_in_full_field(declared),
        in_full=_in_full(connection, declared, status),
    )


def _in_full(
    connection: Connection, declared: EntityType, status: EntityTypeStatus | None
) -> list[Choice]:
    own = status.reconcile_seconds if status else None
    unset = reconcile_interval_of(connection, declared, None)
    label = f"every {display.span_text(unset.total_seconds())}" if unset else "when asked for"
    choices = [Choice("", f"as usual ({label})", own is None)]
    offered = sorted({*RECONCILE, *([own] if own is not None else [])})
    return choices + [
        Choice(
            str(seconds),
            f"every {display.span_text(seconds)}" if seconds else "never",
            seconds == own,
        )
        for seconds in offered
    ]


def _preflight(connection: Connection) -> dict[str, Any]:
    """What the last one found, and whether another one is due."""
    made = Preflight.objects.filter(connection=connection).first()
    if made is None:
        return {}
    return {
        "checked_at": display.ago(made.checked_at) if made.checked_at else "",
        "because": made.get_made_because_display().lower(),
        "is_wanted": bool(made.wanted_because),
        "lines": display.table(
            ("Entity type", "Outcome", "Read", "Rejected", "Calls", "Reason"),
            [
                (
                    name,
                    display.badge(TONE_OF[line["outcome"]], _outcome(line["outcome"])),
                    line["read"],
                    line["rejected"],
                    line["calls"],
                    line["reason"] or display.NONE,
                )
                for name, line in as_declared(
                    connection.provider, made.lines.items(), itemgetter(0)
                )
            ],
        ),
    }


def _outcome(name: str) -> str:
    return str(Preflight.Outcome(name).label)


def _shadows(connection: Connection) -> Any:
    newest = ShadowDiff.objects.for_list().filter(connection=connection)[:RECENT_DIFFS]
    return display.table(
        ("Diff", "Of a sync", "State", "New", "Changed", "Deleted", "Asked by"),
        [
            (
                link_to(row, display.ago(row.created_at)),
                row.get_mode_display().lower(),
                progress_bar(row, PROGRESS)
                if row.is_open
                else display.badge(row.state, row.get_state_display()),
                row.totals["inserted"],
                row.totals["updated"],
                row.totals["deleted"] + row.totals["vanished"],
                row.asked_by,
            )
            for row in newest
        ],
    )


def _walked(connection: Connection) -> list[EntityType]:
    """The types that are read by themselves."""
    found = get_connector(connection.provider).entity_types
    return [declared for declared in found if declared.inside is None]


def _field(declared: EntityType) -> str:
    return f"every-{declared.name}"


def _in_full_field(declared: EntityType) -> str:
    return f"in-full-{declared.name}"


def _day(text: str) -> datetime | None:
    """The beginning of the day, in UTC; None if none was entered."""
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError as exc:
        problem = "Enter the day as 2026-01-31."
        raise InvalidInputError(problem, {"not_before": [problem]}) from exc
