import pytest

from integrations.models import Connection
from tests.api.rows import connected


@pytest.fixture
def crm(acme: None) -> Connection:
    return connected()


@pytest.fixture
def books(acme: None) -> Connection:
    return connected(provider="quickbooks")
