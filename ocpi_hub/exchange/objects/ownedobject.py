"""The Client Owned Object of the specification, written once for every module (transport_and_format.asciidoc).

A module is a model with a few class attributes and the columns that we search on. The document column is what
the owner sent, as text; columns are copied from the checked Struct by store.py, the only writer of both.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

import msgspec
from django.apps import apps
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Concat, Upper

from ocpi_hub.exchange.objects.visibility import NOTHING, SETTLED, Visible, addressed_to, shared_with
from ocpi_hub.exchange.transactions import CurrentTransaction, TransactionID
from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.types import PartyRef


class Child(NamedTuple):
    """A list of parts inside an object that can be addressed by URL, such as the EVSEs of a Location."""

    field: str
    id_field: str
    wire: type[msgspec.Struct]


class Address(NamedTuple):
    """Where an object, or a part of it, is: the path of the Receiver interface."""

    owner: PartyRef
    object_id: str
    children: tuple[str, ...] = ()
    variant: str = ""  # what the key has besides the id: the type of a Token

    @property
    def segments(self) -> tuple[str, ...]:
        # A ClientInfo is named by its party alone.
        own = (self.object_id,) if self.object_id else ()
        return (self.owner.country_code, self.owner.party_id, *own, *self.children)

    @property
    def path(self) -> str:
        """The segments as they stand in a URL, each percent-encoded."""
        return "/".join(quote(segment, safe="") for segment in self.segments)

    @property
    def key(self) -> str:
        """Equal for the same part however its ids are spelled; a parent's key and a slash begins its children's."""
        return self.path.upper() + (f"?{self.variant}" if self.variant else "")

    @property
    def parent(self) -> "Address":
        """The whole object."""
        return self._replace(children=())


class OwnedObjectQuerySet(models.QuerySet["OwnedObject"]):
    def at(self, address: Address, audience: str | None = None) -> "OwnedObjectQuerySet":
        """The rows with this address: one, or of what is addressed one for each audience, the newest first.

        Without an audience it is the object that is for everybody, or whoever the object is for.
        """
        found = self.filter(owner_key=address.owner.key, key=address.object_id.upper())
        if audience is not None or not self.model.addressed:
            found = found.filter(audience=audience or "")
        variant = self.model.variant_field
        found = found.filter(**{variant: address.variant}) if variant else found
        return found.order_by("-changed_at", "-id")

    def present(self) -> "OwnedObjectQuerySet":
        return self.filter(deleted_at=None)

    def visible_to(self, platform: Platform, asking: str = "") -> "OwnedObjectQuerySet":
        return self.seen(self.model.visible_to(platform, asking))

    def seen(self, visible: Visible) -> "OwnedObjectQuerySet":
        return self.present().filter(visible.condition(self.model.variant_field).as_filter())

    def settled(self) -> "OwnedObjectQuerySet":
        """Without rows that an older transaction, still open, may yet slip in front of.

        A list is read in the order of `inserted_in, id`. A row of a transaction that is newer than the oldest
        open one waits, else a reader that follows a cursor would never see the older one's rows. The rows of
        our own transaction are shown.
        """
        return self.filter(SETTLED.as_filter())


class Vanished(models.TextChoices):
    """What becomes of an object that its owner's full list no longer has and that nobody deletes (P69)."""

    NOT = "", "no"
    UNKNOWN = "UNKNOWN", "nobody knows what is with it"
    REMOVED = "REMOVED", "it is gone"


