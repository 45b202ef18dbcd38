from django.apps import AppConfig


class CDRsConfig(AppConfig):
    name = "cdrs"
    verbose_name = "CDRs"
