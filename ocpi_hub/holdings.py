"""What Django's own tables and those of its scheduler hold of drivers (erasure.py)."""

from ocpi_hub.erasure import Fate, Holding, harmless, holds
from ocpi_hub.mentions import Form

holds(
    Holding(
        "admin.LogEntry",
        "lines of the admin's history",
        Fate.REPLACED,
        "who did what stays; the object that it was done to may be named after the token",
        {"object_repr": Form.TEXT, "change_message": Form.TEXT},
    )
)
harmless("admin.LogEntry", "object_id")
harmless("auth.Permission", "name", "codename")
harmless("auth.Group", "name")
harmless("auth.User", "password", "username", "first_name", "last_name", "email")  # operators of the hub
harmless("contenttypes.ContentType", "app_label", "model")
harmless("sessions.Session", "session_key", "session_data")
harmless(
    "django_celery_beat.CrontabSchedule", "minute", "hour", "day_of_month", "month_of_year", "day_of_week"
)
harmless(
    "django_celery_beat.PeriodicTask",
    *("name", "task", "args", "kwargs", "queue", "exchange", "routing_key", "headers", "description"),
)
