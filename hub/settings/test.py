"""The test suite: fixed keys, cheap password hashes, loopback allowed for the sandbox."""

import os

from hub.settings.base import *  # noqa: F403
from hub.settings.base import DATABASES, number

DEBUG = False
SECRET_KEY = "only-for-tests-" + "x" * 50
HUB_ENCRYPTION_KEYS = ["dGVzdC1rZXktdGVzdC1rZXktdGVzdC1rZXktdGVzdC0"]
HUB_EGRESS_ALLOW = ["127.0.0.1"]
HUB_LIMITS_FACTOR = number("HUB_LIMITS_FACTOR", 1000)  # no test waits a minute unasked
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = {"level": "WARNING"}
# No machine is so busy that it takes these times.
DATABASES["default"]["OPTIONS"]["options"] += (
    " -c lock_timeout=60s -c idle_in_transaction_session_timeout=600s"
)
# Several test runs may share one embedded server; tests/database.py removes what a killed one left.
DATABASES["default"]["TEST"] = {"NAME": f"test_hub_{os.getpid()}"}
