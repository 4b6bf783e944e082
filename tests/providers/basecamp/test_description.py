"""Requests and answers against Basecamp's own API description."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator

from tests.providers.conftest import Reader
from tests.providers.official import SPECS, needs, unpacked

DESCRIPTION = SPECS / "basecamp_openapi.json.gz"
TYPES = ("people", "projects", "todos", "messages")

pytestmark = needs(DESCRIPTION)


def description() -> Any:
    return unpacked(DESCRIPTION)


def operation_of(path: str) -> tuple[str, Any]:
    called = path.removeprefix("/basecamp/api").removesuffix(".json")
    for template, operations in description()["paths"].items():
        pattern = re.sub(r"\{\w+\}", r"[0-9]+", template.removesuffix(".json"))
        if re.fullmatch(pattern, called):
            return template, operations["get"]
    raise AssertionError(f"Basecamp describes no {called}")


def schema_of(schema: Any) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": description()["components"]})


def without_nulls(node: Any) -> Any:
    """Basecamp sends null for what is empty, which its description writes as left out."""
    if isinstance(node, list):
        return [without_nulls(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {name: without_nulls(value) for name, value in node.items() if value is not None}


@pytest.fixture
def asked(basecamp: Reader) -> list[str]:
    """Path and query of every call of a full and an incremental read, and of single things."""
    for entity_type in TYPES:
        basecamp.read(entity_type)
    basecamp.order("add", "todos", count=30)
    basecamp.order("delete", "messages", count=2)
    with basecamp.client() as client:
        client.get("/my/profile.json")
        for entity_type in ("todos", "messages"):
            client.get(f"/{entity_type}/{min(basecamp.ids(entity_type))}.json")
    for entity_type in TYPES:
        basecamp.again(entity_type)
    return [path for path in basecamp.asked() if path.startswith("/basecamp/api/")]


def test_every_request_is_one_basecamp_describes(asked: list[str]) -> None:
    called = set()
    for path in asked:
        template, operation = operation_of(urlsplit(path).path)
        called.add(template.removeprefix("/{accountId}/").removesuffix(".json"))
        described = {one["name"]: one for one in operation["parameters"]}
        for name, text in parse_qsl(urlsplit(path).query):
            schema = described[name]["schema"]
            assert described[name]["in"] == "query"
            assert text.isdecimal() or schema["type"] != "integer"
            choices = schema.get("description", "").split("|")
            assert len(choices) == 1 or text in choices
    assert called == {
        "my/profile",
        "people",
        "projects",
        "projects/recordings",
        "todos/{todoId}",
        "messages/{messageId}",
    }


def test_every_answer_of_the_sandbox_has_basecamps_shape(
    basecamp: Reader, asked: list[str]
) -> None:
    one_of = description()["components"]["schemas"]

    for path in asked:
        answer = basecamp.ask_again(path)
        assert answer.status_code == 200
        _, operation = operation_of(urlsplit(path).path)
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        body = without_nulls(answer.json())
        errors = [error.message for error in schema_of(schema).iter_errors(body)]
        for kind in ("Todo", "Message"):
            if f"type={kind}" in path:
                whole = schema_of({"type": "array", "items": one_of[kind]})
                errors += [error.message for error in whole.iter_errors(body)]
                known = {*one_of[kind]["properties"], "completion_subscribers"}
                errors += [name for row in body for name in row if name not in known]
        assert not errors, (path, errors[:3])
