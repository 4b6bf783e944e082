"""A member of one tenant at the pages of another: every address that the tenant's site has."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tenants.context import in_tenant
from tenants.middleware import PUBLIC_PAGES
from tenants.models import Tenant
from tenants.roles import Role
from tests.api.rows import connected, ran, stored
from tests.factories import MembershipFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]


def addresses(resolver: URLResolver | None = None, before: str = "/") -> Iterator[str]:
    """Every route below /t/<slug>/, its parameters filled with `1`."""
    for pattern in (resolver or get_resolver("hub.urls_tenant")).url_patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield before + _filled(route)
        else:
            yield from addresses(pattern, before + _filled(route))


def _filled(route: str) -> str:
    """`<path:object_id>/change/` → `1/change/`; what remains of a pattern is dropped."""
    while "<" in route:
        start, _, rest = route.partition("<")
        route = f"{start}1{rest.partition('>')[2]}"
    return "".join(letter for letter in route if letter.isalnum() or letter in "/_-")


@pytest.fixture
def outsider(acme: Tenant, globex: Tenant) -> Client:
    """Signed in, operations staff even, and admin of acme; no member of globex."""
    cache.clear()
    person = UserFactory(staff=True)
    MembershipFactory(user=person, tenant=acme, role=Role.ADMIN)
    client = Client()
    client.force_login(person)
    return client


def test_every_page_of_another_tenant_is_as_unknown_as_a_tenant_that_never_was(outsider, globex):
    with in_tenant(globex):
        connection = connected(name="globex Copper")
        ran(connection)
        stored(connection, "globex-1")
    asked = sorted(set(addresses()) - PUBLIC_PAGES)
    assert len(asked) > 10

    for path in asked:
        for verb in (outsider.get, outsider.post):
            refused, unknown = verb(f"/t/globex{path}"), verb(f"/t/nobody{path}")
            assert refused.status_code == unknown.status_code == 404, path
            assert refused.content == unknown.content, path


def test_somebody_not_signed_in_sees_no_page_but_the_sign_in(globex):
    cache.clear()
    for path in sorted(set(addresses()) - PUBLIC_PAGES):
        response = Client().get(f"/t/globex{path}")
        assert response.status_code == 302, path
        assert response["Location"].startswith("/t/globex/admin/login/"), path


def test_ones_own_tenant_shows_ones_own_rows_under_the_same_addresses(outsider, acme, globex):
    for tenant in (acme, globex):
        with in_tenant(tenant):
            connected(name=f"{tenant.slug} Copper")

    page = outsider.get("/t/acme/admin/integrations/connection/").content.decode()

    assert "acme Copper" in page
    assert "globex" not in page
