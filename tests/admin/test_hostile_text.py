"""What a provider sends stays text on every page, and no secret reaches one."""

from html.parser import HTMLParser

import pytest

from hub.connect.models import ProviderApp
from hub.connect.provider_apps import set_provider_app
from integrations.models import Connection, SyncRun
from tenants.actor import Actor
from tenants.keys import seal_for
from tests.admin.conftest import COUNTS, make_event, make_record, make_rejected, make_status
from tests.factories import ConnectionFactory, MembershipFactory, SyncRunFactory

pytestmark = pytest.mark.django_db

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</pre><iframe src=javascript:alert(1)>",
    "{{ 7|add:7 }}{% now 'Y' %}<b>",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>\u202e</a>",
]
CANARY = "hubcanary_9f4c1d"


class Elements(HTMLParser):
    """Every element of a page with the names of its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]


def pages_of(acme, text: str) -> list[str]:
    """The addresses of every page that shows `text` in every place a provider can fill."""
    connection = ConnectionFactory(
        name=text, account_label=text[:200], error=text, customer_message=text, extra={text: text}
    )
    counts = {text: {**COUNTS["companies"], "state": text}}
    run = SyncRunFactory(connection=connection, counts=counts, error=text, entity_types=[text])
    SyncRunFactory(connection=connection, running=True, counts=counts)
    record = make_record(
        connection, title=text, source_id=text, data={text: [text]}, raw={text: text}
    )
    record.links.create(
        field=text, target=record, target_type=text, target_source_id=text, target_system=text
    )
    rejected = make_rejected(connection, reason=text, source_id=text, raw=text.encode())
    event = make_event(acme, connection, said=text)
    status = make_status(acme, connection, error=text, status="broken", last_run_state="failed")
    tenant, ops = "/t/acme/admin", "/admin"
    return [
        f"{tenant}/",
        f"{tenant}/integrations/connection/",
        f"{tenant}/integrations/connection/{connection.pk}/change/",
        f"{tenant}/integrations/connection/{connection.pk}/history/",
        f"{tenant}/integrations/syncrun/",
        f"{tenant}/integrations/syncrun/{run.pk}/change/",
        f"{tenant}/integrations/record/",
        f"{tenant}/integrations/record/{record.pk}/change/",
        f"{tenant}/integrations/rejectedrecord/",
        f"{tenant}/integrations/rejectedrecord/{rejected.pk}/change/",
        f"{tenant}/audit/auditevent/{event.pk}/change/",
        f"{ops}/",
        f"{ops}/fleet/connectionstatus/",
        f"{ops}/fleet/connectionstatus/{status.pk}/change/",
        f"{ops}/audit/auditevent/",
        f"{ops}/audit/auditevent/{event.pk}/change/",
    ]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_adds_no_element_and_no_attribute_to_any_page(payload, ops, staff, acme):
    MembershipFactory(user=staff, tenant=acme, role="admin")

    for address in pages_of(acme, payload):
        answer = ops.get(address)
        assert answer.status_code == 200, address
        page = Elements(answer.content.decode())
        tags = {tag for tag, _ in page.found}
        assert not tags & {"iframe", "b"}, address
        assert not any(name.startswith("on") for _, names in page.found for name in names), address
        assert not any(url.strip().startswith("javascript:") for url in page.addresses), address
        assert ("script", ()) not in page.found, address
        assert "x" not in page.addresses, address


def test_the_payload_is_there_as_text(ops, staff, acme):
    MembershipFactory(user=staff, tenant=acme, role="admin")
    pages_of(acme, "<script>alert(1)</script>")

    html = ops.get("/t/acme/admin/integrations/record/").content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_bytes_that_are_no_text_are_shown_as_escapes(viewer):
    rejected = make_rejected(ConnectionFactory(), raw=b"\xff\x00ok\x1b[31m")

    page = viewer.get(f"/t/acme/admin/integrations/rejectedrecord/{rejected.pk}/change/")

    assert r"\xff\x00ok\x1b[31m" in page.content.decode()


def test_no_page_shows_a_secret_sealed_or_open(ops, staff, acme):
    MembershipFactory(user=staff, tenant=acme, role="admin")
    pages = pages_of(acme, "plain")
    connection = Connection.objects.get()
    connection.credentials = seal_for(
        connection, "credentials", {"access_token": CANARY}, tenant_id=acme.pk
    )
    connection.save()
    app = set_provider_app(
        provider="slack",
        client_id="id-1",
        client_secret=CANARY,
        tenant=None,
        actor=Actor.system("tests"),
    )
    pages += [
        "/admin/connect/providerapp/",
        f"/admin/connect/providerapp/{app.pk}/change/",
        f"/admin/connect/providerapp/{app.pk}/history/",
        "/admin/connect/providerapp/add/",
    ]
    sealed = [bytes(connection.credentials), bytes(ProviderApp.objects.get().client_secret)]

    for address in pages:
        body = ops.get(address).content
        assert CANARY.encode() not in body, address
        assert b"&lt;sealed&gt;" not in body, address
        assert not any(part in body or part.hex().encode() in body for part in sealed), address
    assert (
        not ops.get(f"/t/acme/admin/integrations/connection/?q={CANARY}").context["cl"].result_count
    )
    assert SyncRun.objects.exists()
