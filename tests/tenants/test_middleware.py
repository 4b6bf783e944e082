"""The way into a tenant by its path: who gets in, where they are then, and what is left behind."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import get_script_prefix, reverse

from hub.audit.models import AuditAction, AuditEvent
from hub.observability import context
from tenants.context import in_tenant
from tenants.middleware import AuthMiddleware, TenantMiddleware, actor_of
from tenants.models import Domain, Tenant, User
from tenants.roles import Role
from tests.factories import MembershipFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]


@pytest.fixture(autouse=True)
def nothing_cached() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def serve(view: Callable[[HttpRequest], HttpResponse], path: str, user: User) -> HttpResponse:
    """Answer a request for `path` by `user` with `view` behind both middlewares."""
    request = RequestFactory().get(path)
    request.user = user
    return AuthMiddleware(TenantMiddleware(view))(request)


def tell_where(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        "\n".join([schema(), request.path_info, reverse("admin:login"), actor_of(request).label])
    )


def schema() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return cursor.fetchone()[0]


def test_a_member_is_served_inside_the_tenant_with_the_role_of_the_membership(acme):
    member = MembershipFactory(role=Role.OPERATOR).user
    seen = []

    response = serve(
        lambda request: seen.append((request.tenant, request.role)) or tell_where(request),
        "/t/acme/admin/",
        member,
    )

    assert response.content.decode().split("\n") == [
        acme.schema_name,
        "/admin/",
        "/t/acme/admin/login/",
        member.email,
    ]
    assert seen == [(acme, Role.OPERATOR)]


@pytest.mark.parametrize("fails", [False, True])
def test_afterwards_everything_is_as_before_even_when_the_view_raises(acme, fails):
    member = MembershipFactory().user
    request = RequestFactory().get("/t/acme/admin/")
    request.user = member

    def view(_: HttpRequest) -> HttpResponse:
        if fails:
            raise RuntimeError("broken on purpose")
        return HttpResponse()

    try:
        AuthMiddleware(TenantMiddleware(view))(request)
    except RuntimeError:
        assert fails

    assert schema() == "public"
    assert get_script_prefix() == "/"
    assert request.path_info == "/t/acme/admin/"
    assert not hasattr(request, "urlconf")
    assert context.tenant_id.get() is None
    assert reverse("admin:index") == "/admin/"


def test_an_unknown_tenant_is_not_found(db):
    assert Client().get("/t/nobody/admin/").status_code == 404


@pytest.mark.parametrize("state", [Tenant.State.CLOSING, Tenant.State.CLOSED])
def test_a_tenant_that_is_closing_or_closed_is_not_found_even_by_its_members(acme, state):
    member = MembershipFactory(role=Role.ADMIN).user
    Tenant.objects.filter(pk=acme.pk).update(state=state)

    client = Client()
    client.force_login(member)

    assert client.get("/t/acme/admin/").status_code == 404


def test_a_suspended_tenant_answers_its_members_that_it_is_suspended(acme):
    member = MembershipFactory(role=Role.ADMIN).user
    Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.SUSPENDED)
    client = Client()
    client.force_login(member)

    response = client.get("/t/acme/admin/")

    assert response.status_code == 503
    assert "suspended" in response.content.decode()


def test_somebody_not_signed_in_is_sent_to_the_tenants_own_sign_in(acme):
    response = Client().get("/t/acme/admin/")

    assert response.status_code == 302
    assert response["Location"] == "/t/acme/admin/login/?next=/t/acme/admin/"


def test_a_member_who_is_no_staff_signs_in_at_the_tenants_admin(acme):
    member = MembershipFactory().user

    response = Client().post(
        "/t/acme/admin/login/?next=/t/acme/admin/",
        {"username": member.email, "password": "correct horse"},
        follow=True,
    )

    assert response.redirect_chain == [("/t/acme/admin/", 302)]
    assert response.status_code == 200


@pytest.mark.parametrize("stranger", [{}, {"staff": True}])
def test_without_a_membership_the_tenants_pages_do_not_exist_not_even_for_superusers(
    acme, globex, stranger
):
    person = UserFactory(**stranger)
    MembershipFactory(user=person, tenant=globex, role=Role.ADMIN)
    client = Client()
    client.force_login(person)

    refused, unknown = client.get("/t/acme/admin/"), client.get("/t/nobody/admin/")

    assert refused.status_code == unknown.status_code == 404
    event = AuditEvent.objects.get(action=AuditAction.ACCESS_REFUSED)
    assert (event.tenant_id, event.actor_label) == (acme.pk, person.email)


def test_somebody_signed_in_elsewhere_still_reaches_the_sign_in_page(acme):
    client = Client()
    client.force_login(UserFactory())

    assert client.get("/t/acme/admin/login/").status_code == 200


def test_a_host_that_belongs_to_one_tenant_does_not_serve_another(acme, globex, settings):
    settings.ALLOWED_HOSTS = ["*"]
    Domain.objects.create(domain="data.globex.example", tenant=globex)
    client = Client()
    client.force_login(MembershipFactory().user)

    hosts = ["data.globex.example", "DATA.globex.example.", "data.globex.example:8443"]

    for host in hosts:
        assert client.get("/t/acme/admin/", headers={"host": host}).status_code == 404
    assert client.get("/t/acme/admin/").status_code == 200


def test_a_streamed_answer_is_produced_outside_and_enters_the_door_itself(acme):
    def pages() -> Iterator[str]:
        yield schema()
        with in_tenant(acme):
            yield schema()
        yield schema()

    response = serve(
        lambda request: StreamingHttpResponse(pages()), "/t/acme/export", MembershipFactory().user
    )

    parts = [part.decode() for part in response.streaming_content]
    assert parts == ["public", acme.schema_name, "public"]


def test_operations_pages_are_public_ground_and_give_no_role(db):
    staff = UserFactory(staff=True)
    seen = []

    serve(lambda request: seen.append(actor_of(request)) or HttpResponse(), "/admin/", staff)

    assert [(actor.label, actor.role) for actor in seen] == [(staff.email, None)]


@pytest.mark.django_db(transaction=True)
def test_eight_threads_and_two_tenants_never_meet(acme, globex):
    members = {
        slug: MembershipFactory(tenant=tenant).user
        for slug, tenant in (("acme", acme), ("globex", globex))
    }
    expected = {"acme": acme.schema_name, "globex": globex.schema_name}

    def view(request: HttpRequest) -> HttpResponse:
        if request.path_info.endswith("3"):
            raise Http404
        return tell_where(request)

    def ask_many(worker: int) -> list[str]:
        wrong = []
        try:
            for number in range(60):
                slug = "acme" if (worker + number) % 2 else "globex"
                try:
                    response = serve(view, f"/t/{slug}/x{number}", members[slug])
                except Http404:
                    continue
                got = response.content.decode().split("\n")
                if got[0] != expected[slug] or got[2] != f"/t/{slug}/admin/login/":
                    wrong.append(f"{slug}: {got}")
                if schema() != "public":
                    wrong.append(f"{slug}: left inside")
        finally:
            connection.close()
        return wrong

    with ThreadPoolExecutor(8) as threads:
        wrong = [line for lines in threads.map(ask_many, range(8)) for line in lines]

    assert wrong == []
