"""The catalogue: what every connector says of itself, for the command, the docs and the pages."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from integrations.connectors.base import Connector
from integrations.connectors.lines import count_lines
from integrations.connectors.registry import all_connectors
from integrations.types import EntityType, Limit

SIGN_IN = {
    "oauth2": "OAuth 2",
    "api_key": "key",
    "basic": "user name and password",
    "client_credentials": "client id and secret",
}
DELETIONS = {"signal": "reported", "absence": "by absence", "never": "never"}
HEADER = """\
# Providers

What the hub connects to, as the connectors say it themselves. This page is written by
`manage.py connectors --markdown > docs/providers.md`; change a connector, not the page.

Deletions are *reported* by the provider, or show *by absence* from a complete list, or *never*.
"""


def catalogue() -> list[dict[str, Any]]:
    """One entry for each registered connector, by slug; see `described`."""
    return [described(connector) for connector in all_connectors()]


def described(connector: type[Connector]) -> dict[str, Any]:
    """{"slug", "label", "auth": [kind, …], "entity_types": [name, …], "types": […], "limits": […],
    "lines": {"methods": 50, "declared": 58}}

    `types` says of each entity type what it becomes, its parent, whether deletions are reported
    and how long a checkpoint lives (days, or None).
    """
    provider = connector.provider
    return {
        "slug": provider.slug,
        "label": provider.label,
        "auth": [way.kind for way in provider.auth],
        "entity_types": [declared.name for declared in connector.entity_types],
        "types": [_type(declared) for declared in connector.entity_types],
        "limits": [_limit(limit) for limit in provider.limits],
        "lines": asdict(count_lines(connector)),
    }


def markdown(entries: list[dict[str, Any]]) -> str:
    """The catalogue as a page: one table of providers, and for each a table of its types."""
    lines = [HEADER, "| provider | sign-in | entity types | lines in methods | declared |"]
    lines.append("|---|---|---|---|---|")
    for entry in entries:
        names = ", ".join(entry["entity_types"])
        counted = entry["lines"]
        lines.append(
            f"| [{entry['label']}](#{_anchor(entry)}) | {_sign_in(entry)} | {names} "
            f"| {counted['methods']} | {counted['declared']} |"
        )
    for entry in entries:
        lines += ["", f"## {entry['label']}", "", *_page(entry)]
    return "\n".join(lines) + "\n"


def _page(entry: dict[str, Any]) -> list[str]:
    limits = f"`{entry['slug']}`. Limits: {'; '.join(entry['limits']) or 'none known'}."
    table = ["| entity type | becomes | below | deletions | read in full again |"]
    table.append("|---|---|---|---|---|")
    for declared in entry["types"]:
        days = declared["lifetime_days"]
        cells = (
            declared["name"],
            ", ".join(declared["becomes"]),
            declared["parent"] or "–",
            declared["deletions"],
            f"after {days:g} days" if days else "–",
        )
        table.append(f"| {' | '.join(cells)} |")
    return [limits, "", *table]


def _anchor(entry: dict[str, Any]) -> str:
    return str(entry["label"]).lower().replace(" ", "-")


def _sign_in(entry: dict[str, Any]) -> str:
    return " or ".join(SIGN_IN[kind] for kind in entry["auth"])


def _type(declared: EntityType) -> dict[str, Any]:
    lifetime = declared.lifetime
    return {
        "name": declared.name,
        "becomes": [record.record_type for record in declared.record_types],
        "parent": declared.parent or declared.inside,
        "deletions": DELETIONS[declared.deletions],
        "lifetime_days": None if lifetime is None else lifetime / timedelta(days=1),
    }


def _limit(limit: Limit) -> str:
    """ "150 in 60 s", "4 in 1 s per account for /v1/search*"."""
    text = f"{limit.requests} in {limit.per_seconds:g} s"
    text += "" if limit.per == "connection" else f" per {limit.per}"
    text += "" if limit.path == "*" else f" for `{limit.path}`"
    text += "" if limit.cost == 1 else f", a call counting {limit.cost}"
    return text + (f", then a lock-out of {limit.lockout:g} s" if limit.lockout else "")
