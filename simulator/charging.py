"""Charging, in scaled time: a car is plugged in, takes energy step by step, is full or stopped, and leaves.

Its time runs faster than ours, and never ahead of it: a charge that somebody watches is dated back by as much as
it is going to take, and those of a simulated day are dated by the clock of that day.
"""

import secrets
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

from simulator import cars, ocpi
from simulator.cars import HOUR, Stay
from simulator.cdrs import cdr
from simulator.objects import CDRS, SESSIONS
from simulator.ocpi import Party
from simulator.places import FREE, Place
from simulator.sessions import session
from simulator.tariffs import FAST, NORMAL, costs, volume

if TYPE_CHECKING:
    from simulator.cpo import CPO
    from simulator.profiles import Profile

PERIODS = 6  # about so many charging periods in a charge
LONGEST = Decimal(24)  # hours
RECENT = 100  # charges that are remembered when they are over
PLUGGING = 0.3  # seconds from PENDING to ACTIVE
BILLING = 0.2  # seconds between two looks whether the Session's end has been told
WATT_HOUR = Decimal("0.001")


class Taken(Exception):
    """Somebody else is at this EVSE, or it does not work: the result of a command."""


@dataclass(eq=False)
class Charge:
    key: str  # of its Session
    place: Place
    session: dict[str, Any]
    tariffs: dict[str, dict[str, Any]]
    tariff_id: str
    stay: Stay
    step: Decimal  # hours
    speed: float
    start: datetime
    elapsed: Decimal = Decimal(0)  # hours
    delivered: Decimal = Decimal("0.000")  # kWh
    ticked: float = field(default_factory=monotonic)
    profile: "Profile | None" = None
    begun: bool = False
    over: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def full(self) -> bool:
        return self.delivered >= self.stay.kwh

    @property
    def kw(self) -> Decimal:
        """A fast charger slows down as the battery fills."""
        kw, limit = self.stay.kw, self.profile.kw(self.elapsed) if self.profile else None
        if limit is not None:
            kw = min(kw, limit)
        return kw * (1 - self.delivered / self.stay.kwh / 2) if kw > cars.FAST_FROM else kw

    def moment(self) -> str:
        return ocpi.format_time(self.start + timedelta(seconds=int(self.elapsed * 3600)))

    def pass_time(self, most: Decimal) -> dict[str, Any]:
        """The next charging period: so many hours, or fewer when the car is full before that."""
        began = self.moment()
        if self.full:
            dimensions = [{"type": "PARKING_TIME", "volume": most}]
        else:
            energy = min((self.kw * most).quantize(WATT_HOUR), self.stay.kwh - self.delivered)
            if energy + self.delivered >= self.stay.kwh and self.kw:
                most = min(most, cars.hours(energy / self.kw))
            self.delivered += energy
            dimensions = [{"type": "ENERGY", "volume": energy}, {"type": "TIME", "volume": most}]
        self.elapsed += most
        period = {"start_date_time": began, "dimensions": dimensions, "tariff_id": self.tariff_id}
        self.session["charging_periods"].append(period)
        return period


