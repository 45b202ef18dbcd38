from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils import timezone


def make_ready(**kwargs: Any) -> None:
    """After migrating: partitions, beat's upkeep, rows of a restored dump, and totals of what is there already."""
    from ocpi_hub.exchange.housekeeping import partitions, schedules
    from ocpi_hub.exchange.objects import store, tally

    partitions.prepare()
    schedules.plan_upkeep()
    store.settle_restored()
    tally.begin()


def plan_upkeep() -> None:
    """Chores, each for itself, so that one that fails keeps none of the others from being done."""
    from ocpi_hub.errorreports import states
    from ocpi_hub.exchange.housekeeping import partitions, retention, upkeep
    from ocpi_hub.exchange.objects import store, tally
    from ocpi_hub.journal import partitions as journal

    hour = timedelta(hours=1)
    upkeep.every("prepare the days of attempts", hour, partitions.prepare)
    upkeep.every("drop old days of attempts", hour, partitions.drop_old)
    upkeep.every("prepare the days of the journal", hour, journal.prepare)
    upkeep.every("drop old days of the journal", hour, journal.drop_old)
    upkeep.every("delete finished messages", hour, partitions.delete_finished)
    upkeep.every("delete tombstones", hour, lambda: store.forget_deleted(timezone.now()))
    upkeep.every("resolve and delete error reports", hour, lambda: states.upkeep(timezone.now()))
    upkeep.every("delete what is past its time", hour, lambda: retention.apply(timezone.now()))
    upkeep.every("compare totals of lists with what is there", 24 * hour, tally.compare)


class ExchangeConfig(AppConfig):
    name = "ocpi_hub.exchange"
    label = "exchange"
    verbose_name = "Exchange"

    def ready(self) -> None:
        from ocpi_hub import metrics
        from ocpi_hub.errorreports import aftermath, alerts, digests
        from ocpi_hub.exchange import checks  # noqa: F401  # registers the system checks
        from ocpi_hub.exchange.deliveries import arrivals, deadletters
        from ocpi_hub.exchange.housekeeping import erasing, gauges, sweeper, upkeep
        from ocpi_hub.exchange.objects import tally
        from ocpi_hub.exchange.pulls import rereadings
        from ocpi_hub.exchange.relays import overdue

        metrics.states.append(gauges.read)
        aftermath.tellers += [arrivals.told, rereadings.told]
        sweeper.every_round(tally.condense)
        sweeper.every_round(alerts.tell)
        sweeper.every_round(digests.send)
        sweeper.every_round(deadletters.settle_strays)
        sweeper.every_round(upkeep.do_what_is_due)
        sweeper.every_round(overdue.report)
        sweeper.every_round(erasing.do_what_was_asked)
        plan_upkeep()
        post_migrate.connect(make_ready, sender=self)
