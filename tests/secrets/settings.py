"""The test settings with every line logged, the careless connectors, and a page that crashes."""

from hub.settings.test import *  # noqa: F403

LOGGING = {"level": "DEBUG"}
ROOT_URLCONF = "tests.secrets.urls"
HUB_CONNECTOR_MODULES = ["tests.secrets.connectors"]
