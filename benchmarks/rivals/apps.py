from django.apps import AppConfig


class Rivals(AppConfig):
    name = "benchmarks.rivals"
    label = "rivals"
