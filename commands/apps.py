from django.apps import AppConfig


class CommandsConfig(AppConfig):
    name = "commands"

    def ready(self) -> None:
        from commands import tracing
        from ocpi_hub.exchange.housekeeping import sweeper

        sweeper.every_round(tracing.reconcile)
