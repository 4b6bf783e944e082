"""Tenants, people, keys and provider apps: made by services, dangerous things only after a yes."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection as database

from hub.audit.models import AuditAction, AuditEvent
from hub.connect.models import ProviderApp
from tenants.actor import Actor
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.provisioning import create_tenant
from tenants.roles import Role
from tests.factories import MembershipFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]

TENANTS = "/admin/tenants/tenant/"
KEYS = "/t/acme/admin/tenants/apikey/"
MEMBERS = "/t/acme/admin/tenants/membership/"


def act(client, page, row, action, **more):
    return client.post(f"{page}{row.pk}/act/", {"action": action, **more}, follow=True)


def test_a_tenant_is_made_with_its_schema(ops):
    ops.post(f"{TENANTS}add/", {"slug": "initech", "name": "Initech"})

    tenant = Tenant.objects.get(slug="initech")
    with database.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [tenant.schema_name])
        assert cursor.fetchone()
    event = AuditEvent.objects.get(target_id=str(tenant.pk))
    assert (event.action, event.actor_label) == ("tenant.created", "ops@example.com")


@pytest.mark.parametrize(
    ("slug", "sentence"),
    [("acme", "choose another name"), ("../x", "lower-case letters"), ("", "required")],
)
def test_a_name_that_is_taken_or_no_name_is_refused_in_the_form(ops, slug, sentence):
    before = Tenant.objects.count()

    answer = ops.post(f"{TENANTS}add/", {"slug": slug, "name": "Another"})

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert Tenant.objects.count() == before


def test_suspending_asks_first_and_resuming_does_not(ops, acme):
    assert "No, take me back" in act(ops, TENANTS, acme, "suspend").content.decode()
    acme.refresh_from_db()
    assert acme.is_active

    act(ops, TENANTS, acme, "suspend", confirmed="yes")
    acme.refresh_from_db()
    assert acme.state == "suspended"

    act(ops, TENANTS, acme, "resume")
    acme.refresh_from_db()
    assert acme.is_active


def test_closing_wants_the_name_typed(ops):
    tenant = create_tenant(slug="initech", name="Initech", actor=Actor.system("tests"))

    wrong = act(ops, TENANTS, tenant, "close", confirmed="yes", typed="initec")
    assert "nothing was done" in wrong.content.decode()
    tenant.refresh_from_db()
    assert tenant.is_active

    act(ops, TENANTS, tenant, "close", confirmed="yes", typed="initech")
    tenant.refresh_from_db()
    assert tenant.state == "closed"


def test_a_member_added_at_operations_is_audited(ops, acme):
    user = UserFactory(email="new@example.com")
    form = {
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-user": str(user.pk),
        "memberships-0-role": "operator",
        "memberships-0-tenant": str(acme.pk),
    }

    ops.post(f"{TENANTS}{acme.pk}/change/", form)

    assert Membership.objects.get(user=user).role == Role.OPERATOR
    event = AuditEvent.objects.get(action="membership.changed")
    assert event.detail == {"before": None, "after": "operator"}
    assert LogEntry.objects.count() == 0


def test_whoever_belongs_to_a_tenant_is_called_a_member_everywhere(ops, acme, acme_admin):
    [member] = Membership.objects.filter(tenant=acme)
    members = "/t/acme/admin/tenants/membership/"
    pages = {
        f"{TENANTS}{acme.pk}/change/": ops,
        members: acme_admin,
        f"{members}add/": acme_admin,
        f"{members}{member.pk}/change/": acme_admin,
        f"{members}{member.pk}/delete/": acme_admin,
        "/t/acme/admin/": acme_admin,
    }

    shown = {page: client.get(page).content.decode() for page, client in pages.items()}

    assert [page for page, html in shown.items() if "Membership" in html] == []
    assert [page for page, html in shown.items() if " membership" in html] == []
    assert "Add member" in shown[members]
    assert AuditAction.MEMBERSHIP_CHANGED.label == "Member changed"


def test_open_is_offered_to_members_only(ops, staff, acme):
    assert "/t/acme/admin/" not in ops.get(TENANTS).content.decode()

    MembershipFactory(user=staff, tenant=acme)

    assert "/t/acme/admin/" in ops.get(TENANTS).content.decode()


def test_a_key_is_shown_once(acme_admin):
    answer = acme_admin.post(f"{KEYS}add/", {"name": "export", "role": "viewer"})

    plain = re.search(r'value="(hub_[^"]+)"', answer.content.decode())
    assert plain
    assert "no-store" in answer["Cache-Control"]
    key = ApiKey.objects.get()
    for page in (KEYS, f"{KEYS}{key.pk}/change/", f"{KEYS}{key.pk}/history/"):
        html = acme_admin.get(page).content.decode()
        assert plain[1] not in html
        assert bytes(key.hash).hex() not in html


def test_revoking_a_key_asks_first(acme_admin):
    acme_admin.post(f"{KEYS}add/", {"name": "export", "role": "viewer"})
    key = ApiKey.objects.get()

    assert "for good" in act(acme_admin, KEYS, key, "revoke").content.decode()
    key.refresh_from_db()
    assert key.revoked_at is None

    act(acme_admin, KEYS, key, "revoke", confirmed="yes")
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_a_key_can_be_made_at_operations_for_a_tenant(ops, acme):
    form = {"tenant": str(acme.pk), "name": "export", "role": "viewer"}

    ops.post("/admin/tenants/apikey/add/", form)

    assert ApiKey.objects.get().tenant == acme


def test_an_admin_adds_a_member_by_email(acme_admin, acme):
    UserFactory(email="new@example.com")

    acme_admin.post(f"{MEMBERS}add/", {"email": "New@example.com", "role": "operator"})

    assert Membership.objects.get(user__email="new@example.com").tenant == acme


def test_an_email_nobody_signs_in_with_is_refused_in_the_form(acme_admin):
    answer = acme_admin.post(f"{MEMBERS}add/", {"email": "x@example.com", "role": "viewer"})

    assert "Nobody signs in with this e-mail" in answer.content.decode()
    assert not User.objects.filter(email="x@example.com").exists()


def test_the_last_admin_can_neither_leave_nor_be_made_less(acme_admin):
    membership = Membership.objects.get()

    less = acme_admin.post(f"{MEMBERS}{membership.pk}/change/", {"role": "viewer"}, follow=True)
    gone = acme_admin.post(f"{MEMBERS}{membership.pk}/delete/", {"post": "yes"}, follow=True)

    assert "keeps at least one admin" in less.content.decode()
    assert "keeps at least one admin" in gone.content.decode()
    membership.refresh_from_db()
    assert membership.role == "admin"


def test_a_user_made_at_operations_is_audited_without_the_password(ops):
    form = {
        "email": "New@Example.com",
        "usable_password": "true",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }

    ops.post("/admin/tenants/user/add/", form)

    user = User.objects.get(email="new@example.com")
    assert user.check_password("correct horse battery")
    event = AuditEvent.objects.get(action="user.created", target_id=str(user.pk))
    assert "horse" not in str(event.detail)


def test_staff_who_edit_users_cannot_make_themselves_superusers(client, django_user_model):
    from django.contrib.auth.models import Permission

    user = UserFactory(is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["change_user", "view_user"]))
    client.force_login(user)
    form = {"email": user.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"}

    client.post(f"/admin/tenants/user/{user.pk}/change/", form)

    user.refresh_from_db()
    assert not user.is_superuser


def test_an_app_s_secret_can_be_set_and_never_read(ops):
    form = {"provider": "slack", "client_id": "id-1", "client_secret": "s3cr3t-value"}

    ops.post("/admin/connect/providerapp/add/", form)

    app = ProviderApp.objects.get()
    assert app.client_secret is not None
    page = ops.get(f"/admin/connect/providerapp/{app.pk}/change/").content.decode()
    assert "id-1" in page
    assert "s3cr3t-value" not in page


def test_an_app_without_a_secret_is_refused_in_the_form(ops):
    answer = ops.post("/admin/connect/providerapp/add/", {"provider": "slack", "client_id": "id-1"})

    assert "Enter the client secret" in answer.content.decode()
    assert not ProviderApp.objects.exists()
