"""The Celery application: the courier that carries ids between web, worker and beat."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocpi_hub.settings")

app = Celery("ocpi_hub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["ocpi_hub.exchange", "credentials", "hubclientinfo"])