class Charging:
    """All charges of a CPO that are under way. `running` are those whose Session has not ended, by its key."""

    def __init__(self, platform: "CPO") -> None:
        self.platform = platform
        self.sessions = platform.owned[SESSIONS.name]
        self.running: dict[str, Charge] = {}
        self.recent: deque[Charge] = deque(maxlen=RECENT)
        self.started = self.completed = 0
        self.clock = Clock(platform.settings.speed)

    def start(
        self,
        place: Place,
        token: dict[str, Any],
        auth_method: str,
        reference: str | None,
        stay: Stay | None = None,
        pending: bool = False,
        session_id: str = "",
    ) -> Charge:
        """Plug in. The Session is ACTIVE at once, or PENDING first and ACTIVE in a moment."""
        self.occupy(place)
        stay = stay or self.clock.stay(self.platform, place)
        start = self.clock.now(stay.hours)
        tariffs = self.platform.tariffs(place.owner)
        tariff_id = tariff_of(place, tariffs)
        key = SESSIONS.key(place.owner, session_id := session_id or new_id())
        status, currency = "PENDING" if pending else "ACTIVE", tariffs[tariff_id]["currency"]
        begun = ocpi.format_time(start)
        document = session(session_id, place, token, auth_method, reference, currency, status, begun)
        step = cars.hours(stay.kwh / stay.kw / PERIODS)
        charge = Charge(
            key, place, document, tariffs, tariff_id, stay, step, self.clock.speed, start, begun=not pending
        )
        self.running[key] = charge
        self.recent.append(charge)
        self.started += 1
        self.platform.write(SESSIONS, ocpi.encode(document))
        self.platform.queues[SESSIONS.name].add((key,))
        if pending:
            self.platform.schedule.after(PLUGGING, lambda: self.activate(charge))
        else:
            self.next(charge, charge.step)
        return charge

    def occupy(self, place: Place, status: str = "CHARGING") -> None:
        places = self.platform.places
        with self.platform.own.lock:
            state = places.state(place)
            if state != FREE:
                raise Taken(state)
            places.taken.add(place.spot)
        self.platform.set_status(place.spot, status)

    def activate(self, charge: Charge) -> None:
        with charge.lock:
            if charge.over:
                return
            charge.begun, charge.ticked = True, monotonic()
            self.change(charge, status="ACTIVE", start_date_time=charge.moment())
        self.next(charge, charge.step)

    def next(self, charge: Charge, hours: Decimal) -> None:
        """Come again when so many hours of its time have passed."""
        self.platform.schedule.after(float(hours) * 3600 / charge.speed, lambda: self.tick(charge, hours))

    def tick(self, charge: Charge, hours: Decimal) -> None:
        with charge.lock:
            if charge.over:
                return
            waited = charge.full
            period, charge.ticked = charge.pass_time(hours), monotonic()
            if charge.elapsed >= LONGEST or waited or (charge.full and not charge.stay.idle):
                self.finish(charge, [period])
                return
            self.change(charge, [period])
        self.next(charge, charge.stay.idle if charge.full else charge.step)

    def stop(self, charge: Charge) -> None:
        """The driver leaves, or the eMSP says so: what has passed since the last period counts."""
        with charge.lock:
            if charge.over:
                return
            most = charge.stay.idle if charge.full else charge.step
            hours = Decimal((monotonic() - charge.ticked) * charge.speed / 3600).quantize(HOUR, ROUND_DOWN)
            hours = min(hours, most) if charge.begun else Decimal(0)
            if not charge.session["charging_periods"]:
                hours = max(hours, HOUR)  # a CDR has at least one
            self.finish(charge, [charge.pass_time(hours)] if hours else [])

    def finish(self, charge: Charge, periods: list[dict[str, Any]]) -> None:
        charge.over = True
        self.running.pop(charge.key, None)
        self.completed += 1
        self.change(charge, periods, status="COMPLETED", end_date_time=charge.moment())
        self.platform.places.taken.discard(charge.place.spot)
        self.platform.set_status(charge.place.spot, "AVAILABLE")
        self.bill(charge)

    def change(self, charge: Charge, periods: list[dict[str, Any]] | None = None, **fields: Any) -> None:
        """Tell the hub by PATCH what is new of a Session; its periods are appended there."""
        document = charge.session
        if periods:
            fields["kwh"] = volume(document["charging_periods"], "ENERGY")
            fields["total_cost"] = costs(charge.tariffs, document["charging_periods"])["total_cost"]
        fields["last_updated"] = ocpi.later(document["last_updated"], ocpi.now())
        document.update(fields)
        if charge.over:
            self.platform.write(SESSIONS, ocpi.encode(document))
        else:
            self.sessions.put(ocpi.encode(document))
        patch = {**fields, "charging_periods": periods} if periods else fields
        self.platform.queues[SESSIONS.name].add((charge.key,), "PATCH", ocpi.encode(patch))

    def bill(self, charge: Charge) -> None:
        """The CDR follows the Session's last change, however long the hub takes for that."""
        if self.platform.queues[SESSIONS.name].waiting((charge.key,)):
            self.platform.schedule.after(BILLING, lambda: self.bill(charge))
            return
        key = self.platform.write(CDRS, ocpi.encode(cdr(charge)))
        self.platform.queues[CDRS.name].add((key,))

    def find(self, session_id: str, owner: Party | None) -> Charge | None:
        """A charge that is under way."""
        known = self.sessions.find(session_id)
        charge = self.running.get(known.key) if known else None
        return charge if charge and owner in (None, charge.place.owner) else None


class Clock:
    """What time it is for those who charge, and how fast that goes."""

    def __init__(self, speed: float, at: datetime | None = None) -> None:
        self.speed, self.at, self.set = speed, at, monotonic()

    def now(self, duration: Decimal) -> datetime:
        """Whole seconds; without a day of its own so long ago that such a duration is over by now."""
        if self.at is None:
            moment = ocpi.now() - timedelta(seconds=int(duration * 3600))
        else:
            moment = self.at + timedelta(seconds=(monotonic() - self.set) * self.speed)
        return moment.replace(microsecond=0)

    def stay(self, platform: "CPO", place: Place) -> Stay:
        if self.at is None:
            return cars.short(min(place.kw, Decimal(22)) if place.kw < cars.FAST_FROM else place.kw)
        return cars.stay(platform.chance, self.now(Decimal(0)).hour, place.kw)


def new_id() -> str:
    return f"S{secrets.token_hex(8).upper()}"


def tariff_of(place: Place, tariffs: dict[str, dict[str, Any]]) -> str:
    """The first of the Connector's Tariffs that we have, or the one that suits its power."""
    named = [one for one in place.connector.get("tariff_ids") or () if one in tariffs]
    return str(named[0]) if named else FAST if place.kw >= cars.FAST_FROM else NORMAL
