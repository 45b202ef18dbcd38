"""The proof of delivery: runs, what they counted for each partner, module and day, and the gaps they found."""

from datetime import datetime

from django.db import models
from django.db.models import Func, Q

from ocpi_hub.partners.models import Platform


class Run(models.Model):
    """One reconciliation with one partner. It may be worked on by one process after the other."""

    class State(models.TextChoices):
        RUNNING = "RUNNING", "running"
        DONE = "DONE", "done"
        FAILED = "FAILED", "failed"

    class Stage(models.TextChoices):
        COMPARE = "COMPARE", "comparing what was accepted with what it acknowledged"
        ASK = "ASK", "asking it what it still holds"

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="reconciliation_runs")
    night = models.DateField(null=True, blank=True, help_text="of a nightly one; empty: asked for by hand")
    since = models.DateTimeField(help_text="what changed from then on is compared")
    until = models.DateTimeField(help_text="and before this")
    asks = models.BooleanField(default=True, help_text="whether the partner is asked what it holds")
    fills = models.BooleanField(default=False, help_text="whether gaps are filled at once")
    modules = models.JSONField(default=list, help_text="in this order")
    state = models.CharField(max_length=7, choices=State, default=State.RUNNING)
    module = models.CharField(max_length=20, default="", blank=True, help_text="which it works on")
    stage = models.CharField(max_length=7, choices=Stage, default=Stage.COMPARE)
    position = models.BigIntegerField(default=0, help_text="the row of the module up to which it has come")
    top = models.BigIntegerField(default=0, help_text="the last row of the module when it began with it")
    counts = models.JSONField(default=dict, help_text="by module, day and kind")
    notes = models.JSONField(
        default=dict, help_text="by module: why the partner was not asked, or not to the end"
    )
    compared = models.PositiveIntegerField(default=0, help_text="objects")
    asked = models.PositiveIntegerField(default=0, help_text="objects that the partner was asked for")
    gaps = models.PositiveIntegerField(default=0, help_text="that it found")
    pauses = models.PositiveIntegerField(default=0, help_text="times that it waited for the partner")
    failures = models.PositiveIntegerField(default=0, help_text="faults of the hub in a row")
    error = models.TextField(default="", blank=True)
    holder = models.CharField(max_length=64, default="", blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(db_default=Func(function="now"), help_text="when it goes on")
    started_at = models.DateTimeField(db_default=Func(function="now"))
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["platform", "night"], name="one_run_a_night"),
            models.UniqueConstraint(
                fields=["platform"], condition=Q(state="RUNNING"), name="one_run_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"reconciliation with {self.platform}"

    @property
    def at(self) -> datetime:
        """Of its findings; it may be about a day that is over."""
        return max(self.until, self.started_at)


class Reconciliation(models.Model):
    """What the last run counted for one partner, module and day; each object on the day of its newest state."""

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="reconciliations")
    module = models.CharField(max_length=20)
    day = models.DateField()
    accepted = models.PositiveIntegerField(default=0, help_text="objects that it should have by a push")
    acknowledged = models.PositiveIntegerField(default=0, help_text="of which it accepted the newest state")
    waiting = models.PositiveIntegerField(default=0, help_text="on their way")
    given_up = models.PositiveIntegerField(default=0, help_text="in the dead letters")
    never_sent = models.PositiveIntegerField(default=0, help_text="without any delivery")
    asked = models.PositiveIntegerField(default=0, help_text="acknowledged ones that it was asked for")
    held = models.PositiveIntegerField(default=0, help_text="that it still has, as they were sent")
    lost = models.PositiveIntegerField(default=0, help_text="that it no longer has")
    different = models.PositiveIntegerField(default=0, help_text="that it has with other content")
    unclear = models.PositiveIntegerField(default=0, help_text="whose answer told nothing")
    gaps = models.PositiveIntegerField(default=0, help_text="open when it was compared")
    note = models.TextField(default="", blank=True, help_text="why it was not asked, or not for all")
    compared_at = models.DateTimeField()

    class Meta:
        ordering = ["-day", "platform", "module"]
        constraints = [
            models.UniqueConstraint(fields=["platform", "module", "day"], name="one_reconciliation_per_day")
        ]

    def __str__(self) -> str:
        return f"{self.module} of {self.day} with {self.platform}"


class Gap(models.Model):
    """An object that a partner should have and, as far as the hub knows, has not."""

    class Kind(models.TextChoices):
        NEVER_SENT = "NEVER_SENT", "never sent"
        GIVEN_UP = "GIVEN_UP", "given up"
        LATE = "LATE", "waiting too long"
        LOST = "LOST", "acknowledged, but not held"
        DIFFERENT = "DIFFERENT", "held, but different"

    class State(models.TextChoices):
        OPEN = "OPEN", "open"
        FILLING = "FILLING", "being filled"
        FILLED = "FILLED", "filled"
        WAIVED = "WAIVED", "waived"
        OVER = "OVER", "no longer due"

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="gaps")
    module = models.CharField(max_length=20)
    row_id = models.BigIntegerField()
    path = models.TextField(help_text="the object, as in the Receiver's URL")
    variant = models.CharField(max_length=20, default="", blank=True)
    audience = models.CharField(max_length=6, default="", blank=True, help_text="empty: every fitting role")
    day = models.DateField(help_text="of the state that is missing")
    changed_at = models.DateTimeField(help_text="when the hub got the state that is missing")
    kind = models.CharField(max_length=10, choices=Kind)
    reason = models.TextField(default="", blank=True)
    state = models.CharField(max_length=7, choices=State, default=State.OPEN)
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="when a run found it last")
    delivery_id = models.BigIntegerField(null=True, blank=True, help_text="by which it is filled")
    fills = models.PositiveIntegerField(default=0, help_text="times that the same object was filled before")
    closed_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(default="", blank=True, help_text="why it was waived")

    class Meta:
        ordering = ["-found_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "module", "row_id"],
                condition=Q(state__in=["OPEN", "FILLING"]),
                name="one_open_gap_per_object",
            )
        ]
        indexes = [
            models.Index(fields=["platform", "module", "day"], name="gap_day"),
            models.Index(fields=["module", "row_id"], name="gap_object"),
            models.Index(fields=["delivery_id"], condition=Q(state="FILLING"), name="gap_filling"),
        ]

    def __str__(self) -> str:
        return f"{self.module}/{self.path}: {self.get_kind_display()}"

    @property
    def key(self) -> str:
        """The object's, as messages and deliveries have it."""
        return self.path.upper() + (f"?{self.variant}" if self.variant else "")

    @property
    def name(self) -> str:
        """As `manage.py explain` takes it."""
        return f"{self.module}/{self.path}" + (f"?type={self.variant}" if self.variant else "")


class Asking(models.Model):
    """Whether a partner may be asked what it holds of a module, and what is known of how it answers."""

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="askings")
    module = models.CharField(max_length=20)
    allowed = models.BooleanField(default=True, help_text="switch off: it is not asked what it holds")
    answered_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when it last gave an object that was asked for"
    )
    refused_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when it turned out that it cannot be asked"
    )
    reason = models.TextField(default="", blank=True, editable=False)
    again_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when that is tried again"
    )
    not_found = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="objects that it acknowledged, for each of which it answered 404: it has shown none yet",
    )

    class Meta:
        ordering = ["platform", "module"]
        verbose_name = "partner that is asked"
        verbose_name_plural = "partners that are asked"
        constraints = [models.UniqueConstraint(fields=["platform", "module"], name="one_asking_per_module")]

    def __str__(self) -> str:
        return f"{self.module} at {self.platform}"
