"""One Airtable account to read, connected through its consent page."""

from __future__ import annotations

import pytest

from integrations.connectors.airtable import AirtableConnector
from integrations.testing.access import Access, open_access
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller


@pytest.fixture
def access(caller: Caller) -> Access:
    return open_access(AirtableConnector, caller.sandbox)


@pytest.fixture
def airtable(caller: Caller, access: Access) -> Reader:
    caller.control("set", slug="airtable", limits=False)
    return Reader(AirtableConnector, access.credentials, caller)
