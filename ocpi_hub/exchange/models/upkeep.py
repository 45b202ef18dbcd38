"""What the hub notes of its own work: what was done when, data that were erased, totals of lists."""

from django.db import models
from django.db.models import Func

from ocpi_hub.exchange.transactions import CurrentTransaction, TransactionID


class Upkeep(models.Model):
    """When something that the hub does for itself is due again (upkeep.py)."""

    name = models.CharField(max_length=60, primary_key=True)
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.due_at:%Y-%m-%d %H:%M:%S}"


class Erasure(models.Model):
    """That a driver's data were erased, by whom, and what went; not whose they were (ocpi_hub/erasure.py)."""

    at = models.DateTimeField(db_default=Func(function="now"))
    by = models.CharField(max_length=150, help_text="the user's name, or the command line's")
    mark = models.CharField(
        max_length=64, help_text="a keyed hash of the token: the same when it is erased again"
    )
    result = models.JSONField(help_text="rows of each kind, in plain words")
    waiting = models.PositiveIntegerField(help_text="rows that could not be erased yet: erase again")
    note = models.TextField(default="", blank=True, help_text="such as the number of the request")
    finished = models.BooleanField(
        default=True, db_default=True, help_text="if not, it was interrupted, or goes on: erase again"
    )
    names_cipher = models.TextField(
        default="",
        db_default="",
        blank=True,
        editable=False,
        help_text="while something is left: what the driver is named by, encrypted",
    )

    wanted = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="workers are to do it, and go on with it"
    )
    tables_done = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    under_way = models.TextField(
        default="", db_default="", blank=True, editable=False, help_text="what is being erased just now"
    )
    holder = models.CharField(max_length=32, default="", db_default="", blank=True, editable=False)
    held_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["mark"], name="erasure_mark")]

    def __str__(self) -> str:
        if self.wanted and not self.finished:
            return f"asked to be erased, which a worker does, at {self.at:%Y-%m-%d %H:%M:%S}"
        done = "erased" if self.finished else "begun to be erased, but not to the end,"
        return f"{done} at {self.at:%Y-%m-%d %H:%M:%S}"


class Tally(models.Model):
    """So many objects of one owner for one audience came, or went if negative; tally.py adds rows and sums them."""

    module = models.CharField(max_length=20)
    owner_key = models.CharField(max_length=6)
    audience = models.CharField(max_length=6, default="")
    variant = models.CharField(max_length=20, default="")
    count = models.BigIntegerField()
    inserted_in = TransactionID(
        db_default=CurrentTransaction(), editable=False
    )  # as of the objects themselves

    class Meta:
        indexes = [
            models.Index(fields=["module", "audience"], name="tally_sums"),
            models.Index(fields=["inserted_in"], name="tally_fresh"),
        ]

    def __str__(self) -> str:
        return f"{self.count:+} {self.module} of {self.owner_key} for {self.audience or 'every fitting role'}"
