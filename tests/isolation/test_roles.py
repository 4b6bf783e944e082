"""Which role each operation needs, tried with every role. An operation without a line fails."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.models import Preflight, SyncRun
from integrations.sync.preflight import want
from tenants.context import in_tenant
from tenants.models import Tenant
from tenants.roles import Role
from tests.api.caller import with_key, with_token
from tests.api.rows import alike, connected, followed, ran, stored, waiting
from tests.conftest import empty_all
from tests.isolation.test_api_matrix import (
    BELOW,
    DESTINATION,
    NOBODYS,
    ROWS,
    SHADOWS,
    SYNC_RUNS,
    operations,
)

pytestmark = pytest.mark.django_db

NEEDS: dict[str, Role] = {
    "GET /api/v1/providers/": Role.VIEWER,
    "GET /api/v1/providers/{slug}/": Role.VIEWER,
    "GET /api/v1/connections/": Role.VIEWER,
    "GET /api/v1/connections/{id}/": Role.VIEWER,
    "PATCH /api/v1/connections/{id}/": Role.OPERATOR,
    "GET /api/v1/connections/{id}/preflight/": Role.VIEWER,
    "POST /api/v1/connections/{id}/preflight/": Role.OPERATOR,
    "POST /api/v1/connections/{id}/pause/": Role.OPERATOR,
    "POST /api/v1/connections/{id}/resume/": Role.OPERATOR,
    "POST /api/v1/connections/{id}/disconnect/": Role.ADMIN,
    "POST /api/v1/connect-sessions/": Role.OPERATOR,
    "POST /api/v1/composio/links/": Role.OPERATOR,
    "POST /api/v1/composio/connections/": Role.OPERATOR,
    "GET /api/v1/connect-settings/": Role.VIEWER,
    "PUT /api/v1/connect-settings/": Role.ADMIN,
    f"GET {SYNC_RUNS}": Role.VIEWER,
    f"POST {SYNC_RUNS}": Role.OPERATOR,
    f"GET {SYNC_RUNS}{{id}}/": Role.VIEWER,
    f"POST {SYNC_RUNS}{{id}}/cancel/": Role.OPERATOR,
    f"GET {SHADOWS}": Role.VIEWER,
    f"POST {SHADOWS}": Role.OPERATOR,
    f"GET {SHADOWS}{{id}}/": Role.VIEWER,
    f"POST {SHADOWS}{{id}}/cancel/": Role.OPERATOR,
    "GET /api/v1/deletion-reviews/": Role.VIEWER,
    "GET /api/v1/deletion-reviews/{id}/": Role.VIEWER,
    "POST /api/v1/deletion-reviews/{id}/decide/": Role.OPERATOR,
    "GET /api/v1/identity-groups/": Role.VIEWER,
    "POST /api/v1/identity-groups/look/": Role.OPERATOR,
    "GET /api/v1/identity-groups/{id}/": Role.VIEWER,
    "POST /api/v1/identity-groups/{id}/confirm/": Role.OPERATOR,
    "POST /api/v1/identity-groups/{id}/split/": Role.OPERATOR,
    "POST /api/v1/identity-groups/{id}/forbid/": Role.OPERATOR,
    "GET /api/v1/changes/": Role.VIEWER,
    "GET /api/v1/records/": Role.VIEWER,
    "GET /api/v1/records/{id}/": Role.VIEWER,
    "GET /api/v1/destinations/": Role.VIEWER,
    "POST /api/v1/destinations/": Role.ADMIN,
    f"GET {DESTINATION}": Role.VIEWER,
    f"PATCH {DESTINATION}": Role.ADMIN,
    f"DELETE {DESTINATION}": Role.ADMIN,
    f"POST {DESTINATION}pause/": Role.OPERATOR,
    f"POST {DESTINATION}resume/": Role.OPERATOR,
    f"POST {DESTINATION}rewrite/": Role.OPERATOR,
    f"GET {BELOW}rejected/": Role.VIEWER,
    f"GET {BELOW}runs/": Role.VIEWER,
    f"GET {BELOW}runs/{{id}}/": Role.VIEWER,
    f"GET {BELOW}routes/": Role.VIEWER,
    f"POST {BELOW}routes/": Role.OPERATOR,
    f"POST {BELOW}routes/preview/": Role.VIEWER,
    f"GET {BELOW}routes/{{id}}/": Role.VIEWER,
    f"PATCH {BELOW}routes/{{id}}/": Role.OPERATOR,
    f"DELETE {BELOW}routes/{{id}}/": Role.OPERATOR,
    f"GET {BELOW}routes/{{id}}/preview/": Role.VIEWER,
}
WITHOUT_A_ROLE = {"POST /api/v1/token/"}
# Whose role suffices is told here that there is no app at the gateway.
NEEDS_AN_APP = {"POST /api/v1/composio/links/", "POST /api/v1/composio/connections/"}


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Any]]:
    """Rows of acme, committed once; what a test does to them is rolled back."""
    with django_db_blocker.unblock(), in_tenant(Tenant.objects.get(slug="acme")):
        made = seed()
    yield made
    with django_db_blocker.unblock():
        empty_all()


@pytest.fixture
def rows(seeded: dict[str, Any], db: None) -> dict[str, Any]:
    return seeded


def seed() -> dict[str, Any]:
    connection = connected()
    run = ran(connection, state=SyncRun.State.RUNNING, ended_at=None)
    records = [stored(connection, str(n)) for n in range(2)]
    want(connection, Preflight.Because.CONNECT)
    return {
        "connection": connection.pk,
        "run": run.pk,
        "record": records[0].pk,
        "identity": alike(*records).pk,
        "review": waiting(connection, records).pk,
        "shadow": connection.shadow_diffs.create(mode="full", asked_by="acme").pk,
        "slug": "copper",
        **followed("acme"),
    }


def test_every_operation_says_which_role_it_needs():
    assert set(operations()) == set(NEEDS) | WITHOUT_A_ROLE


@pytest.mark.parametrize("way", [with_key, with_token], ids=["API key", "access token"])
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("operation", list(NEEDS))
def test_an_operation_is_for_its_role_and_those_above_it(acme, rows, operation, role, way):
    verb, path = operation.split()
    names, body = ({"slug": "slug"}, None) if operation in NOBODYS else ROWS[operation]
    if operation.endswith("/split/"):
        body = {"records": [rows["record"]]}

    response = way(acme, role).call(
        verb, path.format(**{name: rows[row] for name, row in names.items()}), body
    )

    if role.includes(NEEDS[operation]) and operation in NEEDS_AN_APP:
        assert response.status_code == 409, response.content
    elif role.includes(NEEDS[operation]):
        assert response.status_code in (200, 201, 202, 204), response.content
    else:
        assert response.status_code == 403
        assert response.json()["code"] == "permission_refused"
