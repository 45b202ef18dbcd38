from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def make_ready(**kwargs: Any) -> None:
    """After migrating: the coming days' partitions."""
    from ocpi_hub.journal import partitions

    partitions.prepare()


class JournalConfig(AppConfig):
    name = "ocpi_hub.journal"
    label = "journal"
    verbose_name = "Journal"

    def ready(self) -> None:
        from ocpi_hub.journal import checks  # noqa: F401  # registers the system checks

        post_migrate.connect(make_ready, sender=self)
