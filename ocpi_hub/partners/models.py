"""Who we talk to: platforms, their parties, their endpoints, and the tokens between us (credentials.asciidoc)."""

from datetime import datetime, timedelta
from typing import Any, get_args

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Concat, Upper
from django.utils import timezone
from django.utils.functional import cached_property

from ocpi_hub.partners import secrets
from ocpi_hub.protocol.types import PartyRef, Role
from ocpi_hub.protocol.versions import CONFIGURATION_MODULES

LONGEST_ANSWER = 120  # seconds: less than what a pull may rest on one page (exchange/pulls/sync.py)
MOST_RELAYS = 48  # for one partner in one web process


class PlatformQuerySet(models.QuerySet["Platform"]):
    def registered(self) -> "PlatformQuerySet":
        return self.exclude(token_cipher="").filter(status__in=[Status.CONNECTED, Status.OFFLINE])

    def reachable_for_push(self, module: str) -> "PlatformQuerySet":
        """Platforms that take pushes of this module: registered, not pull only, with a Receiver endpoint."""
        return (
            self.registered()
            .filter(pull_only=False)
            .filter(endpoints__module=module, endpoints__role=Endpoint.Role.RECEIVER)
        )


class Status(models.TextChoices):
    """ConnectionStatus of the specification, kept per platform."""

    PLANNED = "PLANNED", "planned: invited, never connected yet"
    CONNECTED = "CONNECTED", "connected"
    OFFLINE = "OFFLINE", "offline: does not answer for now"
    SUSPENDED = "SUSPENDED", "suspended: no traffic either way"


class Platform(models.Model):
    """A system that is connected to the hub; it speaks for one or more parties."""

    Status = Status

    class Encoding(models.TextChoices):
        """How a partner writes tokens into its Authorization header (interpretations, P02)."""

        AUTO = "AUTO", "Base64 or raw, whichever fits"
        BASE64 = "BASE64", "Base64 only, as the specification says"
        RAW = "RAW", "raw only"

    class GapPolicy(models.TextChoices):
        """What happens when the nightly proof finds that a partner lacks something."""

        LIST = "LIST", "it is listed, and an operator decides"
        FILL = "FILL", "it is delivered once more, at once"

    name = models.CharField(max_length=100)
    status = models.CharField(max_length=10, choices=Status, default=Status.PLANNED)
    version = models.CharField(max_length=10, blank=True, help_text="the OCPI version this connection speaks")
    versions_url = models.CharField(max_length=255, blank=True)
    token_cipher = models.TextField(blank=True, editable=False)  # what we send to them, encrypted
    announced = models.CharField(
        max_length=64, blank=True, editable=False
    )  # what it last learnt of our endpoints
    base64_token = models.BooleanField(
        default=True, help_text="whether our token is sent in Base64; found out during registration"
    )
    inbound_encoding = models.CharField(
        max_length=6, choices=Encoding, default=Encoding.AUTO, help_text="how this partner may send its token"
    )
    seen_encoding = models.CharField(max_length=6, blank=True, help_text="how it sent it last")
    pull_only = models.BooleanField(
        default=False, help_text="nothing is pushed to it; it fetches its data itself"
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="inbound quota; empty: the hub's default"
    )
    deliveries_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="requests a minute that it takes from the hub for deliveries and pages of pulls together, deliveries"
        " first; relays are not counted; empty: as fast as it answers",
    )
    retry_schedule = ArrayField(
        models.PositiveIntegerField(),
        default=list,
        blank=True,
        help_text="seconds between attempts, comma separated; empty: the hub's default",
    )
    asked_about_unknown_tokens = models.BooleanField(
        default=False,
        help_text="it is asked to authorize tokens that no provider has told the hub about",
    )
    connect_timeout = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="seconds that a connection to it may take; empty: the hub's default",
    )
    total_timeout = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_ANSWER)],
        help_text="seconds that it has for a whole answer, connecting included; empty: the hub's default",
    )
    authorize_timeout = models.PositiveIntegerField(
        null=True, blank=True, help_text="seconds that it has to authorize a token; empty: the hub's default"
    )
    concurrent_relays = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_RELAYS)],
        help_text="requests of others that may wait for it at once in a web process; empty: the hub's default",
    )
    answered_for_offline = models.BooleanField(
        default=False,
        help_text="when it does not answer, the hub authorizes its ALLOWED_OFFLINE tokens from its list",
    )
    unknown_times_as_1970 = models.BooleanField(
        default=False, help_text="by agreement 1970 stands for a start or end that its CDRs do not know"
    )
    report_email = models.EmailField(
        blank=True, default="", help_text="where whoever operates it reads mail; nobody else is told of it"
    )
    reports_by_email = models.BooleanField(
        default=False, help_text="once a day it is sent what went wrong and its side has to mend"
    )
    gap_policy = models.CharField(
        max_length=4,
        choices=GapPolicy,
        default=GapPolicy.LIST,
        help_text="what happens with what the nightly proof finds missing at it",
    )
    last_heard_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when it last called, or answered"
    )
    missed_probes = models.PositiveIntegerField(
        default=0, editable=False, help_text="calls to its versions endpoint in a row that it did not answer"
    )
    next_probe_at = models.DateTimeField(null=True, blank=True, editable=False)
    probe_outcome = models.TextField(
        default="",
        blank=True,
        editable=False,
        help_text="what the last call to its versions endpoint came to",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    offline_since = models.DateTimeField(null=True, blank=True)

    objects = PlatformQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.name} (#{self.pk})"

    def clean(self) -> None:
        whole = self.seconds_to_answer
        if self.seconds_to_connect > whole:
            raise ValidationError({"connect_timeout": f"It has only {whole:g} seconds for a whole answer."})
        if self.reports_by_email and not self.report_email:
            raise ValidationError({"report_email": "Its reports need an address to go to."})

    @property
    def is_hub(self) -> bool:
        return self.party_with(["HUB"]) is not None

    @property
    def registered(self) -> bool:
        return bool(self.token_cipher)

    @property
    def token(self) -> str:
        """The token that we send to this partner. Never log it."""
        return secrets.decrypt(self.token_cipher)

    @property
    def schedule(self) -> list[int]:
        return self.retry_schedule or settings.HUB_RETRY_SCHEDULE

    @property
    def quota(self) -> int:
        if self.requests_per_minute is None:
            return int(settings.HUB_REQUESTS_PER_MINUTE)
        return self.requests_per_minute

    @property
    def seconds_to_connect(self) -> float:
        return float(self.connect_timeout or min(settings.HUB_CONNECT_TIMEOUT, self.seconds_to_answer))

    @property
    def seconds_to_answer(self) -> float:
        return float(self.total_timeout or settings.HUB_TOTAL_TIMEOUT)

    @property
    def relays(self) -> int:
        """How many requests of others may wait for it at once, in one web process."""
        return int(self.concurrent_relays or settings.HUB_CONCURRENT_RELAYS)

    def endpoint(self, module: str, role: str) -> str | None:
        row = self.endpoints.filter(module=module, role=role).first()
        return row.url if row else None

    @cached_property
    def speaks_for(self) -> "list[Party]":
        """Its own parties, read once for this instance."""
        return list(self.parties.own())

    def readers(self, asking: str) -> "list[Party]":
        """The parties that a request of this one, by its key, reads for: its own, or the one behind it that asks."""
        if not asking or any(party.key == asking for party in self.speaks_for):
            return self.speaks_for
        return list(self.parties.filter(key=asking, behind_hub=True))

    def party_with(self, roles: "list[str] | tuple[str, ...]") -> "Party | None":
        """Its own first party that has one of the roles."""
        return self.parties.own().filter(roles__overlap=list(roles)).first()


class IssuedTokenQuerySet(models.QuerySet["IssuedToken"]):
    def valid(self, now: datetime) -> "IssuedTokenQuerySet":
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now)).exclude(
            platform__status=Status.SUSPENDED
        )


