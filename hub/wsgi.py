"""The WSGI application. Without DATABASE_URL it brings its own PostgreSQL."""

from django.core.wsgi import get_wsgi_application

from hub.start import serve

application = serve(get_wsgi_application)
