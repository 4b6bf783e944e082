"""The page that says what each provider brings: the catalogue, with marks, on both sites."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest

from hub import display, sites
from hub.marks import mark_of
from integrations.connectors.catalogue import catalogue
from integrations.connectors.lines import MOST_DECLARED_LINES, MOST_METHOD_LINES


def providers(request: HttpRequest) -> dict[str, Any]:
    """The context of the page: what the connectors say of themselves; nothing is queried."""
    return {
        "entries": [_shown(entry) for entry in catalogue()],
        "most_method_lines": MOST_METHOD_LINES,
        "most_declared_lines": MOST_DECLARED_LINES,
    }


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    types = [
        {
            **declared,
            "at_most": _span(hours=declared["min_interval_hours"]),
            "anew": _span(days=declared["lifetime_days"]),
        }
        for declared in entry["types"]
    ]
    # Columns in which every type has nothing to say are left out.
    return {
        **entry,
        "mark": mark_of(entry["slug"]),
        "types": types,
        "has_parents": any(declared["parent"] for declared in types),
        "has_intervals": any(declared["at_most"] for declared in types),
        "has_lifetimes": any(declared["anew"] for declared in types),
    }


def _span(**length: float | None) -> str:
    [(unit, number)] = length.items()
    return display.span_text(timedelta(**{unit: number}).total_seconds()) if number else ""


for site in (sites.ops, sites.tenant):
    site.pages.append(
        sites.SitePage("providers", "Providers", "connect", "admin/providers.html", providers)
    )
