"""The rivals' Django on the hub's own server."""

from ocpi_hub.server import Server, die_with_granian


def application() -> Server:
    die_with_granian()
    from django.core.wsgi import get_wsgi_application

    return Server(get_wsgi_application())
