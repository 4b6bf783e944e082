"""What is served below /t/<slug>/, inside that tenant's schema."""

from django.urls import path
from django.views.generic import RedirectView

from hub import sites

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", sites.tenant.urls),
]
