"""Requests and answers against GitHub's own OpenAPI description.

Next pages are asked for as the Link header says, by the number of the repository; they count as
pages of the path that was asked for first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

from integrations.connectors.github import GitHubConnector
from tests.providers.conftest import Reader
from tests.providers.official import SPECS, needs, unpacked

DESCRIPTION = SPECS / "github_openapi_subset.json.gz"

# Reading the description takes seconds, so one process does.
pytestmark = [needs(DESCRIPTION), pytest.mark.xdist_group("github-description")]


@cache
def described() -> Any:
    return _with_null(unpacked(DESCRIPTION))


def _with_null(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(node, list):
        return [_with_null(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: _with_null(value) for name, value in node.items()}
    if made.pop("nullable", False) is True:
        return {"anyOf": [{"type": "null"}, made]}
    return made


def operation(path: str) -> tuple[str, Any]:
    """The described path a request belongs to, with its GET."""
    path = re.sub(r"^/repositories/\d+/", "/repos/o/r/", path)
    for template, methods in described()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if "get" in methods and re.fullmatch(pattern, path):
            return template, methods["get"]
    raise AssertionError(f"{path} is not described")


def parameters(described_get: Any) -> dict[str, Any]:
    found = {}
    for one in described_get.get("parameters", []):
        if "$ref" in one:
            one = described()["components"]["parameters"][one["$ref"].rpartition("/")[2]]
        if one["in"] == "query":
            found[one["name"]] = one["schema"]
    return found


def problems(body: Any, schema: Any) -> Iterator[str]:
    validator = jsonschema.Draft202012Validator({**schema, "components": described()["components"]})
    for error in validator.iter_errors(body):
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"


@pytest.fixture
def after_all_reads(github: Reader) -> Reader:
    """Everything read in full and again, over several pages."""
    for kind, count in (("issues", 50), ("pulls", 250)):
        github.order("add", kind, count=count)
    for _ in range(2):
        for declared in GitHubConnector.entity_types:
            since = github.checkpoint(declared.name) if declared.name in github.cursors else None
            github.read(declared.name, since)
    with github.client() as client:
        client.get("/user")
    return github


def test_every_request_is_described_with_all_its_parameters(after_all_reads: Reader) -> None:
    asked = after_all_reads.sandbox.own("/_requests?slug=github")

    seen, pages = set(), set()
    for request in asked:
        if not request["path"].startswith("/github/api/"):
            continue
        parts = urlsplit(request["path"].removeprefix("/github/api"))
        template, get = operation(parts.path)
        known = parameters(get)
        seen.add(template)
        for name, value in parse_qsl(parts.query):
            pages |= {template} if name == "page" and value != "1" else set()
            schema = known[name]
            typed = int(value) if schema["type"] == "integer" else value
            assert list(problems(typed, schema)) == []
    assert seen == {
        "/user",
        "/user/orgs",
        "/orgs/{org}/members",
        "/user/repos",
        "/repos/{owner}/{repo}/issues",
        "/repos/{owner}/{repo}/pulls",
    }
    assert "/repos/{owner}/{repo}/pulls" in pages


@pytest.mark.parametrize(
    "path",
    [
        "/user",
        "/user/orgs",
        "/orgs/nordlicht/members",
        "/user/repos",
        "/repos/nordlicht/shop/issues?state=all&per_page=100",
        "/repos/nordlicht/shop/pulls?state=all&per_page=40",
    ],
)
def test_every_answer_of_the_sandbox_is_as_described(github: Reader, path: str) -> None:
    with github.client() as client:
        body = client.get(path).body

    _, get = operation(urlsplit(path).path)
    schema = get["responses"]["200"]["content"]["application/json"]["schema"]
    assert body
    assert list(problems(body, schema)) == []
