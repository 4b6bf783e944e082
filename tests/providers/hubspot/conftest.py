"""One HubSpot account to read, connected through its consent page."""

from __future__ import annotations

import pytest

from integrations.connectors.hubspot import HubSpotConnector
from integrations.testing.access import Access, open_access
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller


@pytest.fixture
def access(caller: Caller) -> Access:
    return open_access(HubSpotConnector, caller.sandbox)


@pytest.fixture
def hubspot(caller: Caller, access: Access) -> Reader:
    caller.control("set", slug="hubspot", limits=False)
    return Reader(HubSpotConnector, access.credentials, caller)
