"""One organisation's teams to read, after a consent."""

from __future__ import annotations

import pytest

from integrations.connectors.teams import TeamsConnector
from integrations.testing.access import Access, open_access
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller


@pytest.fixture
def access(caller: Caller) -> Access:
    return open_access(TeamsConnector, caller.sandbox)


@pytest.fixture
def teams(caller: Caller, access: Access) -> Reader:
    caller.control("set", slug="teams", limits=False)
    return Reader(TeamsConnector, access.credentials, caller)


@pytest.fixture
def with_channels(teams: Reader) -> Reader:
    teams.read("teams")
    teams.read("channels")
    return teams
