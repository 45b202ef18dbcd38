"""Failures of the hub's own work, as error reports. What went wrong is named by its class: its text may hold data."""

from django.db import InterfaceError, OperationalError

from ocpi_hub.errorreports.occurrences import note


def stopped(what: str, error: Exception, platform_id: int | None = None) -> None:
    """Work of a process that stopped on an error, and is done again later."""
    is_away = isinstance(error, OperationalError | InterfaceError)
    kind = "hub.database" if is_away else "hub.fault"
    note(kind, platform_id, "", f"{what} stopped on {type(error).__name__}")


def without_redis(text: str) -> None:
    note("hub.redis", None, "", text)
