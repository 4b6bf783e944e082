import pytest

from tenants.models import Tenant
from tenants.roles import Role
from tests.api.caller import Caller, with_key


@pytest.fixture
def api(acme: Tenant) -> Caller:
    """A program with an operator's key of acme."""
    return with_key(acme)


@pytest.fixture
def viewer(acme: Tenant) -> Caller:
    return with_key(acme, Role.VIEWER)
