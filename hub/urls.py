"""What is served at the top: operations. A tenant's pages are in hub/urls_tenant.py."""

from django.urls import path

from hub import sites

urlpatterns = [path("admin/", sites.ops.urls)]
