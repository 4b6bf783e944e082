"""A member of acme gets nothing of globex, on any page, by any id."""

import pytest

from hub import sites
from integrations.models import Connection
from tenants.context import in_tenant
from tests.admin.conftest import fill, make_event
from tests.factories import ConnectionFactory, MembershipFactory, SyncRunFactory

pytestmark = pytest.mark.django_db

MODELS = [pytest.param(model, id=model._meta.model_name or "") for model in sites.tenant._registry]


def page(slug: str, model, rest: str = "") -> str:
    return f"/t/{slug}/admin/{model._meta.app_label}/{model._meta.model_name}/{rest}"


@pytest.mark.parametrize("model", MODELS)
def test_the_pages_of_another_tenant_do_not_exist(model, acme_admin):
    assert acme_admin.get(page("globex", model)).status_code == 404
    assert acme_admin.get("/t/globex/admin/").status_code == 404


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rest", ["change/", "history/", "delete/", "act/"])
def test_an_id_of_another_tenant_leads_nowhere(model, rest, acme_admin, globex):
    with in_tenant(globex):
        row = fill(globex, 1)[model]

    address = page("acme", model, f"{row.pk}/{rest}")
    answer = acme_admin.post(address) if rest == "act/" else acme_admin.get(address)

    assert answer.status_code in (302, 403)  # as for an id that nobody has
    assert str(row) not in answer.content.decode()
    listed = acme_admin.get(page("acme", model))
    assert listed.status_code == 200
    assert f"/{row.pk}/change/" not in listed.content.decode()


def test_the_audit_log_of_a_tenant_holds_its_own_events_only(viewer, acme, globex):
    make_event(acme, ConnectionFactory(name="ours"))
    make_event(globex, ConnectionFactory(name="theirs"))

    html = viewer.get("/t/acme/admin/audit/auditevent/").content.decode()

    assert "ours" in html
    assert "theirs" not in html


def test_members_of_other_tenants_are_not_listed(acme_admin, globex):
    MembershipFactory(tenant=globex, user__email="someone@globex.example")

    html = acme_admin.get("/t/acme/admin/tenants/membership/").content.decode()

    assert "someone@globex.example" not in html


def test_progress_leaves_out_runs_of_other_tenants(viewer, globex):
    with in_tenant(globex):
        theirs = SyncRunFactory(running=True)

    answer = viewer.get(f"/t/acme/admin/integrations/syncrun/progress/?run={theirs.pk}")

    assert answer.json() == {"runs": []}


def test_staff_without_a_membership_do_not_enter_a_tenant(ops):
    assert ops.get("/t/acme/admin/").status_code == 404
    assert Connection.objects.count() == 0
