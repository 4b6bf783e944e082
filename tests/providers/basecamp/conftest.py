"""One account to read, chosen after a consent."""

from __future__ import annotations

import pytest

from integrations.connectors.basecamp import BasecampConnector
from integrations.testing.access import open_access
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller


@pytest.fixture
def basecamp(caller: Caller) -> Reader:
    caller.control("set", slug="basecamp", limits=False)
    access = open_access(BasecampConnector, caller.sandbox)
    return Reader(BasecampConnector, access.credentials, caller)
