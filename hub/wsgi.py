"""The WSGI application. Without DATABASE_URL it brings its own PostgreSQL."""

import os

from django.core.wsgi import get_wsgi_application

from hub.embedded_postgres import ensure

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings.local")
ensure()
application = get_wsgi_application()
