"""How far a sync run has come: for the page as it is rendered, and for the script that moves it."""

from operator import itemgetter
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hub import display
from integrations.admin.labels import as_declared
from integrations.models import DestinationRun, ShadowDiff, SyncRun
from integrations.models.sync_run import COUNTS
from integrations.sync.progress import Progress, progress_of

# Of a type's states in a run those that one word does not explain.
LINE_STATES = {
    "waiting": "Not due yet",
    "backfill": "In the backfill",
    "live": "In the schedule",
    "blocked": "Waits for another type",
}
HEADS = {
    "superseded": "Outdated",
    "dropped": "Held back",
}
HINTS = {
    "superseded": "A newer version came with it or was stored already.",
    "dropped": "Reported deletions that wait for a decision, or that somebody kept.",
    "vanished": "Deleted because a full read no longer found them; not among those read.",
}


def progress_bar(
    run: SyncRun | ShadowDiff, asked_at: str = "integrations_syncrun_progress"
) -> SafeString:
    """A bar for an open run; progress.js asks `data-progress` every second and moves it."""
    return bar(run.pk, progress_of(run), asked_at)


def bar(pk: object, now: Progress, asked_at: str) -> SafeString:
    """The bar of whatever has this id and has come so far."""
    measure = (
        format_html('<progress value="{}"></progress>', now.share)
        if now.share is not None
        else format_html("<progress>{}</progress>", "")
    )
    return format_html(
        '<span class="run-progress" data-run="{}" data-progress="{}">{}'
        ' <span class="run-text">{}</span></span>',
        pk,
        reverse(f"admin:{asked_at}"),
        measure,
        now.text,
    )


def figures_of(run: SyncRun | ShadowDiff) -> dict[str, int]:
    """What the columns of a list say of a run."""
    totals = run.totals
    return {
        "read": totals["read"],
        "changed": totals["inserted"] + totals["updated"] + totals["deleted"],
        "rejected": totals["rejected"],
        "calls": run.calls,
    }


def figure(run: SyncRun | ShadowDiff, name: str) -> SafeString | str:
    """One of them as a column shows it; while the run is open it moves."""
    value = figures_of(run)[name]
    return display.Figure(value, run.pk, name).__html__() if run.is_open else display.number(value)


def counts_table(run: SyncRun) -> SafeString | str:
    """The counts per entity type, as the page is rendered."""
    return display.table(
        ("Entity type", "State", *(_head(name) for name in COUNTS)),
        [
            (
                name,
                display.badge(line.get("state", ""), LINE_STATES.get(line.get("state", ""), "")),
                *(int(line.get(count, 0)) for count in COUNTS),
            )
            for name, line in as_declared(
                run.connection.provider, run.counts.items(), itemgetter(0)
            )
        ],
    )


def seconds_of(run: SyncRun | ShadowDiff) -> float | None:
    """How long the run has worked so far, in seconds."""
    if run.started_at is None:
        return None
    return max(0.0, ((run.ended_at or timezone.now()) - run.started_at).total_seconds())


def duration_text(run: SyncRun | ShadowDiff) -> str:
    seconds = seconds_of(run)
    return display.NONE if seconds is None else display.span_text(seconds)


def shown(
    run: SyncRun | ShadowDiff | DestinationRun, now: Progress, figures: dict[str, int]
) -> dict[str, Any]:
    """What progress.js needs of a run of any kind; it writes all of it as text."""
    return {
        "id": str(run.pk),
        "is_open": run.is_open,
        "state": run.get_state_display(),
        "tone": display.TONES.get(run.state, "quiet"),
        "read": now.read,
        "share": now.share,
        "text": now.text,
        "figures": {name: f"{figure:,}" for name, figure in figures.items()},
    }


def for_script(run: SyncRun | ShadowDiff) -> dict[str, Any]:
    """The same with how long it takes, and its entity types."""
    return {
        **shown(run, progress_of(run), figures_of(run)),
        "duration": duration_text(run),
        "lines": [
            {
                "name": name,
                "state": _state(line),
                "tone": display.TONES.get(line.get("state", ""), "quiet"),
                "counts": [int(line.get(count, 0)) for count in COUNTS],
            }
            for name, line in run.counts.items()
        ],
    }


def _head(count: str) -> SafeString | str:
    name = HEADS.get(count, count.capitalize())
    if count not in HINTS:
        return name
    return format_html('<abbr title="{}">{}</abbr>', HINTS[count], name)


def _state(line: dict[str, Any]) -> str:
    state = str(line.get("state", ""))
    return LINE_STATES.get(state, state.replace("_", " ").capitalize())
