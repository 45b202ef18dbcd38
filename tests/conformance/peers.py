"""A platform that is not registered yet: scripted for the credentials handshake, in either direction."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from credentials import handshake
from ocpi_hub.partners.claims import Claim
from ocpi_hub.protocol.headers import authorization, token_candidates
from tests.conformance.calls import enveloped, send
from tests.partners import Answered, Call, Network
from tests.partners import enveloped as answer

Answer = Callable[[httpx.Request], httpx.Response | None]


@dataclass
class Peer:
    """Its own versions, details and credentials endpoints; `answers` are tried before them."""

    network: Network
    host: str = "new.example"
    parties: tuple[str, ...] = ("NL-NEW-CPO",)
    token: str = "the-hub's-token.1"  # what the hub is to send: token B here, or token C when the hub starts
    raw: bool = False  # knows its token only as it stands, not in Base64
    modules: tuple[str, ...] = ("locations", "tokens")
    versions: tuple[str, ...] = ("2.2.1",)
    credentials_role: str | None = "SENDER"
    calls: list[Call] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    hub_token: str = ""  # the token it calls the hub with
    invited: str = ""  # the token A it gave the hub

    def __post_init__(self) -> None:
        self.network.hosts[self.host] = self.answer

    def url(self, path: str) -> str:
        return f"https://{self.host}/{path}"

    # -------------------------------------------------------------------------------- calling the hub
    def invitation(self, *parties: str) -> str:
        """Token A of the hub's operator, who expects these parties, or those that we shall announce."""
        claims = [Claim.parse(text) for text in parties or self.parties]
        platform, self.hub_token = handshake.invite(self.host, claims)
        self.platform_id = platform.pk
        return self.hub_token

    def credentials(self, **changes: Any) -> dict[str, Any]:
        roles = [
            {
                "role": role,
                "country_code": country_code,
                "party_id": party_id,
                "business_details": {"name": f"{party_id} of {self.host}"},
            }
            for country_code, party_id, role in (text.split("-") for text in self.parties)
        ]
        return {"token": self.token, "url": self.url("versions"), "roles": roles, **changes}

    def call(
        self, method: str, path: str = "2.2.1/credentials", body: Any = None, token: str = ""
    ) -> Answered:
        content = b"" if body is None else json.dumps(body).encode()
        return enveloped(send(method, f"/ocpi/{path}", content, token=token or self.hub_token))

    def post(self, **changes: Any) -> Answered:
        return self.keep(self.call("POST", body=self.credentials(**changes)))

    def put(self, **changes: Any) -> Answered:
        return self.keep(self.call("PUT", body=self.credentials(**changes)))

    def keep(self, answered: Answered) -> Answered:
        """Use the token that came back from now on."""
        if answered.status_code == 1000:
            self.hub_token = answered.data["token"]
        return answered

    # ------------------------------------------------------------------------- answering the hub's calls
    def answer(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        body = json.loads(content) if content else None
        self.calls.append(Call(request.method, str(request.url), request.headers, body))
        for scripted in self.answers:
            response = scripted(request)
            if response is not None:
                return response
        if not self.knows(request):
            return answer(status_code=2000, http_status=401)
        path = request.url.path.strip("/")
        if path == "versions":
            return answer([{"version": version, "url": self.url(version)} for version in self.versions])
        if path in self.versions:
            return answer(self.details(path))
        if path.endswith("/credentials"):
            return answer(self.credentials())
        return answer([] if "/sender/" in path else None)

    def knows(self, request: httpx.Request) -> bool:
        said = request.headers.get("Authorization", "")
        known = {self.token, self.invited} - {""}
        if self.raw:
            return said in {authorization(token, base64=False) for token in known}
        return bool(known.intersection(token_candidates(said)[:1]))

    def details(self, version: str) -> dict[str, Any]:
        role = {"role": self.credentials_role} if self.credentials_role else {}
        return {
            "version": version,
            "endpoints": [
                {"identifier": "credentials", **role, "url": self.url(f"{version}/credentials")},
                *(
                    {
                        "identifier": module,
                        "role": side,
                        "url": self.url(f"{version}/{side.lower()}/{module}"),
                    }
                    for module in self.modules
                    for side in ("SENDER", "RECEIVER")
                ),
            ],
        }

    def seen(self) -> list[tuple[str, str]]:
        """Method and path of the hub's calls, in order."""
        return [(call.method, call.path) for call in self.calls]

    def tokens_seen(self) -> set[str]:
        """What the hub's calls named themselves with, decoded unless we take tokens as they stand."""
        return {token_candidates(call.headers["Authorization"])[-1 if self.raw else 0] for call in self.calls}


def at(path: str, response: httpx.Response | Exception, method: str = "") -> Answer:
    """A scripted answer for one path."""

    def respond(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.strip("/") != path or (method and request.method != method):
            return None
        if isinstance(response, Exception):
            raise response
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    return respond
