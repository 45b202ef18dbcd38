"""Every kind of failure that the hub reports: what happened, what it means, and who must do what about it.

The texts are read at night by somebody who did not write the hub, so they are whole sentences in plain words.
"""

from enum import StrEnum
from typing import NamedTuple


class Who(StrEnum):
    """Who must act; the value ends the sentence "To act: …"."""

    HUB = "the operator of the hub"
    PARTNER = "the partner"
    BOTH = "the partner and the operator of the hub"
    NOBODY = "nobody, unless it goes on"


class Kind(NamedTuple):
    name: str  # as it stands in the database: never renamed
    title: str  # what happened, in a few words
    meaning: str  # what that means for the parties
    who: Who
    action: str  # what the operator of the hub does about it
    to_partner: str = ""  # what the partner is asked to do, in words to the partner; only where it must act

    @property
    def concerns_partner(self) -> bool:
        return self.who in (Who.PARTNER, Who.BOTH)


_ALL = [
    Kind(
        "DELIVERY_REFUSED",
        "The partner refuses what the hub delivers",
        "The partner answered that it will not take the object, so trying again would not help. It goes on without"
        " this state of the object; the next change of it is sent again.",
        Who.PARTNER,
        "Show the partner its answer below. When it has mended its side, try the given-up deliveries again.",
        "Your system refused objects that the hub delivered to it. Please look at your answers, and tell us when"
        " your system takes these objects, so that we send them again.",
    ),
    Kind(
        "DELIVERY_FAILING",
        "Deliveries fail for now",
        "The partner answers with errors or not at all. Nothing is lost: the hub tries again by its schedule, and"
        " delivers the newest state.",
        Who.PARTNER,
        "When it goes on for more than an hour, ask the partner whether its system is down.",
        "Your system answers deliveries of the hub with errors, or not at all. Please look at your logs. The hub"
        " tries again by itself, and nothing is lost.",
    ),
    Kind(
        "UNKNOWN_TOKEN",
        "Somebody called with a token that is not known",
        "A request came with a credentials token that belongs to no partner. It was answered with 401, and nothing"
        " was changed.",
        Who.HUB,
        "When a partner says that it is locked out, have it start over. Else nothing has to be done.",
    ),
]

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}


def kind_of(name: str) -> Kind:
    """The kind of that name; one that the hub no longer reports, or never did, in words that say so."""
    return KINDS.get(name) or Kind(
        name,
        name.replace("_", " ").capitalize(),
        "This version of the hub does not know this kind of failure.",
        Who.HUB,
        "Resolve it when it was left by an earlier version; else tell the makers of the hub.",
    )
