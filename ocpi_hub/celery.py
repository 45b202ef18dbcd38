"""The Celery application: the courier that carries ids between web, worker and beat."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init, setup_logging, task_failure, worker_init
from django.conf import settings
from kombu.transport.redis import Channel

from ocpi_hub import metrics

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocpi_hub.settings")

# A worker that loses Redis would put back what it had fetched and not begun, and ends because nobody takes it.
# What is lost the sweep finds again.
Channel.do_restore = False

app = Celery("ocpi_hub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["ocpi_hub.exchange", "credentials", "hubclientinfo"])


# The former comes first and to workers alone; who listens to the latter keeps Celery from a form of its own.
@celeryd_init.connect
@setup_logging.connect
def use_our_logs(**kwargs: Any) -> None:
    """Celery's own lines, and Python's warnings, are like all others."""
    logging.config.dictConfig(settings.LOGGING)
    logging.captureWarnings(True)


@worker_init.connect
@beat_init.connect
def publish_metrics(**kwargs: Any) -> None:
    metrics.publish(settings.HUB_METRICS_FOLDER)


@task_failure.connect
def report(sender: Any = None, exception: Exception | None = None, **kwargs: Any) -> None:
    """A task that stopped on a fault of the hub, for the error reports; Celery has logged it."""
    from ocpi_hub.exchange import hubfailures

    if exception:
        hubfailures.stopped(getattr(sender, "name", "a task"), exception)
