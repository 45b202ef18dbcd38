"""Where a car can charge: EVSEs of the CPO's own Locations, and which of them are taken."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from simulator.objects import Item, Objects
from simulator.ocpi import Party

Spot = tuple[str, str]  # key of a Location, uid of an EVSE in it
FREE, OCCUPIED, INOPERATIVE = "FREE", "EVSE_OCCUPIED", "EVSE_INOPERATIVE"
IN_USE = ("CHARGING", "RESERVED", "BLOCKED")
GUESSES = 200  # how many Locations are looked at for a free one
POWER = (Decimal(3), Decimal(400))  # kW, whatever a feed says
PHASES = {"AC_3_PHASE": 3, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2}


class Place(NamedTuple):
    item: Item
    location: dict[str, Any]
    evse: dict[str, Any]
    connector: dict[str, Any]

    @property
    def owner(self) -> Party:
        assert self.item.owner is not None
        return self.item.owner

    @property
    def spot(self) -> Spot:
        return self.item.key, self.evse["uid"].upper()

    @property
    def ids(self) -> tuple[str, str, str]:
        return self.location["id"], self.evse["uid"], self.connector["id"]

    @property
    def kw(self) -> Decimal:
        return power(self.connector)

    def __str__(self) -> str:
        return "/".join(self.ids)


class Places:
    """`taken` are the EVSEs at which somebody charges, or which somebody has reserved."""

    def __init__(self, locations: Objects, chance: random.Random) -> None:
        self.locations, self.chance = locations, chance
        self.taken: set[Spot] = set()

    def any(self) -> Place | None:
        """Some free one; None when a good part of all has been looked at in vain."""
        count = len(self.locations)
        for _ in range(min(GUESSES, 4 * count)):
            item = self.locations.at(self.chance.randrange(count))
            free = [place for place in places(item) if self.state(place) == FREE]
            if free:
                return self.chance.choice(free)
        return None

    def find(self, location: str, evse: str = "", connector: str = "", owner: Party | None = None) -> Place:
        """The place of these ids, of several a free one first; LookupError when we have none."""
        item = self.item(location, owner)
        found = [
            place
            for place in (places(item) if item else ())
            if matches(place.evse["uid"], evse) and matches(place.connector["id"], connector)
        ]
        if not found:
            raise LookupError("/".join(filter(None, (location, evse, connector))))
        return next((place for place in found if self.state(place) == FREE), found[0])

    def item(self, location: str, owner: Party | None) -> Item | None:
        if owner:
            return self.locations.get(self.locations.module.key(owner, location))
        return self.locations.find(location)

    def state(self, place: Place) -> str:
        status = place.evse["status"]
        if place.spot in self.taken or status in IN_USE:
            return OCCUPIED
        return FREE if status == "AVAILABLE" else INOPERATIVE

    def free(self, most: int) -> list[Place]:
        found: list[Place] = []
        for item in self.locations.items():
            if len(found) >= most:
                break
            found += [place for place in places(item) if self.state(place) == FREE][:1]
        return found


def matches(text: str, wanted: str) -> bool:
    return not wanted or text.upper() == wanted.upper()


def places(item: Item) -> Iterator[Place]:
    """What a car could charge at, and what a CDR could be written of."""
    document = item.document
    if not usable(document, item) or not described(document):
        return
    for evse in document["evses"]:
        if isinstance(evse, dict) and texts(evse, "uid", "status"):
            for connector in evse.get("connectors") or ():
                if isinstance(connector, dict) and texts(connector, "id", "standard", "format", "power_type"):
                    yield Place(item, document, evse, connector)


def usable(document: Any, item: Item) -> bool:
    """A Location that a hub can find by its owner and id as they stand."""
    if not isinstance(document, dict) or "#" in item.key:
        return False
    return texts(document, "country_code", "party_id", "id") and isinstance(document.get("evses"), list)


def described(document: dict[str, Any]) -> bool:
    coordinates = document.get("coordinates")
    return texts(document, "address", "city", "country") and (
        isinstance(coordinates, dict) and texts(coordinates, "latitude", "longitude")
    )


def texts(document: dict[str, Any], *names: str) -> bool:
    return all(isinstance(document.get(name), str) and document[name] for name in names)


def power(connector: dict[str, Any]) -> Decimal:
    """In kW."""
    watts = connector.get("max_electric_power")
    if not isinstance(watts, int) or watts <= 0:
        volts, amperes = connector.get("max_voltage"), connector.get("max_amperage")
        watts = volts * amperes if isinstance(volts, int) and isinstance(amperes, int) else 0
        watts *= PHASES.get(connector["power_type"], 1)
    return min(max(Decimal(watts) / 1000, POWER[0]), POWER[1])
