"""Requests and answers against the field names of HubSpot's own SDK.

The SDK speaks version 3, whose shapes 2026-03 has kept; batches of associations are not in it.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from integrations.connectors.hubspot import HubSpotConnector
from integrations.testing.access import Access
from tests.providers.conftest import Reader
from tests.providers.official import SPECS, needs, unpacked
from tests.sandbox.conftest import Caller

FIELDS = SPECS / "hubspot_sdk_models.json.gz"

pytestmark = needs(FIELDS)

PLAIN: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "datetime": str,
    "object": object,
}
ANSWERS = {
    "companies": "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging",
    "owners": "CollectionResponsePublicOwnerForwardPaging",
    "pipelines": "CollectionResponsePipelineNoPaging",
    "search": "CollectionResponseWithTotalSimplePublicObjectForwardPaging",
}


def spec() -> Any:
    return unpacked(FIELDS)


def problems(value: Any, kind: str, where: str = "") -> list[str]:
    """Where a value is not what its kind says: "list[PublicOwner]", "dict[str, str]", "Paging"."""
    if kind in PLAIN:
        return [] if isinstance(value, PLAIN[kind]) or value is None else [f"{where}: no {kind}"]
    if match := re.fullmatch(r"list\[(.+)\]", kind):
        return [p for n, one in enumerate(value) for p in problems(one, match[1], f"{where}.{n}")]
    if match := re.fullmatch(r"dict\[str, (.+)\]", kind):
        return [p for n, one in value.items() for p in problems(one, match[1], f"{where}.{n}")]
    model = spec()["models"][kind]
    found = [f"{where}.{n} does not exist" for n in value if n not in model["fields"]]
    found += [f"{where}.{n} is missing" for n in model["required"] if n not in value]
    for name, each in model["fields"].items():
        if name in value and f"{where}.{name} does not exist" not in found:
            found += problems(value[name], each, f"{where}.{name}")
    return found


def ask(caller: Caller, access: Access, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {access.credentials.access_token}"}
    url = caller.at("https://api.hubapi.com", path)
    answer = caller.http.request(method, url, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/crm/objects/2026-03/companies?limit=100", ANSWERS["companies"]),
        (
            "/crm/objects/2026-03/contacts?properties=firstname,email&associations=companies",
            ANSWERS["companies"],
        ),
        (
            "/crm/objects/2026-03/deals?properties=amount&associations=companies,contacts",
            ANSWERS["companies"],
        ),
        ("/crm/objects/2026-03/deals?archived=true", ANSWERS["companies"]),
        ("/crm/owners/2026-03", ANSWERS["owners"]),
        ("/crm/v3/pipelines/deals", ANSWERS["pipelines"]),
    ],
)
def test_every_list_of_the_sandbox_has_the_official_fields(
    caller: Caller, access: Access, path: str, model: str
) -> None:
    caller.control("delete", slug="hubspot", entity="deals", count=2)

    body = ask(caller, access, "GET", path)

    assert body["results"]
    assert problems(body, model) == []


def test_a_refusal_of_the_sandbox_has_the_official_fields(caller: Caller, access: Access) -> None:
    headers = {"Authorization": f"Bearer {access.credentials.access_token}"}
    url = caller.at("https://api.hubapi.com", "/crm/objects/2026-03/contacts?limit=101")

    answer = caller.http.get(url, headers=headers)

    assert answer.status_code == 400
    said = answer.json()
    assert said.pop("status") == "error"
    assert problems(said, "Error") == []


def test_every_request_of_a_read_is_an_official_one(hubspot: Reader, access: Access) -> None:
    """Its path is known, its parameters exist, its body has the fields of a search."""
    for declared in HubSpotConnector.entity_types:
        hubspot.read(declared.name)
    known = {(one["method"], one["path"].rstrip("/")): one["query"] for one in spec()["operations"]}
    asked = hubspot.sandbox.own("/_requests?slug=hubspot")
    seen = set()
    for request in asked:
        parts = urlsplit(request["path"].removeprefix("/hubspot/api"))
        path = re.sub(r"/crm/(objects|owners)/2026-03", r"/crm/v3/\1", parts.path).rstrip("/")
        if not path.startswith("/crm/v3/"):
            continue
        plain = re.sub("/(companies|deals)(?=$|/search)", "/contacts", path)
        plain = plain.replace("/pipelines/contacts", "/pipelines/{objectType}")
        seen.add(plain)
        allowed = known[request["method"], plain]
        assert {name for name, _ in parse_qsl(parts.query)} <= set(allowed)
        if request["method"] == "POST":
            body = json.loads(request["body"])
            orders = [order.pop("propertyName") for order in body["sorts"]]
            body["sorts"] = orders  # the SDK calls them texts; objects are what HubSpot takes
            assert problems(body, "PublicObjectSearchRequest") == []
    assert seen == {
        "/crm/v3/owners",
        "/crm/v3/pipelines/{objectType}",
        "/crm/v3/objects/contacts",
        "/crm/v3/objects/contacts/search",
    }
