"""Messages and whom they are for: deliveries, their attempts and the lanes that they wait in (docs/glossary.md)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Q

from ocpi_hub.partners.models import Platform


class Message(models.Model):
    """An accepted change of one object, written in the transaction that stored it; outbox.py expands it."""

    created_at = models.DateTimeField(db_default=Func(function="now"))
    module = models.CharField(max_length=20)
    row_id = models.BigIntegerField(help_text="the object's row in its module")
    key = models.TextField(help_text="the part that changed, upper case")
    path = models.TextField(help_text="the part that changed, as in the Receiver's URL")
    parent_key = models.TextField(help_text="the whole object's key")
    variant = models.CharField(max_length=20, default="", blank=True)
    method = models.CharField(max_length=6)
    body = models.TextField(null=True, help_text="as it came in; NULL: the current state is what counts")  # noqa: DJ001
    audience = models.CharField(
        max_length=6, default="", blank=True, help_text="the party it is for; empty: every fitting role"
    )
    bulk = models.BooleanField(default=False, help_text="came by a pull; what is pushed to us goes first")
    from_party = models.CharField(
        max_length=6, default="", blank=True, help_text="whom it is from; empty: the hub"
    )
    source = models.ForeignKey(Platform, models.PROTECT, related_name="+")
    request_id = models.CharField(max_length=255)
    correlation_id = models.CharField(max_length=255)
    expanded_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], name="message_waiting", condition=Q(expanded_at=None)),
            models.Index(fields=["correlation_id"], name="message_correlation"),
            models.Index(fields=["parent_key", "id"], name="message_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.module}/{self.path}"


class Delivery(models.Model):
    """One part of one object that one platform is to have; it sends the state, not the history."""

    class State(models.TextChoices):
        PENDING = "PENDING", "waiting for its turn"
        SENDING = "SENDING", "being sent"
        DELIVERED = "DELIVERED", "delivered"
        ABSORBED = "ABSORBED", "covered by another delivery"
        FAILED = "FAILED", "given up"
        DISCARDED = "DISCARDED", "discarded by an operator"

    class Priority(models.IntegerChoices):
        RESULT = 0, "a result that somebody waits for"
        PUSH = 1, "a push"
        BULK = 2, "a pull; what is pushed to the hub goes first"

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="deliveries")
    message = models.ForeignKey(
        Message, models.PROTECT, related_name="deliveries", help_text="the newest it carries"
    )
    module = models.CharField(max_length=20)
    row_id = models.BigIntegerField()
    key = models.TextField()
    parent_key = models.TextField()
    path = models.TextField()
    variant = models.CharField(max_length=20, default="", blank=True)
    to_party = models.CharField(max_length=6)
    exact = models.BooleanField(
        default=True,
        help_text="the first try repeats the method and body that came in; later ones PUT the state",
    )
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.PUSH)
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    tries = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Func(function="now"), null=True)
    claimed_at = models.DateTimeField(null=True)
    reason = models.TextField(default="", blank=True, help_text="what the last attempt said")
    failed_as = ArrayField(
        models.CharField(max_length=40),
        null=True,
        help_text="the kinds of failure that were reported of it; NULL: none",
    )
    created_at = models.DateTimeField(db_default=Func(function="now"))
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "module", "key"],
                condition=Q(state="PENDING"),
                name="one_pending_delivery_per_part",
            )
        ]
        indexes = [
            models.Index(
                fields=["platform", "next_attempt_at"], condition=Q(state="PENDING"), name="delivery_due"
            ),
            models.Index(
                fields=["platform", "priority", "id"], condition=Q(state="PENDING"), name="delivery_queue"
            ),
            models.Index(
                fields=["platform", "module", "parent_key"],
                condition=Q(state__in=["PENDING", "SENDING"]),
                name="delivery_open_parts",
            ),
            models.Index(fields=["claimed_at"], condition=Q(state="SENDING"), name="delivery_sending"),
            # Without a condition it would be taken for what is open, which statistics of a quiet hour know nothing of.
            models.Index(
                fields=["finished_at"],
                condition=Q(state__in=["DELIVERED", "ABSORBED", "DISCARDED"]),
                name="delivery_finished",
            ),
            # For error reports, which ask what became of what failed.
            models.Index(
                fields=["platform", "module"], condition=Q(failed_as__isnull=False), name="delivery_failed_as"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module}/{self.path} to {self.to_party}"


class Attempt(models.Model):
    """One try of a delivery. The table is partitioned by day (partitions.py); nothing refers to it."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    delivery_id = models.BigIntegerField()
    platform_id = models.BigIntegerField()
    method = models.CharField(max_length=6)
    url = models.TextField()
    request_id = models.CharField(max_length=255)
    correlation_id = models.CharField(max_length=255)
    http_status = models.IntegerField(null=True)
    status_code = models.IntegerField(null=True)
    outcome = models.TextField(help_text="in plain words")
    milliseconds = models.IntegerField()

    class Meta:
        managed = False
        db_table = "exchange_attempt"
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.method} at {self.at:%Y-%m-%d %H:%M:%S}: {self.outcome}"


class Lane(models.Model):
    """The queue of one partner: who works on it, and whether its breaker is open."""

    platform = models.OneToOneField(Platform, models.CASCADE, primary_key=True)
    holder = models.CharField(max_length=64, default="", blank=True)
    held_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="temporary failures in a row")
    probe_at = models.DateTimeField(null=True, help_text="when the open breaker lets one delivery through")
    rest_until = models.DateTimeField(null=True, help_text="it asked for a pause, or its pace makes one")
    rest_reason = models.TextField(default="", blank=True)
    slowed = models.PositiveIntegerField(
        default=0, help_text="answers in a row that it gets too much, and not until when"
    )
    paid_until = models.DateTimeField(null=True, help_text="see deliveries a minute of its platform")
    page_paid_at = models.DateTimeField(
        null=True, help_text="when a page of a pull was last paid for by the same limit"
    )
    page_waits_until = models.DateTimeField(
        null=True, help_text="so long a request is left for a page whose turn has come"
    )

    def __str__(self) -> str:
        return f"lane of {self.platform}"
