"""What moves: messages, their deliveries and attempts, and pulls (docs/glossary.md).

Client Owned Objects themselves are in ownedobject.py.
"""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Func, Q

from ocpi_hub.exchange.objects.ownedobject import CurrentTransaction, TransactionID
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
        ]

    def __str__(self) -> str:
        return f"{self.module}/{self.path} to {self.to_party}"


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

    def __str__(self) -> str:
        return f"lane of {self.platform}"


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

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["mark"], name="erasure_mark")]

    def __str__(self) -> str:
        done = "erased" if self.finished else "begun to be erased, but not to the end,"
        return f"{done} at {self.at:%Y-%m-%d %H:%M:%S}"


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
