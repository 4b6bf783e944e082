"""The test settings with every time scaled down, for processes that are made to fail."""

import os

from hub.settings.test import *  # noqa: F403
from hub.settings.test import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.harness"]
LOGGING = {"level": os.environ.get("HUB_LOG_LEVEL", "WARNING")}
# A frozen process holds its locks until the server ends its session.
DATABASES["default"]["OPTIONS"]["options"] = (
    "-c lock_timeout=700ms -c idle_in_transaction_session_timeout=1s"
)
