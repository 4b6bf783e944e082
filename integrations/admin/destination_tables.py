"""What a destination's page shows below its form: routes, runs, what was refused, how far it is."""

from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString

from hub import display
from integrations.admin.base import link_to
from integrations.admin.progress import bar, shown
from integrations.destinations.columns import table_for
from integrations.models import Destination, DestinationRun, ExternalId, Route
from integrations.sync.changes import lag_behind
from integrations.sync.progress import Progress

PROGRESS = "integrations_destination_progress"
RUNS_SHOWN = 10
REFUSED_SHOWN = 50
COUNTS = (*("read", *DestinationRun.OUTCOMES), "linked")


def behind_text(changes: int, since: Any) -> SafeString | str:
    """ "3 changes" with since when below, or "in step"."""
    if not changes:
        return "in step"
    noun = "change" if changes == 1 else "changes"
    return display.with_note(f"{changes:,}\N{NO-BREAK SPACE}{noun}", display.ago(since))


def routes_table(destination: Destination) -> SafeString | str:
    rows = Route.objects.filter(destination=destination).select_related("connection")
    return display.table(
        ("Route", "Records", "From", "Table", "Columns", "Conditions", "State"),
        [
            (
                link_to(row),
                row.entity_type or table_for(row.record_type),
                row.connection or "all connections",
                row.table,
                str(len(row.mapping)) if row.mapping else "every field",
                str(len(row.filter)) if row.filter else display.NONE,
                display.badge("active" if row.is_active else "off"),
            )
            for row in rows
        ],
    )


def runs_table(destination: Destination) -> SafeString | str:
    heads = ("Began", "State", *(name.capitalize() for name in COUNTS), "Calls", "Error")
    return display.table(
        heads,
        [
            (
                display.ago(run.started_at),
                _bar(run) if run.is_open else display.badge(run.state, run.get_state_display()),
                *(_figure(run, name, count) for name, count in _figures(run).items()),
                run.error or display.NONE,
            )
            for run in destination.runs.all()[:RUNS_SHOWN]
        ],
    )


def _figures(run: DestinationRun) -> dict[str, int]:
    totals = run.totals
    return {**{name: totals[name] for name in COUNTS}, "calls": run.calls}


def _figure(run: DestinationRun, name: str, count: int) -> object:
    return display.Figure(count, run.pk, name) if run.is_open else count


def _progress(run: DestinationRun) -> Progress:
    """Changes dealt with, and how many there are as far as is known now."""
    read = run.totals["read"]
    expected = read + lag_behind(run.to_change).changes
    return Progress(read, expected, share=round(read / max(expected, 1), 3))


def _bar(run: DestinationRun) -> SafeString:
    return bar(run.pk, _progress(run), PROGRESS)


def for_script(run: DestinationRun) -> dict[str, Any]:
    return {**shown(run, _progress(run), _figures(run)), "lines": []}


def refused_table(destination: Destination) -> SafeString | str:
    rows = ExternalId.objects.filter(destination=destination).exclude(rejected_reason="")
    record = reverse("admin:integrations_record_changelist")
    return display.table(
        ("Record", "Route", "Reason", "When"),
        [
            (
                display.link(f"{record}{row.record_id}/change/", row.key),
                str(row.route),
                row.rejected_reason,
                display.ago(row.written_at),
            )
            for row in rows.select_related("route")[:REFUSED_SHOWN]
        ],
    )
