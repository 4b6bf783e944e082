"""One mailbox to read, after a consent."""

from __future__ import annotations

import pytest

from integrations.connectors.gmail import GmailConnector
from integrations.testing.access import open_access
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller


@pytest.fixture
def gmail(caller: Caller) -> Reader:
    caller.control("set", slug="gmail", limits=False)
    access = open_access(GmailConnector, caller.sandbox)
    return Reader(GmailConnector, access.credentials, caller)
