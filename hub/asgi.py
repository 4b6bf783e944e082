"""The ASGI application. Without DATABASE_URL it brings its own PostgreSQL."""

import os

from django.core.asgi import get_asgi_application

from hub.embedded_postgres import ensure

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings.local")
ensure()
application = get_asgi_application()
