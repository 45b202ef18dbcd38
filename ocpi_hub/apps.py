"""The project itself as an app, so that its management commands and checks are found."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.module_loading import autodiscover_modules


class HubConfig(AppConfig):
    name = "ocpi_hub"
    label = "hub"
    verbose_name = "Hub"

    def ready(self) -> None:
        # Registers the system checks, and makes the Celery app the one that tasks are sent through.
        from ocpi_hub import celery, checks, sentry  # noqa: F401

        sentry.start()
        autodiscover_modules("holdings")  # what each app holds of drivers


class HubAdminConfig(AdminConfig):
    """Django's admin, on the hub's own site."""

    default_site = "ocpi_hub.adminsite.HubAdminSite"
