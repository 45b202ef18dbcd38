"""A hub of one page between simulated platforms in this process: it relays what names a party, brings pushes to
the others, and rewrites response_urls. It keeps nothing; tests may let it lose or spoil what it relays."""

import json
from collections.abc import Callable
from email.message import Message
from typing import Any

import httpx

from simulator import ocpi
from simulator.ocpi import Party
from simulator.platforms import Platform
from simulator.server import Request
from tests.simulator.fake_hub import BASE, EVERY, TOKEN_A, URL, FakeHub, envelope, presented, role

HUB = Party("NL", "HUB")
ROLES = {"push": "receiver", "pull": "sender"}


class RelayHub(FakeHub):
    def __init__(self) -> None:
        super().__init__()
        self.modules = EVERY
        self.platforms: dict[Party, Platform] = {}
        self.urls: list[tuple[Platform, str]] = []  # whose response_url each of ours stands for
        self.spoil: Callable[[str, str, bytes], bytes | None] = lambda method, path, body: body

    def join(self, platform: Platform) -> None:
        self.tokens.add(TOKEN_A)
        platform.registration.register(URL, TOKEN_A)
        self.platforms |= dict.fromkeys(platform.settings.parties, platform)

    def credentials(self, request: httpx.Request) -> httpx.Response:
        self.posted.append(json.loads(request.content))
        token = f"issued-{len(self.posted)}"
        self.tokens.add(token)
        return envelope({"token": token, "url": URL, "roles": [role()]})

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix(BASE.removeprefix("https://hub.example"))
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "results":
            return self.result(int(rest), request)
        if kind not in ROLES or (kind == "pull" and request.method == "GET"):
            return super().handle(request)
        return self.relay(ROLES[kind], rest, request)

    def result(self, number: int, request: httpx.Request) -> httpx.Response:
        platform, url = self.urls[number]
        return self.ask(platform, "POST", url, request, request.content)

    def relay(self, role: str, path: str, request: httpx.Request) -> httpx.Response:
        query = f"?{request.url.query.decode()}" if request.url.query else ""
        body = self.spoil(request.method, path, request.content)
        if body is None:
            return envelope()
        asker, to = self.asker(request), named(request, "to")
        receivers = [self.platforms[to]] if to in self.platforms else self.others(asker)
        if path.startswith(("commands", "chargingprofiles")) and role == "receiver":
            body, query = self.rewrite(asker, body, query)
        answers = []
        for platform in receivers:
            target = f"/ocpi/2.2.1/{role}/{path.rstrip('/')}{query}"
            answers.append(self.ask(platform, request.method, target, request, body))
        return answers[0]

    def asker(self, request: httpx.Request) -> Platform:
        token = presented(request)
        return next(one for one in self.platforms.values() if one.registration.token == token)

    def others(self, asker: Platform) -> list[Platform]:
        return [one for one in self.platforms.values() if one is not asker]

    def rewrite(self, asker: Platform, body: bytes, query: str) -> tuple[bytes, str]:
        ours = f"{BASE}/results/{len(self.urls)}"
        if query:
            parameters = dict(httpx.QueryParams(query))
            self.urls.append((asker, parameters["response_url"]))
            return body, f"?{httpx.QueryParams({**parameters, 'response_url': ours})}"
        document = ocpi.decode(body)
        self.urls.append((asker, document["response_url"]))
        return ocpi.encode({**document, "response_url": ours}), ""

    def ask(
        self, platform: Platform, method: str, target: str, request: httpx.Request, body: bytes
    ) -> httpx.Response:
        message = Message()
        message["Authorization"] = ocpi.authorization(str(platform.state["issued"]))
        routing = ocpi.routing(named(request, "to") or HUB, named(request, "from"))
        for name, value in routing.items():
            if "-to-" not in name or named(request, "to") in self.platforms:
                message[name] = value
        answer = platform.handle(
            Request(method, target.removeprefix("https://sim.example"), message, body, "127.0.0.1")
        )
        headers: dict[str, Any] = dict(answer.headers)
        return httpx.Response(answer.status, content=answer.body, headers=headers)


def named(request: httpx.Request, direction: str) -> Party | None:
    country, party = (
        request.headers.get(f"OCPI-{direction}-{part}") for part in ("country-code", "party-id")
    )
    return Party(country, party) if country and party else None
