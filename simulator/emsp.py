"""The simulated eMSP: owns Tokens, authorizes them, starts charges from afar, and receives all that CPOs have."""

from typing import Any

from simulator import cards, ocpi
from simulator.authorize import TokensSender
from simulator.cdrs import CDRReceiver
from simulator.hub import Client
from simulator.interfaces import Receiver
from simulator.objects import CDRS, CLIENTS, LOCATIONS, SESSIONS, TARIFFS, TOKENS, Item, Objects
from simulator.orders import ProfileOrder, WhereOrder
from simulator.platforms import Platform, Settings
from simulator.remote import PROFILES, ProfilesSender, Remote, read
from simulator.state import State


class EMSP(Platform):
    role = "EMSP"
    owns = (TOKENS,)
    takes = (LOCATIONS, TARIFFS, SESSIONS, CDRS, CLIENTS)

    def __init__(self, settings: Settings, state: State, client: Client) -> None:
        super().__init__(settings, state, client)
        self.tokens = TokensSender(self.sender, settings.needs_location)
        self.remote = Remote(self)
        self.endpoints.offer("sender", TOKENS.name, self.tokens)
        self.endpoints.offer("sender", "commands", self.remote.commands)
        self.endpoints.offer("sender", PROFILES, ProfilesSender(self.remote))
        self.controls |= {
            ("POST", "command"): lambda request: self.remote.command(read(request, WhereOrder)),
            ("GET", "commands"): lambda _: self.remote.commands.shown(),
            ("POST", "profile"): lambda request: self.remote.profile(read(request, ProfileOrder)),
            ("GET", "profiles"): lambda _: self.profiles(),
        }

    def receiver_of(self, objects: Objects) -> Receiver:
        if objects.module is CDRS:
            return CDRReceiver(objects, self.url("receiver", CDRS.name), self.settings.strict_cdrs)
        return super().receiver_of(objects)

    def profiles(self) -> dict[str, Any]:
        return {"asked": self.remote.profiles.shown(), "active": self.remote.active.copy()}

    def shuffled(self) -> list[Item]:
        items = self.own.items()
        self.chance.shuffle(items)
        return items

    def more(self) -> dict[str, Any]:
        return {"authorizations": self.tokens.counts.copy(), "commands": self.remote.commands.counts()}

    # -- what happens

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
