"""What a kind of failure is; the catalogue of them is in kinds.py."""

from enum import StrEnum
from typing import NamedTuple


class Who(StrEnum):
    """Who must act; the value ends the sentence "To act: …"."""

    HUB = "the operator of the hub"
    PARTNER = "the partner"
    BOTH = "the partner and the operator of the hub"
    NOBODY = "nobody, unless it goes on"


class Kind(NamedTuple):
    name: str  # area.what, as it stands in the database: never renamed
    title: str  # what happened, in a few words
    meaning: str  # what that means for the parties
    who: Who
    action: str  # what the operator of the hub does about it
    to_partner: str = ""  # what the partner is asked to do, in words to the partner; only where it must act
    text_is_theirs: bool = False  # its text holds nothing of others, so the partner may read it

    @property
    def concerns_partner(self) -> bool:
        return self.who in (Who.PARTNER, Who.BOTH)

    @property
    def is_of_the_hub(self) -> bool:
        """No partner takes part in it."""
        return self.name.startswith("hub.")
