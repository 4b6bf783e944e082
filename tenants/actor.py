"""Who acts: every service takes one, and every audit event names one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenants.roles import Role

if TYPE_CHECKING:
    from tenants.models import ApiKey, User


@dataclass(frozen=True)
class Actor:
    """A person, an API key or the hub itself, with the role it has in the current tenant.

    `role` is None where no tenant is concerned, or for a stranger.
    """

    kind: str
    id: str
    label: str
    role: Role | None = None

    @classmethod
    def user(cls, user: "User", role: Role | None = None) -> "Actor":
        return cls(kind="user", id=str(user.pk), label=user.email, role=role)

    @classmethod
    def api_key(cls, key: "ApiKey") -> "Actor":
        return cls(kind="api_key", id=str(key.pk), label=key.name, role=Role(key.role))

    @classmethod
    def system(cls, part: str) -> "Actor":
        """The hub's own work, e.g. `Actor.system("worker")`; it may do everything."""
        return cls(kind="system", id=part, label=part, role=Role.ADMIN)

    @classmethod
    def stranger(cls, label: str = "") -> "Actor":
        """Somebody we do not know, as in a failed sign-in."""
        return cls(kind="stranger", id="", label=label)
