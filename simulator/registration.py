"""The credentials handshake, from both ends (credentials.asciidoc)."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from simulator import ocpi
from simulator.hub import Client, Refused, Unreachable, expect
from simulator.ocpi import OCPIError, Party
from simulator.state import State

T = TypeVar("T")


class Version(msgspec.Struct):
    version: str
    url: str


class Details(msgspec.Struct):
    endpoints: list[dict[str, Any]]


class Registration:
    """Who may call us and how we call the hub, kept in the state file.

    In the state: `issued` is the token that the hub uses for us, `previous` the one before it until the
    hub has used the new one, `invitation` a token that opens versions and credentials only, and `hub` what
    we know of the hub.
    """

    def __init__(
        self,
        state: State,
        client: Client,
        url: str,
        roles: list[dict[str, Any]],
        needed: str,
        offer: Callable[[], list[str]] = list,
    ) -> None:
        self.state, self.client, self.url, self.roles, self.needed = state, client, url, roles, needed
        self.offer = offer  # what our version details say

    @property
    def registered(self) -> bool:
        return bool(self.state["hub"])

    @property
    def hub_party(self) -> Party | None:
        for role in (self.state["hub"] or {}).get("roles", ()):
            if role.get("role") == "HUB":
                return Party(role["country_code"].upper(), role["party_id"].upper())
        return None

    @property
    def token(self) -> str:
        return str(self.state["hub"]["token"])

    def endpoint(self, module: str, role: str) -> str | None:
        for row in (self.state["hub"] or {}).get("endpoints", ()):
            if row.get("identifier") == module and (module == "credentials" or row.get("role") == role):
                return str(row["url"])
        return None

    @property
    def offers(self) -> list[str]:
        """The modules and roles of the hub, such as `commands RECEIVER`."""
        rows = (self.state["hub"] or {}).get("endpoints", ())
        return sorted({f"{row.get('identifier')} {row.get('role')}" for row in rows})

    # -- we call the hub

    def register(self, versions_url: str, token: str) -> None:
        """Versions, details, then POST, all with token A (CRED-01 to CRED-03)."""
        endpoints = self.discover(versions_url, token)
        if not any(row.get("identifier") == self.needed for row in endpoints):
            raise OCPIError(3003, f"The hub offers no {self.needed} module")
        self._exchange("POST", url_of("credentials", endpoints), token, endpoints)

    def update(self) -> None:
        """New tokens for both sides, and our URL as it is now (CRED-15 to CRED-17, VER-09)."""
        hub = self.state["hub"]
        endpoints = self.discover(hub["versions_url"], hub["token"])
        self._exchange("PUT", url_of("credentials", endpoints), hub["token"], endpoints)

    def unregister(self) -> None:
        endpoint = self.endpoint("credentials", "")
        if endpoint:
            expect(self.client.call("DELETE", endpoint, self.token), "DELETE credentials")
        self.forget()

    def discover(self, versions_url: str, token: str) -> list[dict[str, Any]]:
        versions = self._get(versions_url, token, list[Version])
        for version in versions:
            if version.version == ocpi.VERSION:
                return self._get(version.url, token, Details).endpoints
        raise OCPIError(3002, f"{versions_url} offers no version {ocpi.VERSION}")

    def _get(self, url: str, token: str, shape: type[T]) -> T:
        data = expect(self.client.call("GET", url, token), f"GET {url}")
        try:
            return msgspec.json.decode(data, type=shape)
        except msgspec.DecodeError as error:
            raise OCPIError(3001, f"GET {url} answered something else: {error}") from error

    def _exchange(self, method: str, url: str, token: str, endpoints: list[dict[str, Any]]) -> None:
        """Send our credentials and keep what comes back. Our new token works before the hub sees it (P21)."""
        issued = self.state["issued"]
        ours = self._issue()
        try:
            answer = self.client.call(method, url, token, body=ocpi.encode(self.credentials(ours)))
            theirs = ocpi.decode(expect(answer, f"{method} credentials"))
        except (Refused, Unreachable):
            self.state["issued"], self.state["previous"] = issued, None
            self.state.save()
            raise
        self._keep(theirs, endpoints)

    # -- the hub calls us

    def invite(self) -> str:
        """The token A for a hub that starts the handshake itself."""
        if not self.state["invitation"]:
            self.state["invitation"] = ocpi.new_token()
            self.state.save()
        return str(self.state["invitation"])

    def caller(self, tokens: tuple[str, ...]) -> str | None:
        """Whether a presented token is the hub's, the one of an invitation, or nobody's."""
        if self.state["issued"] in tokens:
            if self.state["previous"] and self.registered:
                self.state["previous"] = None
            return "hub"
        if self.state["previous"] in tokens:
            return "hub"
        return "invited" if self.state["invitation"] in tokens else None

    def accept(self, posted: Any) -> dict[str, Any]:
        """What the hub sent by POST or PUT: call back, then answer with our own (CRED-04, CRED-06)."""
        if not isinstance(posted, dict) or not all(posted.get(name) for name in ("token", "url", "roles")):
            raise OCPIError(2001, "Credentials need $.token, $.url and $.roles")
        try:
            endpoints = self.discover(posted["url"], posted["token"])
        except (Refused, Unreachable) as error:
            raise OCPIError(3001, f"Calling back failed: {error}") from error
        ours = self._issue()
        self.state["invitation"] = None
        self._keep(posted, endpoints)
        return self.credentials(ours)

    def forget(self) -> None:
        for name in ("hub", "issued", "previous", "invitation"):
            self.state[name] = None
        self.state.save()

    def credentials(self, token: str) -> dict[str, Any]:
        return {"token": token, "url": self.url, "roles": self.roles}

    def _issue(self) -> str:
        self.state["previous"], self.state["issued"] = self.state["issued"], ocpi.new_token()
        self.state.save()
        return str(self.state["issued"])

    def _keep(self, theirs: dict[str, Any], endpoints: list[dict[str, Any]]) -> None:
        self.state["hub"] = {
            "token": theirs["token"],
            "versions_url": theirs["url"],
            "roles": theirs["roles"],
            "endpoints": endpoints,
            "our_url": self.url,
            "our_offer": self.offer(),
        }
        self.state.save()


def url_of(module: str, endpoints: list[dict[str, Any]]) -> str:
    for row in endpoints:
        if row.get("identifier") == module:
            return str(row["url"])
    raise OCPIError(3003, f"The hub offers no {module} module")
