"""Lists of partners: when they are read, how far a reading has come, what is mended in them and what was refused."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from ocpi_hub.partners.models import Platform


class Pull(models.Model):
    """One run through a partner's Sender list, how far it has come, and where the next one starts (crawls.py)."""

    class State(models.TextChoices):
        RUNNING = "RUNNING", "running"
        WAITING = "WAITING", "waiting: the partner asked to be called later"
        DONE = "DONE", "done"
        FAILED = "FAILED", "failed"

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="pulls")
    module = models.CharField(max_length=20)
    party = models.CharField(max_length=6, help_text="whose objects were asked for")
    full = models.BooleanField()
    date_from = models.DateTimeField(null=True)
    state = models.CharField(max_length=7, choices=State, default=State.RUNNING)
    error = models.TextField(default="", blank=True)
    note = models.TextField(default="", blank=True, help_text="what the operator should know of it")
    started_at = models.DateTimeField()
    touched_at = models.DateTimeField(help_text="when its last page was stored")
    finished_at = models.DateTimeField(null=True)
    pages = models.PositiveIntegerField(default=0)
    received = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    stale = models.PositiveIntegerField(default=0, help_text="older than what the hub had")
    repaired = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    # What another worker needs to go on with it.
    holder = models.CharField(max_length=32, default="", blank=True, editable=False)
    next_url = models.TextField(default="", blank=True, help_text="the page that comes next")
    total = models.PositiveBigIntegerField(null=True, help_text="objects in the list, as its last page said")
    missing = models.PositiveIntegerField(
        default=0, help_text="objects of the hub that this full list no longer had"
    )
    resumed = models.PositiveSmallIntegerField(
        default=0, help_text="how often it went on after it was cut off"
    )
    resume_at = models.DateTimeField(null=True, help_text="when the partner asked to be called again")
    slowed = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="answers in a row that it was called too often, without a page in between",
    )
    owners = ArrayField(models.CharField(max_length=6), default=list, editable=False)
    refused_keys = ArrayField(models.TextField(), default=list, editable=False)
    for_others = models.JSONField(default=dict, editable=False)
    counted = models.BooleanField(default=False, help_text="whether it counts for objects that vanished")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "module", "party"],
                condition=Q(state="RUNNING"),
                name="one_pull_of_a_list",
            )
        ]
        indexes = [models.Index(fields=["platform", "module", "party", "-started_at"], name="pull_history")]

    def __str__(self) -> str:
        return f"{'full' if self.full else 'incremental'} pull of {self.module} from {self.party}"


class Listed(models.Model):
    """A row of a module that a full pull has met so far; it goes with the end of that pull."""

    pull = models.ForeignKey(Pull, models.CASCADE, related_name="listed", db_index=False)
    row_id = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pull", "row_id"], name="listed_once_in_a_pull")]

    def __str__(self) -> str:
        return f"row {self.row_id} in pull {self.pull_id}"


class PullPlan(models.Model):
    """When a partner's list of one module is read, and what becomes of what vanishes from it (pullplans.py)."""

    class Wanted(models.TextChoices):
        NOTHING = "", "nothing besides the schedule"
        CHANGES = "CHANGES", "what changed, now"
        ALL = "ALL", "everything, now"

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="pull_plans")
    module = models.CharField(max_length=20)
    enabled = models.BooleanField(
        "scheduled", default=True, help_text="off: it is read only when somebody asks for it"
    )
    interval = models.PositiveIntegerField(
        "seconds between incremental pulls",
        null=True,
        blank=True,
        validators=[MinValueValidator(10)],
        help_text="empty: only full pulls",
    )
    full_at = models.TimeField(
        "time of the daily full pull (UTC)",
        null=True,
        blank=True,
        help_text="empty: none, and what vanishes from the list is never noticed",
    )
    unknown_after = models.PositiveSmallIntegerField(
        "vanished: UNKNOWN after so many full pulls",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="empty: never. For what may not be deleted and has a status: the EVSEs of a Location",
    )
    removed_after = models.PositiveSmallIntegerField(
        "vanished: REMOVED after so many full pulls",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="empty: never",
    )
    believes_next = models.BooleanField(
        "believe the next full pull",
        default=False,
        help_text="once, even when it lists hardly anything of what was there",
    )
    next_pull_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_full_at = models.DateTimeField(null=True, blank=True, editable=False)
    wanted = models.CharField(
        max_length=7, choices=Wanted, default=Wanted.NOTHING, blank=True, editable=False
    )
    wanted_at = models.DateTimeField(null=True, editable=False)
    since = models.DateTimeField(null=True, editable=False, help_text="after an outage: when it began")
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="failed pulls in a row")
    not_before = models.DateTimeField(
        null=True, editable=False, help_text="after a failure: when it is tried again"
    )
    begun_at = models.DateTimeField(
        null=True, editable=False, help_text="when what goes on after a failure or a wait was begun"
    )
    holder = models.CharField(max_length=32, default="", blank=True, editable=False)
    held_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["platform", "module"]
        constraints = [models.UniqueConstraint(fields=["platform", "module"], name="one_plan_for_each_list")]

    def __str__(self) -> str:
        return f"pulls of {self.module} from {self.platform}"


class RepairRule(models.Model):
    """One row of a partner's repair table: what is mended in its pulled objects, and how often it was."""

    class Kind(models.TextChoices):
        TEXT = "TEXT", "number to text"
        NUMBER = "NUMBER", "text to number"
        TIME = "TIME", "other form of time to the specified one"
        VALUE = "VALUE", "unknown value to a known one"
        WRAP = "WRAP", "bare value to the object that holds it"
        UNWRAP = "UNWRAP", "list of one to the one"
        RENAME = "RENAME", "field under an older name"
        FILL = "FILL", "missing field filled in"
        OWNER = "OWNER", "missing owner filled in"

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="repair_rules")
    module = models.CharField(max_length=20)
    kind = models.CharField(max_length=6, choices=Kind)
    path = models.CharField(
        max_length=200, blank=True, help_text="such as evses[].status; empty: wherever it occurs"
    )
    argument = models.JSONField(null=True, blank=True)
    enabled = models.BooleanField(default=True)
    times = models.PositiveBigIntegerField(default=0, editable=False, help_text="how often it was applied")
    last_used_at = models.DateTimeField(null=True, editable=False)
    sample = models.TextField(
        default="", blank=True, editable=False, help_text="the last case, before and after"
    )

    class Meta:
        ordering = ["platform", "module", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "module", "kind", "path"], name="one_repair_per_place"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.path or 'anywhere'}"

    @property
    def name(self) -> str:
        """As `manage.py repairs` takes it, such as FILL:publish."""
        return f"{self.kind}:{self.path}"


class RefusedObject(models.Model):
    """An object that the hub could not take, and why; a pulled one is gone once it comes whole."""

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="refused_objects")
    module = models.CharField(max_length=20)
    object_key = models.CharField(max_length=200, help_text="its owner and id, as far as it names them")
    reason = models.TextField()
    document = models.TextField()
    times = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-last_seen_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "module", "object_key"], name="one_refusal_per_object"
            )
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.object_key}: {self.reason}"
