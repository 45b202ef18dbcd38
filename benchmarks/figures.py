"""What was measured: figures, the targets that they are held to, and runs of two sides in turn."""

import math
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from benchmarks.progress import say


class Figure(NamedTuple):
    """One line of the table."""

    name: str
    value: float
    unit: str
    against: str = ""  # what it is compared with, in words
    other: float | None = None  # the value of that, in the same unit
    ratio: float | None = None
    target: str = ""  # such as "at least 0.6"; empty: only reported
    met: bool | None = None  # None: only reported
    note: str = ""
    missed_by: str = ""  # in words, when the target is missed


class Target(NamedTuple):
    """A limit for a ratio or a value."""

    word: str
    limit: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.word} {amount(self.limit)}{f' {self.unit}' if self.unit else ''}"

    def met_by(self, reached: float) -> bool:
        if self.word == "at least":
            return reached >= self.limit
        return reached < self.limit if self.word == "under" else reached <= self.limit

    def missed_by(self, reached: float) -> str:
        """How far it is from the target; empty when it is met."""
        if self.met_by(reached):
            return ""
        if math.isinf(reached):
            return "any measure"
        distance = abs(reached - self.limit)
        share = f" ({distance / self.limit:.0%})" if self.limit else ""
        return f"{amount(distance)}{f' {self.unit}' if self.unit else ''}{share}"


def at_least(limit: float, unit: str = "") -> Target:
    return Target("at least", limit, unit)


def at_most(limit: float, unit: str = "") -> Target:
    return Target("at most", limit, unit)


def under(limit: float, unit: str = "") -> Target:
    return Target("under", limit, unit)


class SideBySide(NamedTuple):
    """Two sides measured in turn: their medians, and what lies between the pairs."""

    value: float
    other: float
    ratio: float  # the median of the ratios of the pairs, not the ratio of the medians
    low: float
    high: float
    rounds: int

    @property
    def spread(self) -> str:
        """For a note."""
        return f"ratio {amount(self.low)} to {amount(self.high)} in {self.rounds} rounds"


def side_by_side(
    measured: Callable[[], float],
    against: Callable[[], float],
    rounds: int,
    progress: Callable[[str], object] = say,
) -> SideBySide:
    """A B A B …: what else the machine does meets both sides alike."""
    pairs: list[tuple[float, float]] = []
    for number in range(1, rounds + 1):
        pairs.append((measured(), against()))
        progress(f"round {number} of {rounds}: {amount(pairs[-1][0])} against {amount(pairs[-1][1])}")
    ratios = [one / other for one, other in pairs]
    return SideBySide(
        median(one for one, _ in pairs),
        median(other for _, other in pairs),
        median(ratios),
        min(ratios),
        max(ratios),
        rounds,
    )


def compared(
    name: str, unit: str, against: str, sides: SideBySide, target: Target | None = None, note: str = ""
) -> Figure:
    """The line of two sides; the target is for their ratio."""
    note = "; ".join(filter(None, [sides.spread, note]))
    line = Figure(name, sides.value, unit, against, sides.other, sides.ratio, note=note)
    return line if target is None else held_to(line, target, sides.ratio)


def single(name: str, value: float, unit: str, target: Target | None = None, note: str = "") -> Figure:
    """The line of a value that stands alone; the target is for the value itself."""
    line = Figure(name, value, unit, note=note)
    return line if target is None else held_to(line, target, value)


def held_to(line: Figure, target: Target, reached: float) -> Figure:
    return line._replace(target=str(target), met=target.met_by(reached), missed_by=target.missed_by(reached))


def amount(value: float) -> str:
    """Three digits that count, and no more than are there: 1234, 56.7, 0.612."""
    if math.isinf(value):
        return "∞"
    if abs(value) >= 99.95 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
