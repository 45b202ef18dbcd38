"""The project itself as an app, so that its management commands and checks are found."""

from django.apps import AppConfig


class HubConfig(AppConfig):
    name = "ocpi_hub"
    label = "hub"
    verbose_name = "Hub"

    def ready(self) -> None:
        # Registers the system checks, and makes the Celery app the one that tasks are sent through.
        from ocpi_hub import celery, checks  # noqa: F401
