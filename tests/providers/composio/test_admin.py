"""The tenant's admin: connecting through Composio, where an operator has set it up."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from hub.connect.models import ProviderApp
from integrations.models import Connection
from integrations.sandbox.composio import Composio
from tenants.models import Tenant
from tenants.roles import Role
from tests.connecting.conftest import World
from tests.factories import MembershipFactory, UserFactory
from tests.providers.composio.conftest import consent

pytestmark = pytest.mark.django_db

LIST = "/t/acme/admin/integrations/connection/"
ADD = f"{LIST}composio/"


def member(acme: Tenant, role: Role) -> Client:
    client = Client()
    client.force_login(MembershipFactory(role=role, tenant=acme).user)
    return client


def test_an_operator_makes_a_link_and_then_the_connection(
    composio: Composio, world: World, acme: Tenant
) -> None:
    operator = member(acme, Role.OPERATOR)
    assert ADD in operator.get(LIST).content.decode()
    form = operator.get(ADD).content.decode()
    assert "Gmail" in form and "Copper" not in form and "Salesforce" not in form

    page = operator.post(ADD, {"provider": "slack"}, follow=True).content.decode()
    url = re.search(f'href="({world.sandbox.url}[^"]+)"', page)
    account = re.search(r"ca_\w+", page)
    assert url and account
    assert consent(world, unescape(url[1])) == 200
    done = operator.post(ADD, {"provider": "slack", "account": account[0]}, follow=True)

    assert "its first sync is due now" in done.content.decode()
    assert Connection.objects.get().auth_kind == "composio"


def test_a_refusal_stands_in_the_form(composio: Composio, acme: Tenant) -> None:
    page = member(acme, Role.OPERATOR).post(ADD, {"provider": "slack", "account": "ca_nosuch"})

    assert page.status_code == 200
    assert "no such account" in page.content.decode()


def test_a_viewer_sees_no_way_to_it(composio: Composio, acme: Tenant) -> None:
    viewer = member(acme, Role.VIEWER)

    assert ADD not in viewer.get(LIST).content.decode()
    assert viewer.get(ADD).status_code == 403


def test_without_a_key_nobody_sees_it(world: World, acme: Tenant) -> None:
    admin = member(acme, Role.ADMIN)

    assert ADD not in admin.get(LIST).content.decode()
    assert admin.get(ADD).status_code == 404


def test_operations_enter_the_key_beside_the_provider_apps(world: World) -> None:
    ops = Client()
    ops.force_login(UserFactory(staff=True))
    add = reverse("admin:connect_providerapp_add")
    key = "ak_entered_by_hand"

    assert "Composio" in ops.get(add).content.decode()
    values = {"provider": "composio", "client_id": "our project", "client_secret": key}
    page = ops.post(add, values, follow=True).content.decode()

    assert ProviderApp.objects.get().provider == "composio"
    assert key not in page
