"""A reason why somebody has an object or has it not, in words that an operator can act on."""

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Model


class Reason(NamedTuple):
    """What it is about, in few words when it is in the way, in a sentence, and who does what about it."""

    about: str  # audience, role, agreement, status, interface, delivery, object, owner
    why: str  # for the first line of the answer; empty: it is not in the way
    text: str
    who: str = ""  # a party, or "you", the operator of the hub
    do: str = ""
    row: Model | None = None  # what the admin links to

    def __str__(self) -> str:
        return f"{self.text}. {self.who}: {self.do}" if self.do else self.text

    def as_json(self) -> dict[str, Any]:
        told = {"about": self.about, "text": self.text, "who": self.who or None, "do": self.do or None}
        return told | ({f"{self.row._meta.model_name}_id": self.row.pk} if self.row else {})


def minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"


def moment(at: datetime) -> str:
    """As JSON has it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
