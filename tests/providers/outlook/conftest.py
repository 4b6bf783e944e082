"""One mailbox to read, after a consent."""

from __future__ import annotations

import pytest

from integrations.connectors.outlook import OutlookConnector
from integrations.testing.access import open_access
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller


@pytest.fixture
def outlook(caller: Caller) -> Reader:
    access = open_access(OutlookConnector, caller.sandbox)
    return Reader(OutlookConnector, access.credentials, caller)
