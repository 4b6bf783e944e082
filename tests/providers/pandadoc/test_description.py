"""Requests and answers against PandaDoc's own API description."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator

from tests.providers.conftest import Reader
from tests.providers.official import SPECS, needs, unpacked

DESCRIPTION = SPECS / "pandadoc_openapi.json.gz"
UNDESCRIBED = {"email_verified"}
"""Recorded for members, where the description says emails_verified."""

pytestmark = needs(DESCRIPTION)


def description() -> Any:
    return unpacked(DESCRIPTION)


def resolved(node: Any) -> Any:
    """What a reference leads to, or the node itself."""
    if "$ref" not in node:
        return node
    found = description()
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def strict(node: Any) -> Any:
    """The description's schema as JSON Schema: null where it may be, and no further fields."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {key: strict(value) for key, value in node.items() if key != "discriminator"}
    if kept.pop("nullable", False) is True:
        kept = {"anyOf": [kept, {"type": "null"}]}
    return kept


@cache
def components() -> Any:
    return strict(description()["components"])


def unknown_fields(schema: Any, value: Any) -> set[str]:
    """Fields of an object that the description does not name."""
    properties = resolved(schema).get("properties", {})
    return set(value) - set(properties)


def operation_of(path: str) -> tuple[str, Any]:
    called = path.removeprefix("/pandadoc/api")
    for template, operations in description()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, called) and (called == template or "{" in template):
            return template, operations["get"]
    raise AssertionError(f"PandaDoc describes no {called}")


@pytest.fixture
def asked(pandadoc: Reader) -> list[str]:
    """Path and query of every call of a full and an incremental read."""
    with pandadoc.client() as client:
        client.get("/members/current")
    for entity_type in ("members", "contacts", "templates", "documents"):
        pandadoc.read(entity_type)
    pandadoc.order("add", "documents", count=30)
    pandadoc.order("change", "documents", count=20)
    pandadoc.order("delete", "documents", count=2)
    pandadoc.again("documents")
    return [path for path in pandadoc.asked() if "/public/v1/" in path]


def test_every_request_is_one_pandadoc_describes(asked: list[str]) -> None:
    called = set()
    for path in asked:
        template, operation = operation_of(urlsplit(path).path)
        called.add(template.removeprefix("/public/v1/"))
        described = {one["name"]: one for one in map(resolved, operation.get("parameters", ()))}
        for name, text in parse_qsl(urlsplit(path).query):
            assert described[name]["in"] == "query"
            schema = strict(resolved(described[name]["schema"]))
            value = json.loads(text) if schema["type"] in ("integer", "boolean") else text
            checked = Draft202012Validator(
                schema, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
            assert not list(checked.iter_errors(value)), (path, name)
    assert called == {
        "members/current",
        "members",
        "contacts",
        "templates",
        "documents",
        "documents/{id}/details",
    }


def test_every_answer_of_the_sandbox_has_pandadocs_shape(
    pandadoc: Reader, asked: list[str]
) -> None:
    seen = 0
    for path in asked:
        answer = pandadoc.ask_again(path)
        _, operation = operation_of(urlsplit(path).path)
        described = resolved(operation["responses"][str(answer.status_code)])
        schema = resolved(described["content"]["application/json"]["schema"])
        validator = Draft202012Validator({**strict(schema), "components": components()})
        errors = [error.message for error in validator.iter_errors(answer.json())]
        assert not errors, (path, errors[:3])
        if answer.status_code == 200:
            seen += 1
            row = answer.json().get("results", [answer.json()])
            item = schema["properties"].get("results", {}).get("items", schema)
            for one in row:
                assert unknown_fields(item, one) <= UNDESCRIBED
    assert seen > 80
