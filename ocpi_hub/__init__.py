"""The OCPI hub: wiring, the protocol, our partners, and how objects move between them."""


def __getattr__(name: str) -> object:
    """`celery -A ocpi_hub` looks for `celery` here; importing it lazily keeps the protocol free of Django."""
    if name in ("celery", "app"):
        from ocpi_hub.celery import app

        return app
    raise AttributeError(name)
