"""R8: nothing but the egress module opens a connection to the outside."""

from __future__ import annotations

import ast
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOOR = {"integrations/http/egress.py"}
SENDERS = {"requests", "urllib3", "httpx", "aiohttp", "http.client", "urllib.request", "smtplib"}
STANDS_ALONE = "integrations/sandbox/"
"""The stand-in for providers is a program of its own that no part of the hub imports."""


def imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_only_the_one_door_imports_what_can_send() -> None:
    found = {}
    for folder in ("hub", "integrations", "tenants"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            name = path.relative_to(REPOSITORY).as_posix()
            if name in DOOR or name.startswith(STANDS_ALONE):
                continue
            parts = {
                sender
                for one in imported(path.read_text())
                for sender in SENDERS
                if one == sender or one.startswith(f"{sender}.")
            }
            if parts:
                found[name] = parts

    assert found == {}


def test_the_ban_sees_every_way_to_import() -> None:
    source = "import requests.adapters\nfrom http import client\nfrom urllib import request\n"

    assert {"requests.adapters", "http.client", "urllib.request"} <= imported(source)
