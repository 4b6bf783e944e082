"""The two admin sites: operations see every tenant, a tenant sees its own schema.

Both are named "admin", because Django's own templates and links ask for that name. Which one a
request means is decided by its URL configuration (hub.urls or hub.urls_tenant). Imports nothing
of ours, so that every app can register with either.
"""

from django.contrib.admin import AdminSite
from django.http import HttpRequest


class OpsSite(AdminSite):
    site_header = "Hub operations"
    site_title = "Hub"
    index_title = "All tenants"


class TenantSite(AdminSite):
    """A tenant's admin at /t/<slug>/admin/; the membership's role decides, groups do not count."""

    site_title = "Hub"
    index_title = "Overview"

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and getattr(request, "role", None))


ops = OpsSite(name="admin")
tenant = TenantSite(name="admin")
