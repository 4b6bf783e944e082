"""Requests and answers against the field names of Intuit's own schemas.

They describe XML: names, types and enumerations are the same in JSON, where a reference is
{"value": "7", "name": "Jo"}.
"""

from __future__ import annotations

import gzip
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from integrations.connectors.quickbooks import QuickBooksConnector
from tests.providers.conftest import Reader
from tests.providers.official import SPECS, needs

SCHEMAS = SPECS / "quickbooks_xsd"
XS = "{http://www.w3.org/2001/XMLSchema}"
TYPES = [declared.name for declared in QuickBooksConnector.entity_types]
PLAIN: dict[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "decimal": (int, float, str),
    "integer": int,
    "positiveInteger": int,
    "string": str,
}
REFERENCE = dict.fromkeys(("value", "name", "type"), "xs:string")

pytestmark = needs(SCHEMAS)


@cache
def named() -> dict[str, Any]:
    """Every type of the schemas, and every element at their top, by name."""
    found = {}
    for path in sorted(SCHEMAS.glob("*.xsd.gz")):
        for node in ElementTree.fromstring(gzip.decompress(path.read_bytes())):
            if "name" in node.attrib:
                found[node.tag.removeprefix(XS), node.attrib["name"]] = node
    return {name: node for (kind, name), node in found.items() if kind.endswith("Type")}


@cache
def fields_of(kind: str) -> dict[str, str]:
    """Name and type of every field, those of the types it extends included."""
    fields = {}
    for node in named()[kind].iter():
        if node.tag == f"{XS}extension" and node.attrib["base"] in named():
            fields |= fields_of(node.attrib["base"])
        if node.tag in (f"{XS}element", f"{XS}attribute"):
            name = node.attrib.get("name") or node.attrib["ref"]
            fields[name] = node.attrib.get("type") or name
    return fields


def problems(value: Any, kind: str, where: str) -> list[str]:
    """Where a value is not what its type says."""
    if isinstance(value, list):
        return [p for one in value for p in problems(one, kind, where)]
    if isinstance(value, dict):
        known = REFERENCE if kind == "ReferenceType" else fields_of(kind)
        lost = [f"{where}.{name} does not exist" for name in value if name not in known]
        for name in value.keys() & known.keys():
            lost += problems(value[name], known[name], f"{where}.{name}")
        return lost
    choices = [one.attrib["value"] for one in enumeration(kind)]
    plain = PLAIN.get(kind.removeprefix("xs:"), (str, int, float))
    is_plain = isinstance(value, plain) and (plain is bool or not isinstance(value, bool))
    fits = value in choices if choices else is_plain
    return [] if fits else [f"{where}: {value!r} is no {kind}"]


def enumeration(kind: str) -> list[Any]:
    return list(named()[kind].iter(f"{XS}enumeration")) if kind in named() else []


def test_what_is_not_official_is_found() -> None:
    line = {"DetailType": "Nothing", "SalesItemLineDetail": {"Quantity": 1}}
    row = {"Sum": 1, "Balance": True, "CustomerRef": {"id": "3"}, "Line": [line]}

    assert set(problems(row, "Invoice", "Invoice")) == {
        "Invoice.Sum does not exist",
        "Invoice.Balance: True is no xs:decimal",
        "Invoice.CustomerRef.id does not exist",
        "Invoice.Line.DetailType: 'Nothing' is no LineDetailTypeEnum",
        "Invoice.Line.SalesItemLineDetail.Quantity does not exist",
    }


@pytest.fixture
def asked(quickbooks: Reader) -> list[str]:
    """Path and query of every call of a full and an incremental read."""
    for entity_type in TYPES:
        quickbooks.read(entity_type)
        quickbooks.again(entity_type)
    return [path for path in quickbooks.asked() if "/v3/company/" in path]


def test_every_query_names_types_and_fields_that_exist(asked: list[str]) -> None:
    queried, followed = set(), set()
    for path in asked:
        query = parse_qs(urlsplit(path).query)
        followed |= set(query.get("entities", ()))
        for text in query.get("query", ()):
            entity = re.findall(r"FROM (\w+)", text)[0]
            queried.add(entity)
            for dotted in re.findall(r"(?:WHERE|AND|ORDERBY) ([\w.]+)", text):
                kind = entity
                for name in dotted.split("."):
                    kind = fields_of(kind)[name]
    assert queried == followed == {name.capitalize()[:-1] for name in TYPES}


@pytest.mark.parametrize("entity_type", TYPES)
def test_every_row_of_the_sandbox_has_official_fields(quickbooks: Reader, entity_type: str) -> None:
    quickbooks.read(entity_type)

    rows = [one.data for one in quickbooks.known(entity_type)]

    assert rows
    kind = entity_type.capitalize()[:-1]
    assert {p for row in rows for p in problems(row, kind, kind)} == set()
