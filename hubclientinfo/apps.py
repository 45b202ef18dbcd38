from datetime import timedelta

from django.apps import AppConfig


class HubClientInfoConfig(AppConfig):
    name = "hubclientinfo"
    verbose_name = "Hub client info"

    def ready(self) -> None:
        from hubclientinfo import listing, tasks
        from ocpi_hub.exchange.housekeeping import sweeper, upkeep

        sweeper.every_round(listing.keep_true)
        day = timedelta(days=1)
        upkeep.every("compare what partners have of the list of clients", day, tasks.compare)
