"""What access and which run a connector is handed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

_MASKED = "•••"


class _Secretive:
    """Shows no value in repr, str, format or a log line, and refuses to be pickled."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds secrets and is never pickled")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self.__reduce__()

    def __getstate__(self) -> NoReturn:
        self.__reduce__()


@dataclass(frozen=True, repr=False)
class Credentials(_Secretive):
    """The opened secrets of one connection, and in `extra` what else stays with it.

    `extra` holds what `keep`, `fields` and account choice brought: {"realmId": "123145…"}.
    """

    access_token: str = ""
    key: str = ""
    username: str = ""
    password: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

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
class AuthContext(_Secretive):
    """What makes a call one of this connection's: secret headers, the address, plain headers.

    `extra` is what stays with the connection, for templates in paths and Identity.
    """

    auth: Mapping[str, str]
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        held = ", ".join(f"{name}: {_MASKED}" for name in self.auth)
        return f"AuthContext(auth={{{held}}})"


@dataclass(frozen=True, slots=True)
class RunContext:
    """The run a connector works for; `started_at` (aware, UTC) is the only clock it may read."""

    started_at: datetime
    run_id: str = ""
    is_dry_run: bool = False
