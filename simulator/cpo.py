"""The simulated CPO: owns Locations whose EVSEs change their status, and receives Tokens."""

from typing import Any

from simulator import documents, ocpi
from simulator.objects import LOCATIONS, TOKENS, Item
from simulator.platforms import Platform

NEXT = {  # what an EVSE may do next, the likely thing more often
    "AVAILABLE": ("CHARGING", "CHARGING", "CHARGING", "CHARGING", "BLOCKED", "OUTOFORDER"),
    "CHARGING": ("AVAILABLE", "AVAILABLE", "AVAILABLE", "BLOCKED"),
    "BLOCKED": ("AVAILABLE",),
    "OUTOFORDER": ("AVAILABLE", "INOPERATIVE"),
    "INOPERATIVE": ("AVAILABLE",),
    "UNKNOWN": ("AVAILABLE",),
}
GUESSES = 50  # how many Locations are looked at for one that is healthy enough


class CPO(Platform):
    role = "CPO"
    owns = (LOCATIONS,)
    takes = (TOKENS,)

    def change(self) -> None:
        """Some EVSE changes its status; mostly told by PATCH, now and then by a PUT of the EVSE."""
        with self.own.lock:
            self.turn(self.pick())

    def turn(self, picked: tuple[Item, dict[str, Any], dict[str, Any]] | None) -> None:
        if picked is None:
            self.tell("No Location is healthy enough for a status change")
            return
        item, document, evse = picked
        status = self.chance.choice(NEXT[evse["status"]])
        stamp = ocpi.later(document.get("last_updated"), ocpi.now())
        documents.merge([document, evse], {"status": status, "last_updated": stamp})
        self.keep(ocpi.encode(document))
        self.changes += 1
        self.last_change = f"{item.owner} {document['id']} {evse['uid']} {status}"
        if self.chance.random() < 0.1:
            self.pushes.add((item.key, evse["uid"]), "PUT")
        else:
            patch = ocpi.encode({"status": status, "last_updated": stamp})
            self.pushes.add((item.key, evse["uid"]), "PATCH", patch)

    def pick(self) -> tuple[Item, dict[str, Any], dict[str, Any]] | None:
        for _ in range(GUESSES if len(self.own) else 0):
            item = self.own.at(self.chance.randrange(len(self.own)))
            document = item.document
            evses = usable(document, item)
            if evses:
                return item, document, self.chance.choice(evses)
        return None


def usable(document: Any, item: Item) -> list[dict[str, Any]]:
    """The EVSEs whose status may change: those that a hub can find by owner, id and uid as they stand."""
    if not isinstance(document, dict) or not isinstance(document.get("id"), str) or "#" in item.key:
        return []
    if not all(isinstance(document.get(name), str) for name in ("country_code", "party_id")):
        return []
    evses = document.get("evses")
    return [
        evse
        for evse in (evses if isinstance(evses, list) else ())
        if isinstance(evse, dict) and isinstance(evse.get("uid"), str) and str(evse.get("status")) in NEXT
    ]
