"""What came in and what went out (hops), and who looked at personal data in it."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func

from ocpi_hub.journal.kinds import Kind

LONGEST_BODY = 64_000  # bytes of a body that are kept; its size is told whole
LONGEST_LIST = 8_000  # of a page of a list, which repeats what was pushed
LONGEST_REFUSED = 8_000  # of what the hub refused, which a partner's software may repeat without end
LONGEST_HEADER = 1_000  # characters


class Hop(models.Model):
    """A request and its answer, as one of the two sides of the hub saw it.

    The table is partitioned by kind and day (partitions.py); nothing refers to it, and it refers to nothing.
    """

    class Direction(models.TextChoices):
        IN = "IN", "came in"
        OUT = "OUT", "went out"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=11, choices=Kind)
    at = models.DateTimeField(help_text="when the request began")
    direction = models.CharField(max_length=3, choices=Direction)
    platform_id = models.BigIntegerField(
        null=True, help_text="who called or was called; NULL: nobody we know"
    )
    from_party = models.CharField(max_length=6, help_text="as OCPI-from names it")
    to_party = models.CharField(max_length=6, help_text="as OCPI-to names it")
    module = models.CharField(max_length=20)
    interface = models.CharField(max_length=8, help_text="sender, receiver; empty: configuration modules")
    method = models.CharField(max_length=10)
    url = models.TextField(help_text="the path of what came in, the URL of what went out")
    remote = models.TextField(help_text="the caller's address")
    request_headers = models.JSONField()
    request_body = models.TextField()
    request_size = models.IntegerField(help_text="bytes; more than the body has where it is cut")
    http_status = models.IntegerField(null=True, help_text="NULL: there was no answer")
    status_code = models.IntegerField(null=True)
    answer_headers = models.JSONField()
    answer_body = models.TextField()
    answer_size = models.IntegerField()
    above_budget = models.BooleanField(
        default=False, help_text="bodies are not kept: their platform's were above HUB_JOURNAL_MB in a minute"
    )
    is_check = models.BooleanField(
        default=False, help_text="the hub asks by itself: whether a partner is there, or holds what it got"
    )
    failure = models.TextField(help_text="why there was no answer")
    milliseconds = models.IntegerField()
    request_id = models.CharField(max_length=255)
    correlation_id = models.CharField(max_length=255)
    delivery_id = models.BigIntegerField(null=True)
    refs = ArrayField(
        models.TextField(), help_text="names of what it is about, with their owners and without"
    )

    class Meta:
        managed = False
        db_table = "journal_hop"
        ordering = ["at", "id"]
        permissions = [("view_personal", "Can see personal data of drivers in message journeys")]

    def __str__(self) -> str:
        return f"{self.method} {self.module} {self.direction} at {self.at:%Y-%m-%d %H:%M:%S}"

    @property
    def request_is_cut(self) -> bool:
        return is_cut(self.request_body, self.request_size)

    @property
    def answer_is_cut(self) -> bool:
        return is_cut(self.answer_body, self.answer_size)


def is_cut(kept: str, size: int) -> bool:
    """Whether this is only the beginning of a body; short ones may differ from their size by what is masked."""
    return size > LONGEST_LIST and len(kept.encode()) < size


class Look(models.Model):
    """Somebody saw personal data of drivers in clear."""

    at = models.DateTimeField(db_default=Func(function="now"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    who = models.CharField(max_length=150, help_text="the user's name then, or the command line's")
    asked = models.TextField(help_text="what was searched for")
    correlation_ids = ArrayField(models.TextField(), help_text="the journeys that were shown")
    note = models.TextField(blank=True, help_text="what for")

    class Meta:
        ordering = ["-id"]
        verbose_name = "look at personal data"
        verbose_name_plural = "looks at personal data"

    def __str__(self) -> str:
        return f"{self.who} at {self.at:%Y-%m-%d %H:%M:%S}"
