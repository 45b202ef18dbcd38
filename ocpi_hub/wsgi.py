"""The WSGI application that ocpi_hub/server.py runs in its threads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocpi_hub.settings")

application = get_wsgi_application()
