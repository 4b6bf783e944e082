"""Who belongs to a tenant, and as what."""

import pytest

from hub.audit.models import AuditAction, AuditEvent
from integrations.errors import PermissionRefusedError, RefusedError
from tenants.actor import Actor
from tenants.models import Membership
from tenants.roles import Role
from tenants.services import remove_membership, set_membership
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db
ADMIN = Actor.system("tests")


def test_a_person_becomes_a_member_and_changes_role_and_both_are_audited(acme):
    person = UserFactory()

    set_membership(tenant=acme, user=person, role=Role.VIEWER, actor=ADMIN)
    set_membership(tenant=acme, user=person, role=Role.OPERATOR, actor=ADMIN)
    set_membership(tenant=acme, user=person, role=Role.OPERATOR, actor=ADMIN)

    assert Membership.objects.get(user=person, tenant=acme).role == Role.OPERATOR
    events = AuditEvent.objects.filter(action=AuditAction.MEMBERSHIP_CHANGED).order_by("at")
    assert [event.detail["role"] for event in events] == [
        {"old": None, "new": "viewer"},
        {"old": "viewer", "new": "operator"},
    ]


def test_a_tenant_keeps_its_last_admin(acme):
    last = MembershipFactory(tenant=acme, role=Role.ADMIN)
    MembershipFactory(tenant=acme, role=Role.OPERATOR)

    with pytest.raises(RefusedError):
        remove_membership(membership=last, actor=ADMIN)
    with pytest.raises(RefusedError):
        set_membership(tenant=acme, user=last.user, role=Role.VIEWER, actor=ADMIN)

    assert Membership.objects.get(pk=last.pk).role == Role.ADMIN


def test_one_of_two_admins_may_leave(acme):
    leaving, _ = MembershipFactory.create_batch(2, tenant=acme, role=Role.ADMIN)

    remove_membership(membership=leaving, actor=ADMIN)

    assert not Membership.objects.filter(user=leaving.user).exists()


def test_an_admin_of_one_tenant_decides_nothing_in_another(acme, globex):
    other = MembershipFactory(tenant=globex)

    with pytest.raises(PermissionRefusedError):
        set_membership(tenant=globex, user=UserFactory(), role=Role.ADMIN, actor=ADMIN)
    with pytest.raises(PermissionRefusedError):
        remove_membership(membership=other, actor=ADMIN)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, None])
def test_only_an_admin_decides_who_is_a_member(acme, role):
    actor = Actor(kind="user", id="1", label="somebody", role=role)

    with pytest.raises(PermissionRefusedError):
        set_membership(tenant=acme, user=UserFactory(), role=Role.VIEWER, actor=actor)
