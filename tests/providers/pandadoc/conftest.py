"""One workspace to read, after a consent."""

from __future__ import annotations

import pytest

from integrations.connectors.pandadoc import PandaDocConnector
from integrations.testing.access import open_access
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller


@pytest.fixture
def pandadoc(caller: Caller) -> Reader:
    caller.control("set", slug="pandadoc", limits=False)
    access = open_access(PandaDocConnector, caller.sandbox)
    return Reader(PandaDocConnector, access.credentials, caller)
