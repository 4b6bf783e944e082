"""What is served at the top: operations and the API. A tenant's pages are in hub/urls_tenant.py."""

from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

import hub.openapi  # noqa: F401  registers what the description says for every operation
from hub import health, sites
from hub.api import no_such_address

handler400 = "hub.api.handler400"
handler403 = "hub.api.handler403"
handler404 = "hub.api.handler404"
handler500 = "hub.api.handler500"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", sites.ops.urls),
    path("health/live/", health.live),
    path("health/ready/", health.ready),
    path("", include("integrations.oauth.urls")),
    path("api/v1/", include("integrations.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    re_path(r"^api/", no_such_address),  # last: whatever else is asked for below /api/
]
