"""The Celery application: the courier that carries ids between web, worker and beat."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init
from django.conf import settings

from ocpi_hub import metrics

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocpi_hub.settings")

app = Celery("ocpi_hub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["ocpi_hub.exchange", "credentials", "hubclientinfo"])


@worker_init.connect
@beat_init.connect
def publish_metrics(**kwargs: Any) -> None:
    metrics.publish(settings.HUB_METRICS_FOLDER)
