"""GET and PUT /api/v1/connect-settings/."""

import pytest

from hub.audit.models import AuditAction, AuditEvent
from hub.connect.addresses import embedding_origins, return_addresses
from tenants.roles import Role
from tests.api.caller import Caller, reads, with_key

pytestmark = pytest.mark.django_db

SETTINGS = "connect-settings/"
NOTHING = {"return_addresses": [], "embedding_origins": []}
BOTH = {
    "return_addresses": ["https://app.acme.example/hub", "https://a.acme.example"],
    "embedding_origins": ["https://app.acme.example"],
}
STORED = {**BOTH, "return_addresses": sorted(BOTH["return_addresses"])}


@pytest.fixture
def admin(acme) -> Caller:
    return with_key(acme, Role.ADMIN)


def test_nothing_is_allowed_before_an_admin_says_so(viewer):
    assert viewer.get(SETTINGS).json() == NOTHING


def test_an_admin_sets_both_lists_and_everybody_reads_them(admin, viewer, acme):
    answer = admin.call("PUT", SETTINGS, BOTH)

    assert (answer.status_code, answer.json()) == (200, STORED)
    assert viewer.get(SETTINGS).json() == STORED
    assert return_addresses(acme) == STORED["return_addresses"]
    assert embedding_origins(acme) == STORED["embedding_origins"]


def test_an_address_that_was_set_can_be_returned_to_and_one_that_was_taken_away_cannot(admin):
    asked = {"return_url": "https://app.acme.example/hub/done"}
    admin.call("PUT", SETTINGS, BOTH)
    assert admin.post("connect-sessions/", asked).status_code == 201

    admin.call("PUT", SETTINGS, NOTHING)

    assert admin.post("connect-sessions/", asked).status_code == 422


def test_what_changed_is_audited_once_for_each_list(admin):
    admin.call("PUT", SETTINGS, BOTH)
    admin.call("PUT", SETTINGS, {**BOTH, "embedding_origins": []})

    events = AuditEvent.objects.filter(action=AuditAction.CONNECT_ADDRESSES_CHANGED)
    assert [
        (one.actor_kind, one.detail["kind"], one.detail["new"]) for one in events.order_by("seq")
    ] == [
        ("api_key", "return", STORED["return_addresses"]),
        ("api_key", "embed", STORED["embedding_origins"]),
        ("api_key", "embed", []),
    ]


def test_what_cannot_be_allowed_is_named_per_field_and_nothing_changes(admin):
    admin.call("PUT", SETTINGS, BOTH)
    wrong = {
        "return_addresses": ["https://new.acme.example", "http://x.example", "*"],
        "embedding_origins": ["https://app.acme.example/page"],
    }

    refused = admin.call("PUT", SETTINGS, wrong)

    errors = refused.json()["errors"]
    assert refused.status_code == 422
    assert [said.split(": ")[0] for said in errors["return_addresses"]] == [
        "'http://x.example'",
        "'*'",
    ]
    assert errors["embedding_origins"] == [
        "'https://app.acme.example/page': write the origin alone, such as https://app.example.com."
    ]
    assert admin.get(SETTINGS).json() == STORED


def test_one_wrong_list_keeps_the_other_as_it_was(admin):
    refused = admin.call("PUT", SETTINGS, {**BOTH, "embedding_origins": ["*"]})

    assert set(refused.json()["errors"]) == {"embedding_origins"}
    assert admin.get(SETTINGS).json() == NOTHING
    assert not AuditEvent.objects.filter(action=AuditAction.CONNECT_ADDRESSES_CHANGED).exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"return_addresses": []}, "embedding_origins"),
        ({"embedding_origins": []}, "return_addresses"),
        ({**NOTHING, "return_addresses": "https://a.example"}, "return_addresses"),
        ({**NOTHING, "return_addresses": [["https://a.example"]]}, "return_addresses.0"),
        ({**NOTHING, "return_addresses": [""]}, "return_addresses"),
        (
            {**NOTHING, "return_addresses": [f"https://a{n}.example" for n in range(51)]},
            "return_addresses",
        ),
    ],
)
def test_a_body_that_is_not_both_lists_is_refused(admin, body, field):
    refused = admin.call("PUT", SETTINGS, body)

    assert refused.status_code == 422
    assert set(refused.json()["errors"]) == {field}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_who_is_no_admin_changes_nothing(acme, role):
    refused = with_key(acme, role).call("PUT", SETTINGS, BOTH)

    assert refused.status_code == 403
    assert return_addresses(acme) == []


def test_reading_asks_once_however_many_there_are(admin, viewer):
    many = [f"https://a{n}.acme.example" for n in range(50)]
    with reads(2):  # the key, the lists
        viewer.get(SETTINGS)
    admin.call("PUT", SETTINGS, {**NOTHING, "return_addresses": many})

    with reads(2):
        viewer.get(SETTINGS)