class OwnedObject(models.Model):
    """An object that a party owns and pushes: the base of Location, Token, and so on."""

    module: ClassVar[str]
    wire: ClassVar[type[msgspec.Struct]]
    owner_role: ClassVar[str]  # the role of the party that may push it
    audience_roles: ClassVar[tuple[str, ...]]  # the roles of the parties that may see it
    id_field: ClassVar[str] = "id"
    variant_field: ClassVar[str] = ""
    variants: ClassVar[tuple[str, ...]] = ()  # the first is the default
    variant_in_query: ClassVar[bool] = True  # whether its URL names the variant
    children: ClassVar[tuple[Child, ...]] = ()
    # Lists that a PATCH adds to, each with what tells its items apart.
    appended: ClassVar[dict[str, Callable[[Any], str]]] = {}
    copied: ClassVar[tuple[str, ...]] = ()  # columns that hold the field of that name
    addressed: ClassVar[bool] = False  # each object is for one party, see audience_of()
    push_method: ClassVar[str] = "PUT"  # how the whole object is pushed
    asked_back: ClassVar[bool] = False  # whether a receiver can be asked whether it still has what it got
    receiver_url_field: ClassVar[str] = (
        ""  # the column of the URL at which the one receiver says that it has it
    )
    immutable: ClassVar[bool] = False  # never changes once it is there, and is kept until it is delivered
    deletable: ClassVar[bool] = False  # its owner may delete it
    final: ClassVar[tuple[str, str] | None] = None  # column and value of an object that changes no more
    routed: ClassVar[bool] = True  # a functional module, which has routing headers
    pulled: ClassVar[bool] = True  # partners' lists of it are read
    hearsay: ClassVar[bool] = False  # whoever lists it tells of others, and tells it to this hub alone
    pulled_back_to: ClassVar[timedelta | None] = None  # a full pull asks for what is at most so old
    kept_by: ClassVar[str] = ""  # the setting that says for how many days; empty: as long as its owner has it
    unknown: ClassVar[StatusCode] = StatusCode.INVALID_PARAMETERS  # with 404, when there is no such object
    repairs: ClassVar[tuple[tuple[str, str, Any, bool], ...]] = ()  # see repairs.py

    country_code = models.CharField(max_length=2)
    party_id = models.CharField(max_length=3)
    object_id = models.CharField(max_length=36)
    owner_key = models.GeneratedField(
        expression=Concat(Upper("country_code"), Value("*"), Upper("party_id")),
        output_field=models.CharField(max_length=6),
        db_persist=True,
    )
    key = models.GeneratedField(
        expression=Upper("object_id"), output_field=models.CharField(max_length=36), db_persist=True
    )
    audience = models.CharField(
        max_length=6, default="", blank=True
    )  # a party's key; empty: every fitting role
    source = models.ForeignKey(Platform, models.PROTECT, related_name="+", help_text="who delivered it last")
    last_updated = models.DateTimeField()
    document = models.TextField(help_text="the object as its owner sent it")
    received = models.TextField(  # noqa: DJ001  # NULL says that nothing was repaired
        null=True, blank=True, help_text="before repairs, when it came broken in a pull"
    )
    digest = models.CharField(max_length=64, default="", blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Func(function="now"), editable=False)
    changed_at = models.DateTimeField(db_default=Func(function="now"), editable=False)
    missing_since = models.DateTimeField(
        null=True, blank=True, help_text="since when a full pull of its owner no longer lists it"
    )
    missed_pulls = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="full pulls in a row that did not list it"
    )
    vanished = models.CharField(
        max_length=7,
        choices=Vanished,
        default=Vanished.NOT,
        db_default=Vanished.NOT,
        blank=True,
        editable=False,
        help_text="what the hub says of it in place of its owner",
    )
    owners_document = models.TextField(  # noqa: DJ001  # NULL says that the document is the owner's own
        null=True, blank=True, editable=False, help_text="its owner's last version, while the hub says that"
    )
    owners_update = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="last_updated of its owner's version, where the hub gave it a later one",
    )
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="when its owner deleted it")
    findings = ArrayField(
        models.TextField(),
        default=list,
        blank=True,
        help_text="what looks wrong in it; it is taken all the same",
    )
    inserted_in = TransactionID(db_default=CurrentTransaction(), editable=False)

    objects = OwnedObjectQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["inserted_in", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner_key", "key", "audience"], name="one_%(class)s_per_owner_and_id"
            )
        ]
        indexes = [
            models.Index(fields=["inserted_in", "id"], name="%(class)s_order"),
            models.Index(fields=["last_updated"], name="%(class)s_last_updated"),
            models.Index(fields=["key"], name="%(class)s_key"),
        ]

    def __str__(self) -> str:
        return f"{self.country_code}/{self.party_id}/{self.object_id}"

    @classmethod
    def is_for(cls, roles: set[str], variant: str = "") -> bool:
        """Whether a platform with these roles may see objects of this module (and variant) at all."""
        return cls.addressed or bool(roles.intersection(cls.audience_roles))

    @classmethod
    def visible_to(cls, platform: Platform, asking: str = "") -> Visible:
        """What a push would have sent to this platform, and never its own.

        A copy that came through to one receiver alone stays between the two (interpretations, P33); what is
        addressed, such as a Session, is shown to the party that it is for. Where the party that asks, by its
        key, has a role that may see the module, it is its agreements that count, else those of all that have.
        """
        parties = platform.readers(asking)
        own = frozenset(party.key for party in parties)
        roles = {role for party in parties for role in party.roles}
        if not cls.is_for(roles):
            return NOTHING
        variants = tuple(variant for variant in cls.variants if cls.is_for(roles, variant))
        terms = Terms.of(own) if cls.routed else Terms({}, default=True)
        if cls.addressed:
            shares = addressed_to(own, terms, cls.module)
        else:
            readers = [party.key for party in parties if cls.is_for(set(party.roles))]
            shares = (shared_with(own, [asking] if asking in readers else readers, terms, cls.module),)
        return Visible(shares, None if variants == cls.variants else variants)

    @classmethod
    def pushed_to(cls, platform: Platform) -> Visible:
        """All that this platform is to have by pushes: what it may read, and what is for one of its parties alone.

        As outbox.py sends it: a copy that came through to one party stays in no list, and is kept up to date there;
        what is for a party behind another hub goes to that hub.
        """
        seen = cls.visible_to(platform)
        if not cls.routed:
            return seen
        keys = frozenset(party.key for party in platform.parties.all())
        alone = addressed_to(keys, Terms.of(keys), cls.module)
        return Visible(alone) if cls.addressed else seen._replace(shares=(*seen.shares, *alone))

    @classmethod
    def withheld_from(cls, owner_key: str) -> set[int]:
        """The platforms that this owner's objects for everybody are not pushed to, besides those of closed pairs."""
        return set()

    @classmethod
    def days_kept(cls) -> int:
        """After how many days it goes; 0: never."""
        return int(getattr(settings, cls.kept_by)) if cls.kept_by else 0

    @classmethod
    def asked_back_to(cls) -> timedelta | None:
        """How far back a full pull asks: what was deleted for its age must not come back by it."""
        days = cls.days_kept()
        return cls.pulled_back_to or (timedelta(days=days) if days else None)

    @classmethod
    def erased(cls) -> Q:
        """Rows with a pseudonym in place of a driver: partners have them as they were, and need not have them anew."""
        return Q(pk__in=[])

    @classmethod
    def audience_of(cls, wire: Any) -> str:
        """The key of the party that an object is for; empty when it is for every fitting role."""
        return ""

    @classmethod
    def place_of(cls, wire: Any, lister: str) -> tuple[Address, str]:
        """Where an object belongs that stands in the list of this party, by its key, and its audience."""
        variant = getattr(wire, cls.variant_field) if cls.variant_field else ""
        owner = PartyRef(wire.country_code, wire.party_id)
        return Address(owner, getattr(wire, cls.id_field), (), variant), cls.audience_of(wire)

    @classmethod
    def named_audience(cls, document: bytes) -> str:
        """The same of an object that nobody has checked; empty when it cannot be told."""
        return ""

    @classmethod
    def incoming(cls, body: bytes, source: Platform) -> bytes:
        """The body as it is to be read, where the module understands more than the specification's form."""
        return body

    @classmethod
    def review(cls, wire: Any) -> list[str]:
        """What looks wrong in a checked object, in whole sentences; it is noted and refuses nothing."""
        return []

    @classmethod
    def review_many(cls, wires: list[Any]) -> list[list[str]]:
        """The same for several objects, for a module that looks up what the hub knows beside them."""
        return [cls.review(wire) for wire in wires]

    @classmethod
    def gone(cls, document: dict[str, Any], vanished: Vanished, moment: str) -> bool:
        """Change the document of an object that vanished from its owner's list, as of `moment`; False: it stays.

        What changes is what receivers are to read from it; the fields last_updated follow.
        """
        return False

    @classmethod
    def says_what_is_gone(cls) -> bool:
        return cls.gone.__func__ is not OwnedObject.gone.__func__  # type: ignore[attr-defined]  # of classmethods

    @classmethod
    def must_fit(cls, wire: Any) -> None:
        """Raise InvalidObject when what never changes cannot stand beside what the hub has; asked once, when new."""

    @classmethod
    def columns(cls, wire: Any) -> dict[str, Any]:
        """The values of the module's own columns, from the checked Struct."""
        return {name: getattr(wire, name) for name in cls.copied}

    @classmethod
    def project(cls, row_id: int, wire: Any, part: str | None) -> None:
        """Keep tables beside the document in step; `part` is the first child that changed, None for all.

        `wire` is the whole object, or that child. Runs in the transaction that stores the document.
        """

    @classmethod
    def project_many(cls, rows: list[tuple[int, Any]]) -> None:
        """The same for several whole objects, each with its row."""
        for row_id, wire in rows:
            cls.project(row_id, wire, None)

    @classmethod
    def is_one_row(cls) -> bool:
        """Whether a whole object is written with its row alone, without tables beside it."""
        own = (cls.project.__func__, cls.project_many.__func__)  # type: ignore[attr-defined]  # of classmethods
        return own == (OwnedObject.project.__func__, OwnedObject.project_many.__func__)  # type: ignore[attr-defined]

    @classmethod
    def variant_of(cls, text: str | None) -> str:
        """The variant that a request names, or the default. ValueError when there is no such."""
        if not cls.variant_field:
            return ""
        if text and text not in cls.variants:
            raise ValueError(f"type is one of {', '.join(cls.variants)}")
        return text or cls.variants[0]

    @property
    def own_address(self) -> Address:
        variant = getattr(self, self.variant_field) if self.variant_field else ""
        return Address(PartyRef(self.country_code, self.party_id), self.object_id, (), variant)


def owned_models() -> dict[str, type[OwnedObject]]:
    """Every Client Owned Object module that is switched on, by its name."""
    return _owned_models(tuple(settings.OCPI_MODULES))


@cache
def _owned_models(modules: tuple[str, ...]) -> dict[str, type[OwnedObject]]:
    found = {model.module: model for model in apps.get_models() if issubclass(model, OwnedObject)}
    return {module: found[module] for module in modules if module in found}
