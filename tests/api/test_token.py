"""POST /api/v1/token/: a person gets an access token for one tenant."""

import pytest

from hub.audit.models import AuditAction, AuditEvent
from tenants.models import Membership, Tenant
from tenants.roles import Role
from tests.api.caller import Caller
from tests.api.rows import connected
from tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def member(acme: Tenant) -> Membership:
    return MembershipFactory(tenant=acme, role=Role.VIEWER)


def ask(member: Membership, **changes: str):
    words = {"username": member.user.email, "password": "correct horse", "tenant": "acme"}
    return Caller().post("token/", {**words, **changes})


def test_the_right_words_give_a_token_that_opens_the_tenant(member):
    answer = ask(member).json()

    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 900)
    assert Caller(answer["access"]).get("records/").status_code == 200


def test_a_token_is_not_kept_by_caches(member):
    assert ask(member)["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"username": "nobody@example.com"},
        {"tenant": "globex"},
        {"tenant": "nowhere"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_wrong_words_all_get_the_same_401_and_are_audited(member, globex, changes):
    response = ask(member, **changes)

    assert response.status_code == 401
    body = response.json()
    assert body["detail"] == "User name, password and tenant do not go together."
    assert body["code"] == "unauthenticated"
    assert AuditEvent.objects.filter(action=AuditAction.LOGIN_FAILED).count() == 1


def test_a_person_who_is_switched_off_gets_no_token(member):
    member.user.is_active = False
    member.user.save()

    assert ask(member).status_code == 401


def test_members_of_a_suspended_tenant_get_no_token(member, acme):
    Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.SUSPENDED)

    assert ask(member).status_code == 401


def test_a_viewer_reads_with_the_token_and_starts_nothing(member):
    caller = Caller(ask(member).json()["access"])
    connection = connected()

    assert caller.get(f"connections/{connection.pk}/").status_code == 200
    response = caller.post(f"connections/{connection.pk}/sync-runs/")
    assert response.status_code == 403
    assert response.json()["code"] == "permission_refused"