class IssuedToken(models.Model):
    """A token that a partner presents to us: only its keyed hash is kept, so it can be shown once only."""

    class Kind(models.TextChoices):
        INVITATION = "A", "invitation (token A)"
        CREDENTIALS = "C", "credentials"

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="issued_tokens")
    kind = models.CharField(max_length=1, choices=Kind)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    key_id = models.CharField(
        max_length=8, editable=False, help_text="which of HUB_KEYS the digest is made with"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    first_used_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = IssuedTokenQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.platform}"

    @classmethod
    def issue(cls, platform: Platform, kind: str) -> str:
        """A new token for this partner; the text is returned here and nowhere else."""
        token = secrets.new_token()
        cls.objects.create(
            platform=platform, kind=kind, digest=secrets.digests(token)[0], key_id=secrets.key_id()
        )
        return token

    @classmethod
    def expire_others(cls, platform: Platform, keep: str, grace: timedelta) -> None:
        """Let the earlier credentials tokens of this partner work until the new one is used, or the grace ends."""
        others = cls.objects.filter(platform=platform).exclude(digest=secrets.digests(keep)[0])
        others.update(expires_at=timezone.now() + grace)


class Endpoint(models.Model):
    """A URL of a partner, learnt from its version details and never assumed."""

    class Role(models.TextChoices):
        SENDER = "SENDER"
        RECEIVER = "RECEIVER"

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="endpoints")
    module = models.CharField(max_length=100)
    role = models.CharField(max_length=8, choices=Role)
    url = models.CharField(max_length=255)
    since = models.DateTimeField(
        null=True,
        blank=True,
        default=timezone.now,
        editable=False,
        help_text="from when on what changes is pushed there; empty: since the platform is connected",
    )

    class Meta:
        ordering = ["platform", "module", "role"]
        constraints = [
            models.UniqueConstraint(fields=["platform", "module", "role"], name="one_url_per_interface")
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.role} of {self.platform}"


