"""What access and which run a connector is handed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.masked import Masked

_MASKED = "•••"


@dataclass(frozen=True, repr=False)
class _Credentials:
    access_token: str = ""
    key: str = ""
    username: str = ""
    password: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    held_by: str = ""


class Credentials(Masked, _Credentials):
    """The opened secrets of one connection, and in `extra` what else stays with it.

    `extra` holds what `keep`, `fields` and account choice brought: {"realmId": "123145…"}.
    `held_by` names a gateway that holds the secrets itself and adds the access to each call.
    """

    def values(self) -> dict[str, str]:
        """Everything by name, for templates such as ApiKey.headers; `extra` comes second."""
        named = {
            "access_token": self.access_token,
            "key": self.key,
            "username": self.username,
            "password": self.password,
        }
        return {str(k): str(v) for k, v in self.extra.items()} | {
            k: v for k, v in named.items() if v
        }

    def __repr__(self) -> str:
        held = [n for n in ("access_token", "key", "username", "password") if getattr(self, n)]
        held += sorted(map(str, self.extra))
        return f"Credentials({', '.join(f'{name}={_MASKED}' for name in held)})"


@dataclass(frozen=True, repr=False)
class _AuthContext:
    auth: Mapping[str, str]
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


class AuthContext(Masked, _AuthContext):
    """What makes a call one of this connection's: secret headers, the address, plain headers.

    `extra` is what stays with the connection, for templates in paths and Identity.
    """

    def __repr__(self) -> str:
        held = ", ".join(f"{name}: {_MASKED}" for name in self.auth)
        return f"AuthContext(auth={{{held}}})"


@dataclass(frozen=True, slots=True)
class RunContext:
    """The run a connector works for; `started_at` (aware, UTC) is the only clock it may read."""

    started_at: datetime
    run_id: str = ""
    is_dry_run: bool = False
