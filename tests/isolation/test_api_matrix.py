"""Every operation of the API, tried by one tenant on the other's rows.

The operations come from the OpenAPI description. One that is not in `ROWS` fails here, so a new
operation cannot be added without saying which rows of the other tenant it could reach.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection as database
from drf_spectacular.generators import SchemaGenerator

from hub.connect.addresses import set_return_addresses
from hub.connect.models import AllowedAddress
from hub.fields import uuid7
from hub.fleet.models import Due
from integrations.models import (
    Connection,
    DeletionReview,
    Destination,
    ExternalId,
    ForbiddenPair,
    IdentityGroup,
    IdentityMember,
    Preflight,
    Record,
    RecordLink,
    Route,
    ShadowDiff,
    SyncRun,
)
from integrations.sync.preflight import want
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tenants.roles import Role
from tests.api.caller import Caller, with_key, with_token
from tests.api.rows import alike, connected, followed, linked, ran, stored, waiting
from tests.conftest import empty_all

pytestmark = pytest.mark.django_db

SYNC_RUNS = "/api/v1/connections/{connection_id}/sync-runs/"
SHADOWS = "/api/v1/connections/{connection_id}/shadow-diffs/"
DESTINATION = "/api/v1/destinations/{id}/"
BELOW = "/api/v1/destinations/{destination_id}/"
OF_DESTINATION = {"destination_id": "destination"}
OF_ROUTE = {**OF_DESTINATION, "id": "route"}
NEW_DESTINATION = {
    "type": "airtable",
    "name": "Another base",
    "settings": {"base_id": "appAnother1"},
    "secrets": {"key": "patAnother.1"},
}
# Per operation: the rows its address names, and a body that would be accepted.
ROWS: dict[str, tuple[dict[str, str], Any]] = {
    "GET /api/v1/changes/": ({}, None),
    "GET /api/v1/connections/": ({}, None),
    "GET /api/v1/connections/{id}/": ({"id": "connection"}, None),
    "PATCH /api/v1/connections/{id}/": ({"id": "connection"}, {"name": "taken over"}),
    "GET /api/v1/connections/{id}/preflight/": ({"id": "connection"}, None),
    "POST /api/v1/connections/{id}/preflight/": ({"id": "connection"}, None),
    "POST /api/v1/connections/{id}/pause/": ({"id": "connection"}, None),
    "POST /api/v1/connections/{id}/resume/": ({"id": "connection"}, None),
    "POST /api/v1/connections/{id}/disconnect/": ({"id": "connection"}, {"keep_records": False}),
    "POST /api/v1/connect-sessions/": ({}, {"providers": ["copper"]}),
    "POST /api/v1/composio/links/": ({}, {"provider": "gmail"}),
    "POST /api/v1/composio/connections/": ({}, {"provider": "gmail", "account": "ca_theirs"}),
    "GET /api/v1/connect-settings/": ({}, None),
    "PUT /api/v1/connect-settings/": (
        {},
        {"return_addresses": ["https://taken.over.example"], "embedding_origins": []},
    ),
    f"GET {SYNC_RUNS}": ({"connection_id": "connection"}, None),
    f"POST {SYNC_RUNS}": ({"connection_id": "connection"}, {"mode": "incremental"}),
    f"GET {SYNC_RUNS}{{id}}/": ({"connection_id": "connection", "id": "run"}, None),
    f"POST {SYNC_RUNS}{{id}}/cancel/": ({"connection_id": "connection", "id": "run"}, None),
    f"GET {SHADOWS}": ({"connection_id": "connection"}, None),
    f"POST {SHADOWS}": ({"connection_id": "connection"}, {"mode": "full"}),
    f"GET {SHADOWS}{{id}}/": ({"connection_id": "connection", "id": "shadow"}, None),
    f"POST {SHADOWS}{{id}}/cancel/": ({"connection_id": "connection", "id": "shadow"}, None),
    "GET /api/v1/deletion-reviews/": ({}, None),
    "GET /api/v1/deletion-reviews/{id}/": ({"id": "review"}, None),
    "POST /api/v1/deletion-reviews/{id}/decide/": ({"id": "review"}, {"delete": True}),
    "GET /api/v1/identity-groups/": ({}, None),
    "POST /api/v1/identity-groups/look/": ({}, None),
    "GET /api/v1/identity-groups/{id}/": ({"id": "identity"}, None),
    "POST /api/v1/identity-groups/{id}/confirm/": ({"id": "identity"}, None),
    "POST /api/v1/identity-groups/{id}/split/": ({"id": "identity"}, {"records": [1]}),
    "POST /api/v1/identity-groups/{id}/forbid/": ({"id": "identity"}, None),
    "GET /api/v1/records/": ({}, None),
    "GET /api/v1/records/{id}/": ({"id": "record"}, None),
    "GET /api/v1/destinations/": ({}, None),
    "POST /api/v1/destinations/": ({}, NEW_DESTINATION),
    f"GET {DESTINATION}": ({"id": "destination"}, None),
    f"PATCH {DESTINATION}": ({"id": "destination"}, {"name": "taken over"}),
    f"DELETE {DESTINATION}": ({"id": "destination"}, None),
    f"POST {DESTINATION}pause/": ({"id": "destination"}, None),
    f"POST {DESTINATION}resume/": ({"id": "destination"}, None),
    f"POST {DESTINATION}rewrite/": ({"id": "destination"}, {"forget_tables": True}),
    f"GET {BELOW}rejected/": (OF_DESTINATION, None),
    f"GET {BELOW}runs/": (OF_DESTINATION, None),
    f"GET {BELOW}runs/{{id}}/": ({**OF_DESTINATION, "id": "destination_run"}, None),
    f"GET {BELOW}routes/": (OF_DESTINATION, None),
    f"POST {BELOW}routes/": (OF_DESTINATION, {"record_type": "person"}),
    f"POST {BELOW}routes/preview/": (OF_DESTINATION, {"record_type": "company"}),
    f"GET {BELOW}routes/{{id}}/": (OF_ROUTE, None),
    f"PATCH {BELOW}routes/{{id}}/": (OF_ROUTE, {"table": "Taken over"}),
    f"DELETE {BELOW}routes/{{id}}/": (OF_ROUTE, None),
    f"GET {BELOW}routes/{{id}}/preview/": (OF_ROUTE, None),
}
# Operations that concern no tenant's rows.
NOBODYS = {"POST /api/v1/token/", "GET /api/v1/providers/", "GET /api/v1/providers/{slug}/"}


ADMIN = Actor(kind="user", id="1", label="admin@example.com", role=Role.ADMIN)


def is_list(operation: str) -> bool:
    """Whether it shows rows without being told which."""
    return operation.startswith("GET ") and not ROWS[operation][0]


def operations() -> list[str]:
    """["GET /api/v1/connections/", …] as the description has them."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return [f"{verb.upper()} {path}" for path, verbs in paths.items() for verb in verbs]


