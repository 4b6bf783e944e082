"""The sandbox's Composio, with a project of the hub's, and people who consent on its page."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from hub.connect.provider_apps import set_provider_app
from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.auth import oauth_of
from integrations.connectors.registry import get_connector
from integrations.models import Connection, Record
from integrations.sandbox.composio import Composio
from integrations.services.accounts import Access, account_behind, keep_account
from integrations.services.composio import connect_through_composio, create_composio_link
from integrations.sync.engine import SliceResult, work_slice
from integrations.sync.lease import LeaseWatch
from integrations.testing.access import open_access
from tenants.actor import Actor
from tenants.roles import Role
from tests.connecting.conftest import World, first_form, running, world

__all__ = ["running", "world"]

SHOWN = ("gmail", "slack", "hubspot")
OPERATOR = Actor(kind="user", id="0", label="operator@example.com", role=Role.OPERATOR)


@pytest.fixture
def composio(world: World, db: None) -> Composio:
    """Composio as at its start; the hub has a project there for all tenants."""
    part = world.sandbox.world.parts["composio"]
    assert isinstance(part, Composio)
    for slug in SHOWN:
        world.control("set", slug=slug, limits=False)
    use_key(part.key)
    return part


def use_key(key: str) -> None:
    set_provider_app(
        provider="composio", client_id="hub", client_secret=key, actor=Actor.system("tests")
    )


def consent(world: World, url: str, account: str = "") -> int:
    """Press Allow on Composio's page; the status of what comes then."""
    page = world.http.get(url)
    assert page.status_code == 200, page.text
    action, fields = first_form(page.text)
    chosen = {"account": account} if account else {}
    answer = world.http.post(
        world.sandbox.url + action, data={**fields, **chosen}, allow_redirects=False
    )
    return answer.status_code


def linked(world: World, provider: str, account: str = "") -> str:
    """The id of an account at Composio that somebody has consented to."""
    link = create_composio_link(provider=provider, end_user="ada", actor=OPERATOR)
    assert consent(world, link.url, account) == 200
    return link.account


def connected(world: World, provider: str, account: str = "") -> Connection:
    """A connection through Composio to the provider's first account, or to `account`."""
    held = linked(world, provider, account)
    return connect_through_composio(provider=provider, account=held, actor=OPERATOR)


def natively(world: World, provider: str, number: int = 0) -> Connection:
    """A connection by the hub's own OAuth to the provider's account `number`."""
    connector = get_connector(provider)
    access = open_access(connector, world.sandbox, number)
    secrets = {
        "access_token": access.credentials.access_token,
        "refresh_token": access.refresh_token,
    }
    way = oauth_of(connector.provider)
    return keep_account(
        provider=connector.provider,
        account=account_behind(connector, access.credentials),
        access=Access(way.kind, secrets, access.credentials.extra, scopes=way.scopes),
        name=None,
        expected=None,
        actor=OPERATOR,
    )


def sync(connection: Connection) -> SliceResult:
    """Work one slice, which reads all there is."""
    Due.objects.for_object(connection).update(due_at=Now())
    due = Due.objects.get(object_id=connection.pk, kind=Due.Kind.SYNC)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    return work_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())


def records(connection: Connection) -> dict[tuple[str, str], Any]:
    """(entity type, id): what is stored of it."""
    rows = Record.objects.present().filter(source_system=connection.source_system)
    return {
        (row.entity_type, row.source_id): (row.record_type, row.data, row.raw, row.scope)
        for row in rows
    }
