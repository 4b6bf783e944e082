"""The ASGI application. Without DATABASE_URL it brings its own PostgreSQL."""

from django.core.asgi import get_asgi_application

from hub.start import serve

application = serve(get_asgi_application)
