"""Failures, grouped so that an operator sees what goes wrong and not how often (docs/glossary.md)."""

from typing import Any

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce

from ocpi_hub.errorreports.kinds import Kind, kind_of
from ocpi_hub.partners.models import Platform


class Failure(models.Model):
    """One failure as it was noted: what happened, and what was sent and came back, without what is private."""

    text = models.TextField(help_text="what happened, in plain words")
    party = models.CharField(max_length=6, default="", blank=True, help_text="the party that it is about")
    subject = models.TextField(default="", blank=True, help_text="the object that it is about")
    method = models.CharField(max_length=10, default="", blank=True)
    url = models.TextField(default="", blank=True)
    request = models.TextField(default="", blank=True, help_text="what was sent")
    http_status = models.IntegerField(null=True, blank=True)
    status_code = models.IntegerField(null=True, blank=True)
    answer = models.TextField(default="", blank=True, help_text="what came back")
    correlation_id = models.CharField(max_length=255, default="", blank=True)
    request_id = models.CharField(max_length=255, default="", blank=True)

    class Meta:
        abstract = True


class ErrorReportQuerySet(models.QuerySet["ErrorReport"]):
    def open(self) -> "ErrorReportQuerySet":
        return self.filter(state=ErrorReport.State.OPEN)

    def in_order(self) -> "ErrorReportQuerySet":
        """What waits for somebody above what somebody is at, and that above what is over; the newest first."""
        return self.order_by(ErrorReport.IN_ORDER, "-last_seen_at", "-id")


class ErrorReport(Failure):
    """All failures of one kind, of one partner and module; the columns of Failure hold the newest."""

    class State(models.TextChoices):
        OPEN = "OPEN", "open"
        ACKNOWLEDGED = "ACKNOWLEDGED", "acknowledged: somebody is at it"
        RESOLVED = "RESOLVED", "resolved"

    IN_ORDER = Case(
        When(state=State.OPEN, then=Value(0)),
        When(state=State.ACKNOWLEDGED, then=Value(1)),
        default=Value(2),
        output_field=models.IntegerField(),
    )

    # Without a constraint: a report may come when its partner is gone, and stays for a while after it.
    platform = models.ForeignKey(
        Platform,
        models.DO_NOTHING,
        related_name="error_reports",
        db_constraint=False,
        null=True,
        blank=True,
        help_text="empty: nobody that the hub knows",
    )
    # What groups: two rows that are NULL would not be the same to PostgreSQL.
    about = models.GeneratedField(
        expression=Coalesce(F("platform_id"), Value(0)),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    module = models.CharField(max_length=20, default="", blank=True)
    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    state_at = models.DateTimeField(help_text="since when it is in this state")
    count = models.PositiveBigIntegerField(default=0)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    reopened_at = models.DateTimeField(null=True, blank=True)
    reopened = models.PositiveIntegerField(
        default=0, help_text="how often it came back after it was resolved"
    )
    alert_due_at = models.DateTimeField(null=True, blank=True, help_text="when the webhook is told of it")
    alert_tries = models.PositiveIntegerField(default=0)

    # What became of what failed, in a few words, where a list has asked for all its rows at once (aftermath.py).
    since_then = ""

    objects = ErrorReportQuerySet.as_manager()

    class Meta:
        ordering = ["-last_seen_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["about", "module", "kind"], name="one_report_per_kind")
        ]
        indexes = [
            models.Index(fields=["state", "-last_seen_at"], name="report_state"),
            models.Index(
                fields=["alert_due_at"], condition=Q(alert_due_at__isnull=False), name="report_alerts"
            ),
        ]

    def __str__(self) -> str:
        return self.what.title

    @property
    def what(self) -> Kind:
        return kind_of(self.kind)


class Occurrence(Failure):
    """One failure of a report. Of many in a row some are kept, and of these the newest (grouping.py)."""

    report = models.ForeignKey(ErrorReport, models.CASCADE, related_name="occurrences")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["report", "-at", "-id"], name="occurrence_newest"),
            models.Index(fields=["at"], name="occurrence_age"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.text}"


class StateChange(models.Model):
    """Who put a report into which state, and why: what was done about it so far."""

    report = models.ForeignKey(ErrorReport, models.CASCADE, related_name="state_changes")
    at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=ErrorReport.State)
    by = models.CharField(max_length=150, default="", blank=True, help_text="empty: the hub itself")
    note = models.TextField(default="", blank=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.get_state_display()}"


class Digest(models.Model):
    """What one reader was told of the reports on one day, by mail; the next one tells what changed since."""

    day = models.DateField()
    platform = models.ForeignKey(
        Platform,
        models.CASCADE,
        related_name="digests",
        null=True,
        blank=True,
        help_text="empty: the operators",
    )
    about = models.GeneratedField(
        expression=Coalesce(F("platform_id"), Value(0)),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    due_at = models.DateTimeField(null=True, help_text="when it is sent, or tried again; empty: settled")
    tries = models.PositiveIntegerField(default=0)
    problem = models.TextField(default="", blank=True, help_text="why it could not be sent so far")
    settled_at = models.DateTimeField(null=True, help_text="when it was sent, or there was nothing to tell")
    recipients = models.TextField(default="", blank=True, help_text="empty: there was nothing to tell")
    subject = models.TextField(default="", blank=True)
    text = models.TextField(default="", blank=True)
    standing: Any = models.JSONField(default=dict, help_text="count, reopenings and state by report, as told")

    class Meta:
        ordering = ["-day", "id"]
        constraints = [models.UniqueConstraint(fields=["about", "day"], name="one_digest_a_day")]

    def __str__(self) -> str:
        return f"{self.day} to {self.platform or 'the operators'}"
