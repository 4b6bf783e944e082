"""Renewing and ending access, where several providers do it alike."""

from __future__ import annotations

import pytest

from integrations.auth import oauth_of
from integrations.auth.addresses import filled
from integrations.auth.revoke import revoke
from integrations.connectors import registry
from integrations.errors import ReauthorizationRequiredError
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.testing.access import egress_of, open_access, renewed
from tests.sandbox.conftest import Caller


@pytest.mark.parametrize("slug", ["basecamp", "hubspot", "pandadoc"])
def test_a_refresh_token_stays_until_rotation_is_switched_on(caller: Caller, slug: str) -> None:
    registry.load()
    connector = registry.get_connector(slug)
    access = open_access(connector, caller.sandbox)
    assert renewed(connector, caller.sandbox, access).refresh_token == access.refresh_token

    caller.control("set", slug=slug, rotation=True)

    assert renewed(connector, caller.sandbox, access).refresh_token != access.refresh_token
    with pytest.raises(ReauthorizationRequiredError):
        renewed(connector, caller.sandbox, access)


@pytest.mark.parametrize("slug", ["hubspot", "salesforce"])
def test_access_is_ended_once_and_a_second_time_changes_nothing(caller: Caller, slug: str) -> None:
    registry.load()
    connector = registry.get_connector(slug)
    access = open_access(connector, caller.sandbox)
    way = oauth_of(connector.provider)
    address = filled(connector.provider, way.revoke_url, access.credentials.values())

    def end() -> bool:
        return revoke(
            connector.provider,
            way,
            access.app,
            access.refresh_token,
            address=address,
            egress=egress_of(caller.sandbox),
            deadline=Deadline.after(20, SystemClock()),
        )

    assert (end(), end()) == (True, False)
    with pytest.raises(ReauthorizationRequiredError):
        renewed(connector, caller.sandbox, access)
