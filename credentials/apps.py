from datetime import timedelta

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    name = "credentials"

    def ready(self) -> None:
        from credentials import tasks
        from ocpi_hub.exchange.housekeeping import upkeep

        minute = timedelta(minutes=1)
        upkeep.every("tell partners when our endpoints changed", minute, tasks.announce_changes)
