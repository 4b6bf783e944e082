"""The test settings with harmless work beside the hub's own, for a real worker unit."""

from hub.settings.test import *  # noqa: F403
from hub.settings.test import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.worker.harmless"]
LOGGING = {"level": "INFO"}
