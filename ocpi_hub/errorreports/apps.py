from django.apps import AppConfig


class ErrorReportsConfig(AppConfig):
    name = "ocpi_hub.errorreports"
    label = "errorreports"
    verbose_name = "Error reports"

    def ready(self) -> None:
        from ocpi_hub.errorreports import checks  # noqa: F401  # registers the system checks
        from ocpi_hub.errorreports.occurrences import note
        from ocpi_hub.partners import alarms

        # The layer below cannot report by itself.
        alarms.listeners.append(lambda kind, text: note(kind, None, "", text))
