"""Every page of both sites opens, asks the same number of queries for many rows as for few."""

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from hub import sites
from tests.admin.conftest import fill

pytestmark = pytest.mark.django_db

SITES = {"operations": sites.ops, "tenant": sites.tenant}
PREFIX = {"operations": "", "tenant": "/t/acme"}
REGISTERED = [
    pytest.param(name, model, id=f"{name}-{model._meta.model_name}")
    for name, site in SITES.items()
    for model in site._registry
]


@pytest.fixture
def clients(ops: Client, acme_admin: Client) -> dict[str, Client]:
    return {"operations": ops, "tenant": acme_admin}


def address(site: str, model, page: str, *args: object) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    urlconf = "hub.urls" if site == "operations" else "hub.urls_tenant"
    return PREFIX[site] + reverse(name, urlconf=urlconf, args=args)


def queries_of(client: Client, page: str) -> int:
    """How many queries the page asks with nothing remembered; entering a schema is not one."""
    cache.clear()
    with CaptureQueriesContext(database) as asked:
        assert client.get(page).status_code == 200
    return sum(not query["sql"].startswith("SET search_path") for query in asked)


@pytest.mark.parametrize(("site", "model"), REGISTERED)
def test_every_page_of_every_model_opens(site, model, clients, acme):
    made = fill(acme, 2)
    row = made.get(model) or Group.objects.create(name="support")
    client = clients[site]

    pages = {
        "changelist": client.get(address(site, model, "changelist")),
        "change": client.get(address(site, model, "change", row.pk)),
        "history": client.get(address(site, model, "history", row.pk)),
        "add": client.get(address(site, model, "add")),
    }

    status = {page: answer.status_code for page, answer in pages.items()}
    can_add = status.pop("add")
    assert set(status.values()) == {200}, status
    assert can_add in (200, 403)
    assert str(row.pk) in pages["changelist"].content.decode()


@pytest.mark.parametrize(("site", "model"), REGISTERED)
def test_a_changelist_asks_as_often_for_fifty_rows_as_for_ten(site, model, clients, acme):
    page = address(site, model, "changelist")
    fill(acme, 10)
    Group.objects.bulk_create(Group(name=f"group {n}") for n in range(10))
    few = queries_of(clients[site], page)
    fill(acme, 40, first=10)
    Group.objects.bulk_create(Group(name=f"more {n}") for n in range(40))

    assert queries_of(clients[site], page) == few


@pytest.mark.parametrize("site", SITES)
def test_the_first_page_asks_as_often_for_fifty_connections_as_for_ten(site, clients, acme):
    page = f"{PREFIX[site]}/admin/"
    fill(acme, 10)
    few = queries_of(clients[site], page)
    fill(acme, 40, first=10)

    assert queries_of(clients[site], page) == few
