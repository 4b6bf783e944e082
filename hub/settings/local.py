"""A laptop: nothing to set, keys made once and kept beside the data."""

import os
import secrets

from hub.embedded_postgres import data_folder
from hub.settings.base import *  # noqa: F403
from hub.settings.base import BASE_DIR, HUB_EGRESS_ALLOW, HUB_ENCRYPTION_KEYS

DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]


def _kept(name: str) -> str:
    """Return a secret that is made on first use and readable by its owner only.

    It lies with the data it opens, so that a new checkout finds both or neither; one that an
    earlier version has kept in the checkout stays there.
    """
    earlier = BASE_DIR / ".hub" / name
    is_moved = bool(os.environ.get("HUB_DATA_DIR")) or not earlier.exists()
    path = data_folder().parent / name if is_moved else earlier
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = _kept("secret_key")
HUB_ENCRYPTION_KEYS = HUB_ENCRYPTION_KEYS or [_kept("encryption_key")]
HUB_EGRESS_ALLOW = HUB_EGRESS_ALLOW or ["127.0.0.1"]  # the sandbox
