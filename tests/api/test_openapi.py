"""The description of the API and the page that shows it."""

import json
import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def described() -> dict:
    response = Client().get("/api/schema/?format=json")
    assert response.status_code == 200
    return json.loads(response.content)


def test_the_description_is_valid_and_made_without_a_warning():
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


def test_every_operation_says_how_to_get_in_and_what_its_problems_look_like(described):
    assert set(described["components"]["securitySchemes"]) == {"bearer", "apiKey"}
    for path, operations in described["paths"].items():
        assert path.startswith("/api/v1/")
        for method, operation in operations.items():
            where = f"{method} {path}"
            if path != "/api/v1/token/":
                assert operation["security"] == [{"bearer": []}, {"apiKey": []}], where
            problem = operation["responses"]["default"]["content"]["application/problem+json"]
            assert problem["schema"]["$ref"] == "#/components/schemas/Problem", where


def test_the_page_needs_no_sign_in_and_loads_nothing_from_outside():
    response = Client().get("/api/docs/")
    page = response.content.decode()

    assert response.status_code == 200
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)""", page)
    assert loaded
    assert not [address for address in loaded if re.match(r"(https?:)?//", address)]
    assert '"validatorUrl": null' in page


def test_every_operation_has_a_summary_of_its_own_below_its_path(described):
    summaries = {
        f"{method} {path}": operation.get("summary", "")
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }

    assert [where for where, said in summaries.items() if not said or len(said) > 90] == []
    assert summaries["get /api/v1/connections/"] == "List connections"
    assert summaries["get /api/v1/connections/{id}/"] == "Read one connection"
    assert summaries["post /api/v1/connections/{id}/pause/"].startswith("Pause")
    assert len(set(summaries.values())) >= len(summaries) - 4  # pause, resume of two kinds


def test_a_body_is_described_as_holding_nothing_else(described):
    schemas = described["components"]["schemas"]

    assert schemas["SyncRunRequest"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["SyncRun"]