def seed(tenant: Tenant, records: int) -> dict[str, Any]:
    """One of everything in and of `tenant`, and `records` records with the ids 1, 2, 3, …"""
    addresses = [f"https://app.{tenant.slug}.example"]
    set_return_addresses(tenant=tenant, addresses=addresses, actor=ADMIN)
    with in_tenant(tenant):
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_get_serial_sequence('integrations_record', 'id')")
            cursor.execute("SELECT setval(%s, 1, false)", [cursor.fetchone()[0]])
        connection = connected(account_id=f"of {tenant.slug}", name=f"{tenant.slug} Copper")
        run = ran(connection, state=SyncRun.State.RUNNING, ended_at=None)
        rows = [stored(connection, f"{tenant.slug}-{n}") for n in range(records)]
        linked(rows[0], "company", rows[-1])
        identity = alike(rows[0], rows[1])
        want(connection, Preflight.Because.CONNECT)
        review = waiting(connection, rows, entity_type=f"of {tenant.slug}")
        return {
            "connection": connection.pk,
            "run": run.pk,
            "identity": identity.pk,
            "review": review.pk,
            "shadow": connection.shadow_diffs.create(mode="full", asked_by=tenant.slug).pk,
            "record": rows[-1].pk,
            **followed(tenant.slug),
        }


def everything_of(tenant: Tenant) -> list[Any]:
    """Every row of the tenant that the API could touch, as plain values."""
    with in_tenant(tenant):
        rows = [
            list(model.objects.order_by("pk").values())
            for model in (
                Connection,
                SyncRun,
                DeletionReview,
                IdentityGroup,
                IdentityMember,
                ForbiddenPair,
                ShadowDiff,
                Preflight,
                Record,
                RecordLink,
                Destination,
                Route,
                ExternalId,
            )
        ]
        shared = [
            list(model.objects.filter(tenant=tenant).order_by("pk").values())
            for model in (Due, AllowedAddress)
        ]
        return [*rows, *shared]


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Any]]:
    """Rows of both tenants, committed once; what a test does to them is rolled back."""
    with django_db_blocker.unblock():
        acme, globex = (Tenant.objects.get(slug=slug) for slug in ("acme", "globex"))
        seed(acme, records=3)
        theirs = seed(globex, records=4)
    yield theirs
    with django_db_blocker.unblock():
        empty_all()