class PartyQuerySet(models.QuerySet["Party"]):
    def own(self) -> "PartyQuerySet":
        """Of their platforms, not those that a hub told of its clients."""
        return self.filter(behind_hub=False)

    def known(self) -> "PartyQuerySet":
        """Connected, or at least invited."""
        return self.exclude(roles=[], invited_roles=[])

    def reached_at(self, module: str, role: str) -> "PartyQuerySet":
        """With their platforms, and in `endpoint` the URL of the interface, None where they have no such."""
        found = Endpoint.objects.filter(platform=OuterRef("platform"), module=module, role=role)
        return self.select_related("platform").annotate(endpoint=Subquery(found.values("url")[:1]))


class Party(models.Model):
    """A business in the market, named by country code and party id, reached through one platform."""

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="parties")
    country_code = models.CharField(max_length=2)
    party_id = models.CharField(max_length=3)
    key = models.GeneratedField(
        expression=Concat(Upper("country_code"), Value("*"), Upper("party_id")),
        output_field=models.CharField(max_length=6),
        db_persist=True,
        unique=True,
    )
    roles = ArrayField(
        models.CharField(max_length=5), default=list, blank=True, help_text="what it announced itself as"
    )
    invited_roles = ArrayField(
        models.CharField(max_length=5),
        default=list,
        blank=True,
        help_text="what the operator agreed that it may announce",
    )
    business_details: Any = models.JSONField(default=dict, blank=True, help_text="by role, as announced")
    behind_hub = models.BooleanField(
        default=False, help_text="its platform is another hub, which told this one of it"
    )
    told: Any = models.JSONField(
        default=dict, blank=True, help_text="status by role, as the hub told that it is behind"
    )

    objects = PartyQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "parties"

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"

    def clean(self) -> None:
        wanted = {role.strip().upper() for role in self.invited_roles or []}
        if unknown := sorted(wanted.difference(get_args(Role))):
            expected = ", ".join(get_args(Role))
            raise ValidationError({"invited_roles": f"{', '.join(unknown)}: a role is one of {expected}"})
        self.invited_roles = sorted(wanted)

    @property
    def ref(self) -> PartyRef:
        return PartyRef(self.country_code, self.party_id)

    @property
    def status(self) -> str:
        """That of its platform; behind another hub that is there, what that one tells."""
        if not self.behind_hub or self.platform.status != Status.CONNECTED:
            return self.platform.status
        best = (Status.CONNECTED, Status.OFFLINE, Status.SUSPENDED)
        return next((status for status in best if status in self.told.values()), Status.PLANNED)


class AgreementQuerySet(models.QuerySet["Agreement"]):
    def between(self, first: str, second: str, module: str) -> "AgreementQuerySet":
        """What counts for two parties and a module: the agreement on the module before that on all."""
        pair = self.filter(first=min(first, second), second=max(first, second))
        return pair.filter(module__in=["", module]).order_by("-module")


class Agreement(models.Model):
    """That two parties exchange a module, or that they do not; without one HUB_AGREEMENTS decides (agreements.py).

    Parties are named by their keys: an agreement stands before a party connects, and after it left.
    """

    # The order of the two is that of their bytes, in Python as in every database.
    first = models.CharField(max_length=6, db_collation="C", help_text="the first of the two, such as DE*MSP")
    second = models.CharField(max_length=6, db_collation="C", help_text="the other, such as NL*ABC")
    module = models.CharField(max_length=20, blank=True, default="", help_text="empty: every module")
    allowed = models.BooleanField(help_text="whether they exchange it")
    note = models.CharField(max_length=200, blank=True, default="", help_text="why, for other operators")
    changed_at = models.DateTimeField(auto_now=True)

    objects = AgreementQuerySet.as_manager()

    class Meta:
        ordering = ["first", "second", "module"]
        constraints = [
            models.UniqueConstraint(
                fields=["first", "second", "module"], name="one_agreement_per_pair_and_module"
            ),
            models.CheckConstraint(condition=Q(first__lt=models.F("second")), name="agreement_in_order"),
        ]
        indexes = [models.Index(fields=["second"], name="agreement_second")]

    def __str__(self) -> str:
        return f"{self.first} and {self.second}, {self.about}: " + ("open" if self.allowed else "closed")

    @property
    def about(self) -> str:
        return self.module or "every module"

    def clean(self) -> None:
        """Two different partners, in either order, and a module that partners exchange with each other."""
        self.first, self.second = sorted((self.first.upper(), self.second.upper()))
        if self.first and self.first == self.second:
            raise ValidationError({"second": f"{self.first} needs no agreement with itself"})
        hub = PartyRef(settings.HUB_COUNTRY_CODE, settings.HUB_PARTY_ID).key
        if hub in (self.first, self.second):
            raise ValidationError(f"{hub} is this hub, and agreements are between two of its partners")
        if self.module and self.module not in self.modules():
            known = ", ".join(self.modules())
            raise ValidationError({"module": f"{self.module} is not exchanged by agreement; {known} are"})

    @staticmethod
    def modules() -> list[str]:
        """What can be agreed on: every functional module (transport_and_format.asciidoc, Message Routing)."""
        return [module for module in settings.OCPI_MODULES if module not in CONFIGURATION_MODULES]

    def unique_error_message(self, model_class: Any, unique_check: Any) -> ValidationError:
        return ValidationError(
            f"{self.first} and {self.second} have one on {self.about} already: change that"
        )
