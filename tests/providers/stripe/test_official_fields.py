"""Requests and answers against Stripe's own field names and sample objects."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from integrations.connectors.stripe import EVENTS, VERSION, StripeConnector
from integrations.types import Entity
from tests.providers.conftest import Reader
from tests.providers.official import SPECS, needs, unpacked

FIELDS = SPECS / "stripe_object_fields.json.gz"
SAMPLES = SPECS / "stripe_fixtures_subset.json.gz"

pytestmark = needs(FIELDS)

OBJECTS = {
    "products": "Product",
    "customers": "Customer",
    "invoices": "Invoice",
    "charges": "Charge",
    "events": "Event",
}


def problems(payload: dict[str, Any], name: str) -> list[str]:
    """Fields that do not exist, that are missing though always sent, or of another type."""
    fields = unpacked(FIELDS)["objects"][name]["fields"]
    found = [f"{name}.{field} does not exist" for field in payload if field not in fields]
    for field, kind in fields.items():
        plain = {"int": int, "str": str, "bool": bool}.get(kind)
        if plain is not None and type(payload.get(field)) is not plain:
            found.append(f"{name}.{field} is not {kind}")
        if not kind.startswith("Optional") and field not in payload:
            found.append(f"{name}.{field} is missing")
    return found


@pytest.fixture
def after_all_reads(stripe: Reader) -> Reader:
    """Everything read in full, then changed, then read through events and by id."""
    for declared in StripeConnector.entity_types:
        stripe.read(declared.name)
        stripe.order("change", declared.name, count=2)
        stripe.order("add", declared.name, count=1)
        stripe.again(declared.name)
    stripe.sandbox.sandbox.world.parts["stripe"].event_version = "2022-11-15"  # type: ignore[attr-defined]
    stripe.order("change", "invoices", count=1)
    stripe.again("invoices")
    return stripe


def test_every_request_uses_parameters_that_exist(after_all_reads: Reader) -> None:
    params = unpacked(FIELDS)["list_params"]
    asked = after_all_reads.sandbox.own("/_requests?slug=stripe")

    kinds = set()
    for request in asked:
        parts = urlsplit(request["path"])
        kind, _, id = parts.path.removeprefix("/stripe/api/v1/").partition("/")
        name = OBJECTS[kind]
        known = params[name.lower()]
        kinds.add((kind, bool(id)))
        assert request["status"] == 200
        for param, _ in parse_qsl(parts.query):
            field, _, bound = param.partition("[")
            assert not id
            assert field in known[f"{name}ListParams"]
            if bound.rstrip("]"):
                assert bound.rstrip("]") in known[f"{name}ListParamsCreated"]
    assert kinds == {*((kind, False) for kind in OBJECTS), ("invoices", True)}


def test_every_event_asked_for_exists() -> None:
    known = unpacked(FIELDS)["objects"]["Event"]["fields"]["type"]

    for types in EVENTS.values():
        assert len(types) <= 20
        assert all(f'"{name}"' in known for name in types)


def test_the_version_sent_is_the_one_the_fields_are_of() -> None:
    assert VERSION in unpacked(FIELDS)["source"]


@pytest.mark.parametrize("kind", OBJECTS)
def test_every_object_of_the_sandbox_has_the_official_fields(stripe: Reader, kind: str) -> None:
    part: Any = stripe.sandbox.sandbox.world.parts["stripe"]
    account = part.accounts["acct_1NordlichtGmbH01"]
    rows = part._newest_first(account, kind)

    assert rows
    for row in rows:
        assert problems(row.data, OBJECTS[kind]) == []
        for line in row.data.get("lines", {}).get("data", []):
            assert problems(line, "InvoiceLineItem") == []


@pytest.mark.parametrize("kind", [declared.name for declared in StripeConnector.entity_types])
def test_an_official_sample_object_becomes_a_valid_record(kind: str) -> None:
    sample = unpacked(SAMPLES)["resources"][kind[:-1]]
    connector = StripeConnector(None)

    record = connector.transform(Entity(kind, sample["id"], sample))
    record.validate()

    assert isinstance(record, connector.entity_type(kind).record_types)
