"""One Salesforce organization to read, connected through its consent page."""

from __future__ import annotations

import pytest

from integrations.connectors.salesforce import SalesforceConnector
from integrations.testing.access import Access, open_access
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller


@pytest.fixture
def access(caller: Caller) -> Access:
    return open_access(SalesforceConnector, caller.sandbox)


@pytest.fixture
def salesforce(caller: Caller, access: Access) -> Reader:
    """Nordlicht, which has several currencies."""
    return Reader(SalesforceConnector, access.credentials, caller)


@pytest.fixture
def harbour(caller: Caller) -> Reader:
    """Harbour & Vale, which has one currency."""
    access = open_access(SalesforceConnector, caller.sandbox, 1)
    return Reader(SalesforceConnector, access.credentials, caller)
