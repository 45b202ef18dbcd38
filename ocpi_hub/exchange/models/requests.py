"""What is remembered of requests whose answer comes later, or whose reference comes back (relays/callbacks.py)."""

from django.db import models
from django.db.models import Func, Q

from ocpi_hub.partners.models import Platform


class Callback(models.Model):
    """A request whose result comes later: at a URL of the hub, from where it goes on to whoever asked."""

    MODULE = "callbacks"  # of the messages and deliveries that carry results

    module = models.CharField(max_length=20)
    kind = models.CharField(max_length=20, help_text="what was asked: a command, or the method")
    secret = models.CharField(
        max_length=43, unique=True, help_text="the end of the URL that the receiver got"
    )
    requester = models.ForeignKey(Platform, models.CASCADE, related_name="+")
    from_party = models.CharField(max_length=6, help_text="who asked")
    receiver = models.ForeignKey(Platform, models.CASCADE, related_name="+")
    to_party = models.CharField(max_length=6, help_text="who was asked")
    response_url = models.TextField(help_text="where whoever asked wants the result")
    correlation_id = models.CharField(max_length=255)
    request = models.TextField(default="", blank=True, help_text="body or query, as it came")
    created_at = models.DateTimeField(db_default=Func(function="now"))
    expires_at = models.DateTimeField()
    status_code = models.PositiveSmallIntegerField(null=True, help_text="what whoever asked was told")
    answered_at = models.DateTimeField(null=True, help_text="when there was a direct answer")
    reply = models.TextField(default="", blank=True, help_text="the direct answer's data, as it came")
    answer = models.CharField(max_length=20, default="", blank=True, help_text="the direct answer's result")
    timeout = models.PositiveIntegerField(null=True, help_text="seconds that the receiver announced")
    problem = models.TextField(
        default="", blank=True, help_text="why there is no direct answer, or none that can be read"
    )
    awaited_until = models.DateTimeField(
        null=True, help_text="when it is reported that the answer, or then the result, has not come"
    )
    result = models.CharField(max_length=20, default="", blank=True, help_text="the latest result")
    result_at = models.DateTimeField(null=True)
    results = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["correlation_id"], name="callback_correlation"),
            models.Index(fields=["expires_at"], name="callback_expiry"),
            models.Index(
                fields=["awaited_until"], name="callback_awaited", condition=Q(awaited_until__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.kind} from {self.from_party} to {self.to_party}"


class Grant(models.Model):
    """An authorization_reference that a provider gave: it comes back in the Session and the CDR."""

    token_owner = models.CharField(max_length=6)
    token_key = models.CharField(max_length=36, help_text="the token's uid, upper case")
    operator = models.CharField(max_length=6, help_text="the party that it was given to")
    reference = models.CharField(max_length=36)
    given_by = models.CharField(max_length=20, help_text="authorize, or a command")
    given_at = models.DateTimeField(db_default=Func(function="now"))

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["token_owner", "token_key", "operator"], name="grant_of_token"),
            models.Index(fields=["given_at"], name="grant_age"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} for {self.token_owner} {self.token_key}"


class Trace(models.Model):
    """What an app notes of one request for the operator; it is deleted with the messages of its time."""

    at = models.DateTimeField(db_default=Func(function="now"))
    correlation_id = models.CharField(max_length=255)

    class Meta:
        abstract = True
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["at"], name="%(class)s_age"),
            models.Index(fields=["correlation_id"], name="%(class)s_correlation"),
        ]
