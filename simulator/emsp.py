"""The simulated eMSP: owns Tokens, and receives Locations."""

from simulator import cards, ocpi
from simulator.objects import LOCATIONS, TOKENS
from simulator.platforms import Platform


class EMSP(Platform):
    role = "EMSP"
    owns = (TOKENS,)
    takes = (LOCATIONS,)

    def change(self) -> None:
        """A customer comes, or a card is blocked or released."""
        with self.own.lock:
            growing = len(self.own) < 2 * self.settings.count
            if not len(self.own) or (growing and self.chance.random() < 0.3):
                self.issue()
            else:
                self.turn()

    def issue(self) -> None:
        parties = self.settings.parties
        fields = cards.token(parties[len(self.own) % len(parties)], len(self.own), self.settings.seed)
        item = self.keep(ocpi.encode({**fields, "last_updated": ocpi.later(None, ocpi.now())}))
        self.pushes.add((item.key,), "PUT")
        self.note(item.key, "issued")

    def turn(self) -> None:
        item = self.own.at(self.chance.randrange(len(self.own)))
        document = item.document
        stamp = ocpi.later(document["last_updated"], ocpi.now())
        changes = {"valid": not document["valid"], "last_updated": stamp}
        self.keep(ocpi.encode({**document, **changes}))
        self.pushes.add((item.key,), "PATCH", ocpi.encode(changes))
        self.note(item.key, "valid" if changes["valid"] else "blocked")

    def note(self, key: str, what: str) -> None:
        self.changes += 1
        self.last_change = f"{key} {what}"
