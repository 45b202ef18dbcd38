from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions"
    label = "charging_sessions"  # django.contrib.sessions has the other one
    verbose_name = "Sessions"
