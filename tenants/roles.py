"""The roles a member has in a tenant: each may do what the one before may, and more."""

from django.db import models


class Role(models.TextChoices):
    VIEWER = "viewer", "Viewer"  # reads everything but credentials
    OPERATOR = "operator", "Operator"  # also connects, syncs, pauses, replays
    ADMIN = "admin", "Admin"  # also members, API keys, closing

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)
