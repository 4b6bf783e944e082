"""Requests and answers against Google's own description of the API."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft7Validator

from tests.providers.conftest import Reader
from tests.providers.official import SPECS, needs, unpacked

DISCOVERY = SPECS / "gmail_v1_discovery.json.gz"

pytestmark = needs(DISCOVERY)


def discovery() -> Any:
    return unpacked(DISCOVERY)


@cache
def methods() -> list[tuple[re.Pattern[str], Any]]:
    """Each GET method with a pattern for its path."""
    users = discovery()["resources"]["users"]
    listed = list(users["methods"].values())
    for resource in users["resources"].values():
        listed += resource.get("methods", {}).values()
    return [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", one["path"]) + r"\Z"), one)
        for one in listed
        if one["httpMethod"] == "GET"
    ]


def method_of(path: str) -> Any:
    called = path.removeprefix("/gmail/api/")
    [found] = [one for pattern, one in methods() if pattern.match(called)]
    return found


def strict(schema: Any) -> Any:
    """Google's schema as JSON Schema: references by place, and no further fields."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"#/definitions/{schema['$ref']}"}
    kept = {key: schema[key] for key in ("type", "enum") if key in schema}
    if "items" in schema:
        kept["items"] = strict(schema["items"])
    if "properties" in schema:
        kept["properties"] = {name: strict(one) for name, one in schema["properties"].items()}
        kept["additionalProperties"] = False
    return kept


@cache
def validator(name: str) -> Draft7Validator:
    definitions = {key: strict(one) for key, one in discovery()["schemas"].items()}
    return Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": definitions})


@pytest.fixture
def asked(gmail: Reader) -> list[str]:
    """Path and query of every call of a full and an incremental read."""
    gmail.read("labels")
    gmail.order("add", "messages", count=60)
    gmail.read("messages")
    ids = gmail.order("change", "messages", count=80)
    gmail.order("change", "messages", ids=ids)
    [gone] = gmail.order("delete", "messages", count=1)
    gmail.order("delete", "messages", ids=[gone])
    gmail.again("messages")
    return [path for path in gmail.asked() if path.startswith("/gmail/api/")]


def test_every_request_is_one_google_describes(asked: list[str]) -> None:
    known = discovery()["parameters"]

    called = set()
    for path in asked:
        method = method_of(urlsplit(path).path)
        called.add(method["id"].removeprefix("gmail.users."))
        for name, value in parse_qsl(urlsplit(path).query):
            parameter = {**known, **method["parameters"]}[name]
            assert parameter["location"] == "query"
            assert value in parameter.get("enum", [value])
            assert value.isdecimal() or parameter["type"] != "integer"
    assert called == {"getProfile", "labels.list", "messages.list", "messages.get", "history.list"}
    assert any("history?" in path and "pageToken=" in path for path in asked)


def test_every_answer_of_the_sandbox_has_googles_shape(gmail: Reader, asked: list[str]) -> None:
    for path in asked:
        answer = gmail.ask_again(path)
        if answer.status_code == 404:
            continue
        shape = method_of(urlsplit(path).path)["response"]["$ref"]
        errors = [error.message for error in validator(shape).iter_errors(answer.json())]
        assert not errors, (path, errors[:3])
