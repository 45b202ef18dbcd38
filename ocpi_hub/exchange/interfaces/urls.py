"""The two addresses of a module, below /ocpi/<version>/."""

from django.urls import URLPattern, re_path

from ocpi_hub.exchange.interfaces.views import RoutedView


def interfaces(module: str, sender: type[RoutedView], receiver: type[RoutedView]) -> list[URLPattern]:
    """URL patterns of a module; what follows the endpoint is split by the view, which knows its encoding."""
    return [
        re_path(rf"^sender/{module}(?:/(?P<rest>.*))?$", sender.as_view(), name=f"{module}-sender"),
        re_path(rf"^receiver/{module}(?:/(?P<rest>.*))?$", receiver.as_view(), name=f"{module}-receiver"),
    ]
