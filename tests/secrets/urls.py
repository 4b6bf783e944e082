"""The hub's addresses, and one below which every request ends in a crash."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from hub.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def crash(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"no page for {request.POST.dict()} and {dict(request.headers)}")


urlpatterns = [path("crash/", crash), *urlpatterns]
