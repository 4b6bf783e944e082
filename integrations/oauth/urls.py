"""The connect page and the callbacks, with their full prefixes; all on the public site."""

from django.urls import path

from integrations.oauth import views

urlpatterns = [
    path("connect/<str:token>/", views.connect_page, name="connect"),
    path("connect/<str:token>/<slug:provider>/", views.connect_provider, name="connect_provider"),
    path("connect/<str:token>/<slug:provider>/key/", views.connect_key, name="connect_key"),
    path("oauth/<slug:provider>/callback/", views.callback, name="oauth_callback"),
    path("oauth/<slug:provider>/accounts/<uuid:attempt>/", views.choose, name="oauth_accounts"),
]
