"""What was given up, and what operators did about it (deliveries/deadletters.py)."""

from django.db import models
from django.db.models import Func, Q

from ocpi_hub.exchange.models.messages import Delivery
from ocpi_hub.partners.models import Platform


class DeadLetterQuerySet(models.QuerySet["DeadLetter"]):
    def unsettled(self) -> "DeadLetterQuerySet":
        return self.filter(state__in=DeadLetter.UNSETTLED)


class DeadLetter(models.Model):
    """A part of an object that was given up for one partner: why, what was sent last, and what came back.

    A part has one at a time. It is settled by whatever brings the part to the partner later (deadletters.py).
    """

    class State(models.TextChoices):
        OPEN = "OPEN", "given up: somebody must act"
        RETRYING = "RETRYING", "being tried again"
        SETTLED = "SETTLED", "settled"
        DISCARDED = "DISCARDED", "discarded"

    UNSETTLED = (State.OPEN, State.RETRYING)

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="dead_letters")
    platform = models.ForeignKey(Platform, models.CASCADE, related_name="dead_letters")
    module = models.CharField(max_length=20)
    key = models.TextField()
    parent_key = models.TextField()
    path = models.TextField()
    to_party = models.CharField(max_length=6)
    cause = models.CharField(max_length=40, help_text="in few words, the same for all of a kind")
    reason = models.TextField(help_text="what the last attempt said")
    method = models.CharField(max_length=6, default="", blank=True, help_text="of the last request")
    url = models.TextField(default="", blank=True)
    request = models.TextField(
        default="", blank=True, help_text="the last request's body; drivers' tokens are masked"
    )
    http_status = models.IntegerField(null=True)
    status_code = models.IntegerField(null=True)
    answer = models.TextField(
        default="", blank=True, help_text="the last answer's body; drivers' tokens are masked"
    )
    tries = models.PositiveIntegerField(help_text="attempts until it was given up the last time")
    times = models.PositiveIntegerField(default=1, help_text="how often it was given up")
    given_up_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    closing = models.TextField(default="", blank=True, help_text="how it came to its end")
    closed_at = models.DateTimeField(null=True)

    objects = DeadLetterQuerySet.as_manager()

    class Meta:
        ordering = ["-given_up_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "module", "key"],
                condition=Q(state__in=["OPEN", "RETRYING"]),
                name="one_dead_letter_per_part",
            )
        ]
        indexes = [
            models.Index(
                fields=["platform", "module", "parent_key"],
                condition=Q(state__in=["OPEN", "RETRYING"]),
                name="dead_letter_unsettled",
            ),
            models.Index(fields=["state", "platform", "cause"], name="dead_letter_group"),
        ]

    def __str__(self) -> str:
        return f"{self.module}/{self.path} to {self.to_party}"


class DeadLetterAction(models.Model):
    """What somebody did with dead letters, for whoever asks later; which they were is in its entries."""

    class What(models.TextChoices):
        RETRY = "RETRY", "tried again"
        DISCARD = "DISCARD", "discarded"
        GIVE_UP = "GIVE_UP", "given up while it waited"
        REOPEN = "REOPEN", "reopened"

    at = models.DateTimeField(db_default=Func(function="clock_timestamp"))
    by = models.CharField(max_length=150, help_text="the user's name")
    what = models.CharField(max_length=7, choices=What)
    chosen = models.TextField(help_text="which letters were meant, in words")
    note = models.TextField(default="", blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["at"], name="dead_letter_action_age")]

    def __str__(self) -> str:
        return f"{self.get_what_display()} by {self.by} at {self.at:%Y-%m-%d %H:%M:%S}"


class DeadLetterEntry(models.Model):
    """One letter of an action; it outlives the letter, so it names it by number."""

    class Became(models.TextChoices):
        AGAIN = "AGAIN", "tried again"
        COVERED = "COVERED", "covered by a delivery that was waiting"
        DISCARDED = "DISCARDED", "discarded"
        GIVEN_UP = "GIVEN_UP", "given up while it waited"
        REOPENED = "REOPENED", "reopened after it was discarded"

    action = models.ForeignKey(DeadLetterAction, models.CASCADE, related_name="entries")
    letter_id = models.BigIntegerField()
    delivery_id = models.BigIntegerField()
    platform_id = models.BigIntegerField()
    to_party = models.CharField(max_length=6)
    module = models.CharField(max_length=20)
    cause = models.CharField(max_length=40)
    became = models.CharField(max_length=9, choices=Became)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "dead letter entries"
        indexes = [models.Index(fields=["letter_id"], name="dead_letter_entry_letter")]

    def __str__(self) -> str:
        return f"dead letter {self.letter_id}: {self.get_became_display()}"
