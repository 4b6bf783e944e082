"""The page of providers: the connectors' own words, for whoever may enter a site."""

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.connectors.catalogue import catalogue
from tests.admin.conftest import signed_in
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]

OPS, TENANT = "/admin/providers/", "/t/acme/admin/providers/"


@pytest.fixture
def helper(db: None) -> Client:
    """Staff without a single permission."""
    return signed_in(UserFactory(is_staff=True))


def test_it_says_of_each_provider_what_the_catalogue_says(helper):
    html = helper.get(OPS).content.decode()

    for entry in catalogue():
        assert f'id="{entry["slug"]}"' in html
        assert f"{entry['lines']['methods']} of 50 in methods" in html
        for text in (entry["sign_in"], *entry["scopes"], *entry["limits"], *entry["reads"]):
            assert text.replace("&", "&amp;") in html
        for declared in entry["types"]:
            assert f'<th scope="row">{declared["name"]}</th>' in html
    assert "hub/marks/gmail.svg" in html


def test_staff_without_a_permission_find_it_in_the_menu(helper):
    assert f'href="{OPS}"' in helper.get("/admin/").content.decode()
    assert helper.get("/admin/connect/").status_code == 200


def test_it_stands_beside_what_else_may_be_seen(ops):
    [connecting] = [
        app for app in ops.get("/admin/").context["available_apps"] if app["app_label"] == "connect"
    ]

    assert [entry["name"] for entry in connecting["models"]] == ["Provider apps", "Providers"]


def test_a_viewer_finds_it_in_the_tenant(viewer):
    assert f'href="{TENANT}"' in viewer.get("/t/acme/admin/").content.decode()
    assert "Copper" in viewer.get(TENANT).content.decode()


def test_nobody_else_sees_it(client, viewer, helper):
    assert client.get(OPS).status_code == client.get(TENANT).status_code == 302
    assert viewer.get(OPS).status_code == 302
    assert helper.get(TENANT).status_code == 404
    assert viewer.get(TENANT.replace("acme", "globex")).status_code == 404


def test_it_asks_only_who_is_there(helper):
    with CaptureQueriesContext(database) as asked:
        helper.get(OPS)

    assert len(asked) <= 4


def test_it_needs_no_script_and_no_style_inside_it(helper):
    html = helper.get(OPS).content.decode()

    assert "<style" not in html
    assert " style=" not in html
    assert "<script>" not in html