@pytest.fixture
def theirs(seeded: dict[str, Any], db: None) -> dict[str, Any]:
    """Rows of globex. Acme has the same, and the same integer ids but for the last one."""
    return seeded


@pytest.fixture(params=["API key", "access token"])
def intruder(request: pytest.FixtureRequest, acme: Tenant) -> Iterator[Caller]:
    """An admin of acme."""
    cache.clear()
    yield {"API key": with_key, "access token": with_token}[request.param](acme, Role.ADMIN)


def test_every_operation_of_the_description_is_in_the_matrix():
    assert set(operations()) == set(ROWS) | NOBODYS


def test_every_path_parameter_names_a_row_of_the_other_tenant():
    for operation, (names, _) in ROWS.items():
        assert set(re.findall(r"{(\w+)}", operation)) == set(names), operation


@pytest.mark.parametrize("operation", [name for name in ROWS if ROWS[name][0]])
def test_another_tenants_rows_are_as_unknown_as_rows_that_never_were(
    intruder, theirs, globex, operation
):
    verb, path = operation.split()
    names, body = ROWS[operation]
    before = everything_of(globex)
    never = {name: uuid7() for name in theirs} | {"record": 10**15}

    refused = intruder.call(verb, path.format(**{n: theirs[row] for n, row in names.items()}), body)
    unknown = intruder.call(verb, path.format(**{n: never[row] for n, row in names.items()}), body)

    assert refused.status_code == unknown.status_code == 404
    assert without_request(refused) == without_request(unknown)
    assert everything_of(globex) == before


@pytest.mark.parametrize("operation", [name for name in ROWS if ROWS[name][0]])
def test_the_matrix_would_notice_because_the_owner_gets_through(theirs, globex, operation):
    verb, path = operation.split()
    names, body = ROWS[operation]
    owner = own_key(globex)

    response = owner.call(verb, path.format(**{n: theirs[row] for n, row in names.items()}), body)

    assert response.status_code in (200, 201, 202, 204), response.content


@pytest.mark.parametrize("operation", [name for name in ROWS if is_list(name)])
def test_lists_hold_ones_own_rows_only_whatever_is_asked_for(intruder, theirs, operation):
    verb, path = operation.split()
    asked = ["", f"?connection={theirs['connection']}", "?tenant=globex", "?source_system=globex"]

    for query in asked:
        response = intruder.call(verb, f"{path}{query}")
        assert response.status_code in (200, 400)  # 400: the list knows no such parameter
        assert "globex" not in response.content.decode()
    assert "acme" in intruder.call(verb, path).content.decode()


def test_what_an_admin_sets_for_the_whole_tenant_is_set_for_no_other(intruder, theirs, globex):
    before = everything_of(globex)
    body = ROWS["PUT /api/v1/connect-settings/"][1]

    for asked in ("", "?tenant=globex", f"?tenant={globex.pk}"):
        path = f"/api/v1/connect-settings/{asked}"
        assert intruder.call("PUT", path, body).json() == body
        named = intruder.call("PUT", path, {**body, "tenant": str(globex.pk)})
        assert named.status_code == 422

    assert everything_of(globex) == before


def test_the_same_integer_id_is_each_tenants_own_record(theirs, acme, globex):
    mine, other = own_key(acme), own_key(globex)

    assert mine.get("records/1/").json()["provenance"]["source_id"] == "acme-0"
    assert other.get("records/1/").json()["provenance"]["source_id"] == "globex-0"


def test_a_cursor_of_one_tenant_shows_the_other_nothing_but_its_own(theirs, acme, globex):
    cursor = own_key(globex).get("records/?page_size=2").json()["next_cursor"]

    page = own_key(acme).get(f"records/?cursor={cursor}").json()

    assert [row["provenance"]["source_id"] for row in page["results"]] == ["acme-2"]


def own_key(tenant: Tenant) -> Caller:
    with in_tenant(tenant):
        return with_key(tenant, Role.ADMIN)


def without_request(response: Any) -> dict[str, Any]:
    return {**response.json(), "request_id": ""}
