"""Run Django's deployment checks and the hub's own on the production settings.

`make check` calls it. The environment is a complete example with values made now, so nothing that
stands in a file is ever taken for a secret. The exit code is that of the checks.
"""

import base64
import os
import secrets
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
COMMAND = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")


def example_environment() -> dict[str, str]:
    """Return everything a production start needs; docs/settings.md says what each value is."""
    return {
        "DJANGO_SETTINGS_MODULE": "hub.settings.production",
        "DATABASE_URL": f"postgresql://hub:{secrets.token_urlsafe(24)}@db.example.com/hub",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "HUB_ENCRYPTION_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
        "ALLOWED_HOSTS": "hub.example.com",
        "CSRF_TRUSTED_ORIGINS": "https://hub.example.com",
        "HUB_PUBLIC_URL": "https://hub.example.com",
    }


def main() -> int:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    run = subprocess.run(
        [sys.executable, *COMMAND], cwd=CHECKOUT, env={**kept, **example_environment()}, check=False
    )
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
