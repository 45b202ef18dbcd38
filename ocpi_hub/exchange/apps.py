from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def make_ready(**kwargs: Any) -> None:
    """After migrating: partitions, beat's upkeep, rows of a restored dump, and totals of what is there already."""
    from ocpi_hub.exchange import partitions, schedules, store, tally

    partitions.prepare()
    schedules.plan_upkeep()
    store.settle_restored()
    tally.begin()


class ExchangeConfig(AppConfig):
    name = "ocpi_hub.exchange"
    label = "exchange"
    verbose_name = "Exchange"

    def ready(self) -> None:
        from ocpi_hub import metrics
        from ocpi_hub.errorreports import alerts
        from ocpi_hub.exchange import (
            checks,  # noqa: F401  # registers the system checks
            deadletters,
            gauges,
            sweeper,
            tally,
        )

        metrics.states.append(gauges.read)
        sweeper.every_round(tally.condense)
        sweeper.every_round(alerts.tell)
        sweeper.every_round(deadletters.settle_strays)
        post_migrate.connect(make_ready, sender=self)
