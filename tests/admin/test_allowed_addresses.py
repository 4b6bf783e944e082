"""The page on which an admin allows return addresses and embedding pages."""

import pytest
from django.core.cache import cache
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from hub.audit.models import AuditEvent
from hub.connect.addresses import embedding_origins, return_addresses, set_return_addresses
from hub.connect.models import AllowedAddress
from tenants.actor import Actor
from tenants.roles import Role

pytestmark = pytest.mark.django_db

LISTS = "/t/acme/admin/connect/allowedaddress/"
EDIT = f"{LISTS}add/"
ADMIN = Actor(kind="user", id="1", label="admin@example.com", role=Role.ADMIN)
TYPED = {
    "return_addresses": "https://b.acme.example/hub\r\n\r\n  https://a.acme.example \r\n",
    "embedding_origins": "https://a.acme.example",
}


def test_an_admin_saves_both_lists_one_entry_a_line(acme_admin, acme):
    answer = acme_admin.post(EDIT, TYPED, follow=True)

    assert return_addresses(acme) == ["https://a.acme.example", "https://b.acme.example/hub"]
    assert embedding_origins(acme) == ["https://a.acme.example"]
    assert answer.redirect_chain == [(LISTS, 302)]
    html = answer.content.decode()
    assert "Return addresses: 2, embedding pages: 1." in html
    assert "https://b.acme.example/hub" in html


def test_the_form_shows_what_is_stored_and_saving_it_as_it_is_changes_nothing(acme_admin, acme):
    acme_admin.post(EDIT, TYPED)
    before = AuditEvent.objects.count()
    form = acme_admin.get(EDIT).context["form"]

    shown = {name: form[name].value() for name in form.fields}
    acme_admin.post(EDIT, shown)

    assert shown == {
        "return_addresses": "https://a.acme.example\nhttps://b.acme.example/hub",
        "embedding_origins": "https://a.acme.example",
    }
    assert return_addresses(acme) == shown["return_addresses"].split("\n")
    assert AuditEvent.objects.count() == before


def test_empty_lists_allow_nothing(acme_admin, acme):
    acme_admin.post(EDIT, TYPED)

    acme_admin.post(EDIT, {"return_addresses": "", "embedding_origins": " \r\n"})

    assert not AllowedAddress.objects.filter(tenant=acme).exists()


def test_each_line_that_cannot_be_used_has_its_sentence_and_nothing_is_lost(acme_admin, acme):
    typed = {
        "return_addresses": "https://ok.example\nhttp://<b>.example\nhttps://a.example?x=1",
        "embedding_origins": "https://a.example/page",
    }

    answer = acme_admin.post(EDIT, typed)

    errors = answer.context["form"].errors
    assert [said.split(": ")[0] for said in errors["return_addresses"]] == [
        "'http://<b>.example'",
        "'https://a.example?x=1'",
    ]
    assert errors["embedding_origins"] == [
        "'https://a.example/page': write the origin alone, such as https://app.example.com."
    ]
    html = answer.content.decode()
    assert "https://ok.example\nhttp://&lt;b&gt;.example" in html
    assert "<b>" not in html
    assert not AllowedAddress.objects.exists()


def test_each_change_is_audited_and_stands_in_the_history(acme_admin, acme):
    acme_admin.post(EDIT, TYPED)

    events = AuditEvent.objects.filter(action="connect.addresses_changed")
    assert {(one.detail["kind"], one.tenant_id) for one in events} == {
        ("return", acme.pk),
        ("embed", acme.pk),
    }
    row = AllowedAddress.objects.first()
    history = acme_admin.get(f"{LISTS}{row.pk}/history/").content.decode()
    assert history.count("Connect addresses changed") == 2


@pytest.mark.parametrize("who", ["viewer", "acme_operator"])
def test_others_read_the_lists_and_find_no_way_to_edit_them(who, acme, request):
    client = request.getfixturevalue(who)
    set_return_addresses(tenant=acme, addresses=["https://a.acme.example"], actor=ADMIN)

    listed = client.get(LISTS).content.decode()

    assert "https://a.acme.example" in listed
    assert EDIT not in listed
    assert client.get(EDIT).status_code == 403
    assert client.post(EDIT, TYPED).status_code == 403
    assert return_addresses(acme) == ["https://a.acme.example"]


def test_the_lists_are_found_from_the_connections(viewer, acme_admin):
    assert LISTS in viewer.get("/t/acme/admin/integrations/connection/").content.decode()
    assert EDIT in acme_admin.get(LISTS).content.decode()


def test_an_admin_sees_and_sets_nothing_of_another_tenant(acme_admin, acme, globex):
    theirs = ["https://a.globex.example"]
    set_return_addresses(tenant=globex, addresses=theirs, actor=ADMIN)

    pages = [acme_admin.get(page).content.decode() for page in (LISTS, EDIT)]
    acme_admin.post(EDIT, {**TYPED, "tenant": str(globex.pk)})
    refused = acme_admin.post(EDIT.replace("acme", "globex"), TYPED)

    assert not any("globex" in page for page in pages)
    assert refused.status_code == 404
    assert return_addresses(globex) == theirs
    assert embedding_origins(globex) == []


def test_the_form_asks_as_often_for_fifty_addresses_as_for_none(acme_admin, acme):
    def queries() -> int:
        cache.clear()
        with CaptureQueriesContext(database) as asked:
            assert acme_admin.get(EDIT).status_code == 200
        return sum(not query["sql"].startswith("SET search_path") for query in asked)

    none = queries()
    many = [f"https://a{number}.acme.example" for number in range(50)]
    set_return_addresses(tenant=acme, addresses=many, actor=ADMIN)

    assert queries() == none == 6  # five to find out who asks and where, one for both lists
