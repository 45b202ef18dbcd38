from django.apps import AppConfig


class HubClientInfoConfig(AppConfig):
    name = "hubclientinfo"
    verbose_name = "Hub client info"

    def ready(self) -> None:
        from hubclientinfo import listing
        from ocpi_hub.exchange import sweeper

        sweeper.every_round(listing.keep_true)
