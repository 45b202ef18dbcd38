"""The Django of the rivals: the hub's PostgreSQL server and as many connections, nothing that they do not use."""

import os

SECRET_KEY = "of rivals that keep no secret"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["rest_framework", "benchmarks.rivals.apps.Rivals"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.rivals.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("RIVALS_HOST", ""),
        "USER": "hub",
        "NAME": "rivals",
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 32, "timeout": 10}},
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
