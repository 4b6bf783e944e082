"""People, memberships, API keys and the audit log, at operations and inside a tenant."""

from tenants.admin import api_keys, audit, people

__all__ = ["api_keys", "audit", "people"]
