"""Every request to Composio is one its own client (API v3.1) could have sent."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from integrations.sandbox.composio import Composio
from integrations.services.disconnect import disconnect_at_once
from tenants.roles import Role
from tests.connecting.conftest import World
from tests.providers.composio.conftest import OPERATOR, SHOWN, connected, sync
from tests.providers.official import SPECS, needs, unpacked

FIELDS = SPECS / "composio_v31_client_fields.json.gz"

pytestmark = [
    pytest.mark.django_db,
    needs(FIELDS),
]


def operations() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = unpacked(FIELDS)["operations"]
    return found


def operation_of(method: str, path: str) -> dict[str, Any]:
    for each in operations():
        pattern = re.sub(r"\{\w+\}", "[^/]+", each["path"])
        if each["method"] == method and re.fullmatch(pattern, path):
            return each
    raise AssertionError(f"Composio has no {method} {path}")


def test_every_request_has_a_path_and_fields_that_composio_knows(
    composio: Composio, world: World
) -> None:
    for provider in SHOWN:
        through = connected(world, provider)
        assert sync(through).state == "succeeded"
        disconnect_at_once(connection=through, actor=replace(OPERATOR, role=Role.ADMIN))

    asked = [one for one in world.requests() if one["path"].startswith("/composio/api/")]
    kinds = set()
    for one in asked:
        parts = urlsplit(one["path"].removeprefix("/composio"))
        operation = operation_of(one["method"], parts.path)
        kinds.add(operation["python"])
        body = orjson.loads(one["body"]) if one["body"] else {}
        assert {*body, *parse_qs(parts.query)} <= set(operation["arguments"])
        for parameter in body.get("parameters", ()):
            assert set(parameter) == {"name", "type", "value"}
            assert parameter["type"] in ("header", "query")
            assert isinstance(parameter["value"], str)
    assert kinds == {
        "AuthConfigsResource.list",
        "AuthConfigsResource.create",
        "LinkResource.create",
        "ConnectedAccountsResource.retrieve",
        "ConnectedAccountsResource.delete",
        "ToolsResource.proxy",
    }
