from django.apps import AppConfig


class ChargingProfilesConfig(AppConfig):
    name = "chargingprofiles"
    verbose_name = "Charging profiles"
