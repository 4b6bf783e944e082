"""The catalogue: what every connector says of itself, for the command, the docs and the pages."""

import ast
import inspect
import re
import sys
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from integrations.connectors.base import Connector
from integrations.connectors.lines import count_lines
from integrations.connectors.registry import all_connectors
from integrations.types import EntityType, Limit, OAuth2, Provider

SIGN_IN = {
    "oauth2": "OAuth 2",
    "api_key": "key",
    "basic": "user name and password",
    "client_credentials": "client id and secret",
}
DELETIONS = {"signal": "reported", "absence": "by absence", "never": "never"}
WALKS = {
    "feed": "a feed of changes",
    "keyset": "lists by time of change, oldest first",
    "newest_first": "lists by time of change, newest first",
    "entities": "complete lists",
}
"""How lists are read, by the walk of a page style that a connector uses."""
HEADER = """\
# Providers

What the hub connects to, as the connectors say it themselves. This page is written by
`manage.py connectors --markdown > docs/providers.md`; change a connector, not the page.

Deletions are *reported* by the provider, or show *by absence* from a complete list, or *never*.
*At most* says how often a type is read at most, where it may not be read with each sync; *anew*,
after what time without a sync it is read in full again, because the provider remembers no longer.
"""
NONE = "–"


def catalogue() -> list[dict[str, Any]]:
    """One entry for each registered connector, by slug; see `described`."""
    return [described(connector) for connector in all_connectors()]


def described(connector: type[Connector]) -> dict[str, Any]:
    """{"slug", "label", "auth": [kind, …], "sign_in": "OAuth 2 or key", "scopes": [scope, …],
    "optional_scopes": […], "reads": ["a feed of changes", …], "entity_types": [name, …],
    "types": […], "limits": […], "lines": {"methods": 50, "declared": 58}}

    `types` says of each entity type what it becomes, its parent, where its time of change lies,
    whether deletions are reported, how often it is read at most (hours, or None) and how long a
    checkpoint lives (days, or None).
    """
    provider = connector.provider
    return {
        "slug": provider.slug,
        "label": provider.label,
        "auth": [way.kind for way in provider.auth],
        "sign_in": " or ".join(SIGN_IN[way.kind] for way in provider.auth),
        "scopes": _scopes(provider, "scopes"),
        "optional_scopes": _scopes(provider, "optional_scopes"),
        "reads": _walks(connector),
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
            f"| [{entry['label']}](#{_anchor(entry)}) | {entry['sign_in']} | {names} "
            f"| {counted['methods']} | {counted['declared']} |"
        )
    for entry in entries:
        lines += ["", f"## {entry['label']}", "", *_page(entry)]
    return "\n".join(lines) + "\n"


def _page(entry: dict[str, Any]) -> list[str]:
    facts = [
        f"- `{entry['slug']}`, sign-in: {entry['sign_in']}",
        f"- scopes: {_quoted(entry['scopes'])}",
        f"- limits: {'; '.join(map(_with_path, entry['limits'])) or 'none known'}",
        f"- reads {'; '.join(entry['reads'])}",
    ]
    if entry["optional_scopes"]:
        facts.insert(2, f"- scopes that may be refused: {_quoted(entry['optional_scopes'])}")
    table = ["| entity type | becomes | below | time of change | deletions | at most | anew |"]
    table.append("|---|---|---|---|---|---|---|")
    for declared in entry["types"]:
        hours, days = declared["min_interval_hours"], declared["lifetime_days"]
        changed_at = declared["changed_at"]
        cells = (
            declared["name"],
            ", ".join(declared["becomes"]),
            declared["parent"] or NONE,
            f"`{changed_at}`" if changed_at else NONE,
            declared["deletions"],
            f"every {hours:g} h" if hours else NONE,
            f"after {days:g} days" if days else NONE,
        )
        table.append(f"| {' | '.join(cells)} |")
    return [*facts, "", *table]


def _quoted(scopes: list[str]) -> str:
    return ", ".join(f"`{scope}`" for scope in scopes) or "none"


def _anchor(entry: dict[str, Any]) -> str:
    return str(entry["label"]).lower().replace(" ", "-")


def _with_path(limit: str) -> str:
    """A limit's text with its path as code, so that its stars stay stars."""
    return re.sub(r" for ([^ ,]+)", r" for `\1`", limit)


def _scopes(provider: Provider, field: str) -> list[str]:
    return [one for way in provider.auth if isinstance(way, OAuth2) for one in getattr(way, field)]


def _walks(connector: type[Connector]) -> list[str]:
    """What the module asks of its page styles, which is how changes come."""
    module = ast.parse(inspect.getsource(sys.modules[connector.__module__]))
    used = {node.attr for node in ast.walk(module) if isinstance(node, ast.Attribute)}
    return [text for walk, text in WALKS.items() if walk in used]


def _type(declared: EntityType) -> dict[str, Any]:
    lifetime, interval = declared.lifetime, declared.min_interval
    is_never_missed = declared.window and declared.deletions == "absence"
    return {
        "name": declared.name,
        "becomes": [record.record_type for record in declared.record_types],
        "parent": declared.parent or declared.inside,
        "changed_at": declared.changed_at,
        "deletions": DELETIONS["never" if is_never_missed else declared.deletions],
        "min_interval_hours": None if interval is None else interval / timedelta(hours=1),
        "lifetime_days": None if lifetime is None else lifetime / timedelta(days=1),
    }


def _limit(limit: Limit) -> str:
    """ "150 in 60 s", "4 in 1 s per account for /v1/search*"."""
    text = f"{limit.requests} in {limit.per_seconds:g} s"
    text += "" if limit.per == "connection" else f" per {limit.per}"
    text += "" if limit.path == "*" else f" for {limit.path}"
    text += "" if limit.cost == 1 else f", a call counting {limit.cost}"
    return text + (f", then a lock-out of {limit.lockout:g} s" if limit.lockout else "")
