from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "ocpi_hub.partners"
    label = "partners"
    verbose_name = "Partners"
