"""/api/v1/providers/: what can be connected."""

import pytest

from integrations.connectors.registry import all_connectors

pytestmark = pytest.mark.django_db


def test_every_registered_connector_is_listed_with_what_it_reads(viewer):
    listed = viewer.get("providers/").json()

    assert [row["slug"] for row in listed] == [c.provider.slug for c in all_connectors()]
    copper = next(row for row in listed if row["slug"] == "copper")
    assert copper["auth_kinds"] == ["api_key", "oauth2"]
    companies = next(line for line in copper["entity_types"] if line["name"] == "companies")
    assert companies["record_types"] == ["company"]
    assert companies["min_interval_seconds"] is None
    teams = next(row for row in listed if row["slug"] == "teams")
    rarely = {line["name"]: line["min_interval_seconds"] for line in teams["entity_types"]}
    assert rarely["messages"] == 86_400


def test_one_provider_is_shown_by_its_slug(viewer):
    assert viewer.get("providers/copper/").json()["label"] == "Copper"


def test_an_unknown_provider_is_named_with_those_there_are(viewer):
    response = viewer.get("providers/unicorn/")

    assert (response.status_code, response.json()["code"]) == (404, "unknown_provider")
