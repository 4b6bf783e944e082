"""How values look on admin pages: badges, ages, JSON, tables. Everything is escaped here.

HTML is made by `format_html` alone, so a provider's text can never become an element.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join, strip_tags
from django.utils.safestring import SafeString

NONE = "–"
FIT_A_PHONE = 3  # columns

# What a state means to the eye. Anything not listed is shown neutrally.
TONES = {
    "active": "good",
    "succeeded": "good",
    "done": "good",
    "written": "good",
    "limited": "warning",
    "suspended": "warning",
    "not_possible": "warning",
    "closing": "warning",
    "disconnecting": "warning",
    "refused": "warning",
    "pending": "warning",
    "needs_reauth": "bad",
    "broken": "bad",
    "blocked": "bad",
    "rejected": "bad",
    "failed": "bad",
    "queued": "busy",
    "running": "busy",
}


@dataclass(frozen=True)
class Figure:
    """A number of something that goes on; progress.js keeps it up to date by id and name."""

    value: int
    of: object
    name: str

    def __html__(self) -> SafeString:
        return format_html(
            '<span data-of="{}" data-figure="{}">{}</span>', self.of, self.name, f"{self.value:,}"
        )


def badge(state: str, label: str = "") -> SafeString | str:
    """A coloured word for a state, e.g. badge("needs_reauth", "Needs reconnecting")."""
    if not state:
        return NONE
    text = label or state.replace("_", " ").capitalize()
    return format_html('<span class="badge {}">{}</span>', TONES.get(state, "quiet"), text)


def state_with_reason(state: str, label: str, reason: str) -> SafeString | str:
    """A state's badge, and below it the sentence that explains it, if there is one."""
    if not reason:
        return badge(state, label)
    tone = TONES.get(state, "quiet")
    return format_html('{}<div class="reason {}">{}</div>', badge(state, label), tone, reason)


def ago(at: datetime | None) -> SafeString | str:
    """ "5 min ago" or "in 2 h", with the exact time in the title."""
    if at is None:
        return NONE
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        at.isoformat(timespec="seconds"),
        exact(at),
        age_text(at - timezone.now()),
    )


def due(at: datetime | None) -> SafeString | str:
    """The same of what comes next: what should have begun already is due now."""
    return "now" if at is not None and at <= timezone.now() else ago(at)


def moment(at: datetime | None) -> SafeString | str:
    """The same with the exact time beside it, for the page of one object."""
    if at is None:
        return NONE
    return format_html('{} <span class="quiet">{}</span>', ago(at), exact(at))


def exact(at: datetime) -> str:
    """ "2026-01-31 16:05:00 UTC"."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def age_text(distance: timedelta) -> str:
    """The distance from now in its largest unit: "just now", "in 3 min", "2 d ago"."""
    seconds = int(abs(distance).total_seconds())
    if seconds < 5:
        return "just now"
    text = span_text(seconds)
    return f"in {text}" if distance > timedelta() else f"{text} ago"


def span_text(seconds: float) -> str:
    """A length of time in its largest unit: "45 s", "3 min", "2 h", "5 d"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s" if seconds >= 1 or not seconds else f"{seconds:.1f} s"


def number(value: int | None) -> str:
    """12,345, or a dash where there is none."""
    return NONE if value is None else f"{value:,}"


def link(url: str, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)


def together(*parts: object) -> SafeString:
    """The parts in one line."""
    return format_html_join(" ", "{}", ((part,) for part in parts))


def share(part: int, whole: int) -> SafeString:
    """A bar of how much of the whole is concerned, the less the better: "30 of 60 (50 %)"."""
    return format_html(
        '<span class="run-progress share"><meter value="{}" max="{}" low="{}" high="{}"'
        ' optimum="0"></meter> <span class="run-text">{} of {} ({} %)</span></span>',
        part,
        max(whole, part, 1),
        whole / 10,
        whole / 2,
        f"{part:,}",
        f"{whole:,}",
        round(100 * part / max(whole, part, 1)),
    )


def pretty_json(value: Any) -> SafeString | str:
    """The value as indented JSON in its own block."""
    if value in (None, "", {}, []):
        return NONE
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return format_html('<pre class="code">{}</pre>', text)


def folded(summary: str, content: SafeString | str) -> SafeString:
    """`content` behind a line one opens with a click."""
    return format_html("<details><summary>{}</summary>{}</details>", summary, content)


def with_note(text: object, note: object) -> SafeString:
    """The text, and a smaller line below it."""
    return format_html('{}<div class="mini quiet">{}</div>', text, note)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> SafeString | str:
    """A plain table; numbers stand right. A dash if there are no rows."""
    lines = list(rows)
    if not lines:
        return NONE
    body = format_html_join("", "<tr>{}</tr>", ((_cells(head, row),) for row in lines))
    heads = format_html_join(
        "",
        '<th scope="col" class="{}">{}</th>',
        (
            ("number" if _counts(cell) else "", name)
            for name, cell in zip(head, lines[0], strict=True)
        ),
    )
    return format_html(
        '<div class="scroll"><table class="plain{}"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        " wide" if len(head) > FIT_A_PHONE else "",
        heads,
        body,
    )


def fields_table(data: Any) -> SafeString | str:
    """A record's data as name and value, nested names joined by " › "; empty values left out."""
    return table(("Field", "Value"), list(flat(data)))


def _counts(cell: object) -> bool:
    return isinstance(cell, int | Figure) and not isinstance(cell, bool)


def _cells(head: Sequence[str], row: Sequence[object]) -> SafeString:
    """Each with its column's name, by which a phone shows it."""
    return format_html_join(
        "",
        '<td class="{}" data-label="{}">{}</td>',
        (
            (_kind(cell), strip_tags(name).lower(), number(cell) if type(cell) is int else cell)
            for name, cell in zip(head, row, strict=True)
        ),
    )


def _kind(cell: object) -> str:
    return "number" if _counts(cell) else "none" if cell == NONE else ""


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """("name", "Jo"), ("address › city", "Ulm"), ("emails › 1", "jo@example.com"), …"""
    if isinstance(value, dict):
        inner: Iterable[tuple[str, Any]] = value.items()
    elif isinstance(value, list):
        inner = ((str(place), part) for place, part in enumerate(value, 1))
    else:
        if value not in (None, ""):
            yield name, str(value)
        return
    for key, part in inner:
        yield from flat(part, f"{name} › {key}" if name else str(key))
