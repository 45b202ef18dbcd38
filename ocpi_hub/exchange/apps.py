from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def make_ready(**kwargs: Any) -> None:
    """After migrating: the coming days' partitions, beat's upkeep, and rows that came with a restored dump."""
    from ocpi_hub.exchange import partitions, schedules, store

    partitions.prepare()
    schedules.plan_upkeep()
    store.settle_restored()


class ExchangeConfig(AppConfig):
    name = "ocpi_hub.exchange"
    label = "exchange"
    verbose_name = "Exchange"

    def ready(self) -> None:
        from ocpi_hub.exchange import checks  # noqa: F401  # registers the system checks

        post_migrate.connect(make_ready, sender=self)
