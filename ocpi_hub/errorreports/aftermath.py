"""What became since of that which failed: whether somebody must still act, which the failures alone do not say.

Whoever knows it for some kinds puts a Teller into `tellers` when its app starts.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ocpi_hub.errorreports.models import ErrorReport


class Aftermath(NamedTuple):
    """How it stands with all that failed in the way of one report."""

    text: str  # whole sentences: how many of what, and what is left to do
    short: str  # the same in a few words, for a list; empty: not worth a word there
    counts: dict[str, int]  # the same for programs


# By the number of the report; it leaves out those of which it knows nothing.
Teller = Callable[[Sequence[ErrorReport]], dict[int, Aftermath]]

tellers: list[Teller] = []


def of_each(reports: Sequence[ErrorReport]) -> dict[int, Aftermath]:
    """For those of these reports of which anybody knows."""
    found: dict[int, Aftermath] = {}
    for teller in tellers:
        found |= teller(reports)
    return found


def of(report: ErrorReport) -> Aftermath | None:
    return of_each([report]).get(report.pk)
