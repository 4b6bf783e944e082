"""For `manage.py rotate_keys` as a process of its own: its wrapping keys come from the test."""

from hub.settings.base import listed
from hub.settings.test import *  # noqa: F403

HUB_ENCRYPTION_KEYS = listed("HUB_ENCRYPTION_KEYS")
