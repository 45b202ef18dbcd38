from datetime import timedelta

from django.apps import AppConfig


class ProofConfig(AppConfig):
    name = "ocpi_hub.proof"
    label = "proof"
    verbose_name = "Proof of delivery"

    def ready(self) -> None:
        from ocpi_hub.exchange.housekeeping import sweeper, upkeep
        from ocpi_hub.proof import gaps, runs

        sweeper.every_round(runs.work)
        sweeper.every_round(gaps.close_filled)
        upkeep.every("forget old reconciliations", timedelta(hours=1), runs.forget)
