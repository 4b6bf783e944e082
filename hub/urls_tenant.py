"""What is served below /t/<slug>/, inside that tenant's schema."""

from django.urls import path

from hub import sites

urlpatterns = [path("admin/", sites.tenant.urls)]
