"""Cars that come to charge: when, how much they need, how fast they take it, and how long they stay after that."""

import random
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

FAST_FROM = 40  # kW, above which a charger is one for the road
ARRIVALS = (
    4,
    3,
    2,
    2,
    2,
    4,
    12,
    28,
    44,
    42,
    36,
    38,
    44,
    42,
    40,
    42,
    52,
    66,
    64,
    50,
    38,
    26,
    16,
    8,
)  # by hour
AC_CARS = ((Decimal("11.0"), 6), (Decimal("7.4"), 3), (Decimal("22.0"), 1))  # kW, and how often
HOUR = Decimal("0.01")  # 36 seconds: every time of a charge is a whole number of these


@dataclass(frozen=True, slots=True)
class Stay:
    """What one car needs: energy, at most at this power, and how long it is in the way when it is full."""

    kwh: Decimal
    kw: Decimal
    idle: Decimal = Decimal(0)  # hours

    @property
    def hours(self) -> Decimal:
        """How long it takes at most; a fast charge slows down at its end."""
        slower = Decimal("1.5") if self.kw > FAST_FROM else 1
        return hours(slower * self.kwh / self.kw) + self.idle


def hours(number: Decimal | float) -> Decimal:
    return max(Decimal(number).quantize(HOUR, ROUND_UP), HOUR)


def short(kw: Decimal, minutes: int = 60) -> Stay:
    """A car that is full after so many minutes, for those who watch."""
    return Stay((kw * minutes / 60).quantize(Decimal("0.001")), kw)


def stay(chance: random.Random, hour: int, kw: Decimal) -> Stay:
    """A car at a charger of this power at this hour of the day."""
    if kw >= FAST_FROM:
        need, power = within(chance.gauss(28, 10), 6, 62), Decimal(chance.randint(45, 150))
        idle = Decimal(chance.randint(3, 15)) / 100 if chance.random() < 0.3 else Decimal(0)
        return Stay(need, min(power, kw), idle)
    evening = hour >= 17 or hour < 5
    need = within(chance.gauss(20 if evening else 12, 7), 3, 45)
    power = chance.choices([one for one, _ in AC_CARS], [often for _, often in AC_CARS])[0]
    idle = hours(chance.uniform(0.2, 2.5 if evening else 1.2)) if chance.random() < 0.7 else Decimal(0)
    return Stay(need, min(power, kw), idle)


def within(number: float, least: float, most: float) -> Decimal:
    return Decimal(min(max(number, least), most)).quantize(Decimal("0.001"))
