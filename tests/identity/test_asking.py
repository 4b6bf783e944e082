"""A person asks for a look at identities, a worker takes it, and nothing is applied by either."""

from uuid import uuid4

import pytest
from django.test import Client

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations import tasks
from integrations.models import Connection, IdentityGroup, Record
from integrations.records import Person
from integrations.services.identity_runs import last_look
from tenants.context import current_tenant, in_tenant
from tenants.models import Tenant
from tenants.roles import Role
from tests.api.caller import with_key
from tests.factories import MembershipFactory
from tests.views.conftest import keep

pytestmark = pytest.mark.django_db
PAGE = "/t/acme/admin/integrations/identitygroup/"


@pytest.fixture
def twice(crm: Connection, books: Connection) -> None:
    """One person in two accounts."""
    for connection in (crm, books):
        keep(Person(name="Ada Lovelace", emails=("ada@x.example",)), "1", connection=connection)


def member(role: Role) -> Client:
    client = Client()
    client.force_login(MembershipFactory(role=role, tenant=current_tenant()).user)
    return client


def worked() -> str:
    """What a worker says who takes the look that was asked for."""
    due = Due.objects.get(kind=Due.Kind.IDENTITIES)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    assert claim is not None
    return tasks.work(str(claim.tenant_id), str(claim.due_id), claim.fence)


def test_the_button_asks_a_worker_and_the_page_says_what_it_found(twice: None) -> None:
    operator = member(Role.OPERATOR)
    before = operator.get(PAGE).content.decode()
    assert "Nobody has looked yet" in before

    asked = operator.post(f"{PAGE}look/", follow=True).content.decode()
    assert "A worker looks now" in asked
    assert not IdentityGroup.objects.exists()
    said = worked()

    after = operator.get(PAGE).content.decode()
    assert said == "Compared 2 records: 1 group waits."
    assert "2 people and companies compared, 1 group to decide about, 1 of them new" in after
    assert [group.state for group in IdentityGroup.objects.all()] == ["candidate"]
    assert Record.objects.count() == 2
    assert not Due.objects.filter(kind=Due.Kind.IDENTITIES).exists()
    actions = {AuditAction.IDENTITIES_REQUESTED, AuditAction.IDENTITIES_RESOLVED}
    assert actions <= set(AuditEvent.objects.values_list("action", flat=True))


def test_asking_twice_is_one_look_and_a_viewer_does_not_ask(twice: None) -> None:
    viewer = member(Role.VIEWER)

    assert viewer.post(f"{PAGE}look/").status_code == 403
    assert "Look for identities" not in viewer.get(PAGE).content.decode()
    for _ in range(2):
        assert member(Role.OPERATOR).post(f"{PAGE}look/").status_code == 302

    assert Due.objects.filter(kind=Due.Kind.IDENTITIES).count() == 1


def test_a_program_asks_for_it_too(twice: None) -> None:
    answer = with_key(current_tenant()).post("identity-groups/look/")
    worked()

    assert answer.status_code == 202
    assert answer.json()["is_asked_for"] is True
    assert (last_look().records, last_look().candidates) == (2, 1)


def test_another_tenant_neither_is_looked_at_nor_sees_the_look(twice: None, globex: Tenant) -> None:
    member(Role.OPERATOR).post(f"{PAGE}look/")
    worked()

    with in_tenant(globex):
        assert last_look().at is None
