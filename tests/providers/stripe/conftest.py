"""One Stripe account to read, by its restricted key."""

from __future__ import annotations

import pytest

from integrations.connectors.stripe import StripeConnector
from integrations.types import Credentials
from tests.providers.conftest import Reader
from tests.sandbox.conftest import Caller


@pytest.fixture
def stripe(caller: Caller) -> Reader:
    caller.control("set", slug="stripe", limits=False)
    key = caller.own("/_credentials")["stripe"][0]["key"]
    return Reader(StripeConnector, Credentials(key=key), caller)
