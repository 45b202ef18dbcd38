"""The cast of the tests, seen from both sides.

A Partner is a platform that is registered with the hub: it calls the hub's endpoints through Django's test
client, and it answers the hub's calls behind httpx.MockTransport, without a socket.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from ocpi_hub.exchange.pulls import repairs
from ocpi_hub.partners import secrets
from ocpi_hub.partners.models import Endpoint, IssuedToken, Party, Platform, Status
from ocpi_hub.protocol.headers import authorization

TIMESTAMP = "2026-03-01T12:00:00Z"


def enveloped(
    data: Any = None, status_code: int = 1000, http_status: int = 200, **headers: str
) -> httpx.Response:
    body = {"status_code": status_code, "timestamp": TIMESTAMP}
    if data is not None:
        body["data"] = data
    return httpx.Response(http_status, json=body, headers=headers)


@dataclass
class Call:
    """A request of the hub, as the partner saw it."""

    method: str
    url: str
    headers: httpx.Headers
    body: Any

    @property
    def path(self) -> str:
        return httpx.URL(self.url).raw_path.decode()


@dataclass
class Partner:
    """A registered platform; `answers` are tried first, then its lists, then success."""

    platform: Platform
    token: str
    host: str
    client: Client = field(default_factory=Client)
    calls: list[Call] = field(default_factory=list)
    answers: list[Callable[[httpx.Request], httpx.Response | None]] = field(default_factory=list)
    lists: dict[str, list[Any]] = field(default_factory=dict)
    page_size: int = 50
    party: str = ""  # sent as OCPI-from, such as NL*ABC; empty: not sent

    # ----------------------------------------------------------------------------------- calling the hub
    def headers(self, **more: str) -> dict[str, str]:
        country_code, _, party_id = self.party.partition("*")
        named = {"OCPI-from-country-code": country_code, "OCPI-from-party-id": party_id} if self.party else {}
        return {"Authorization": authorization(self.token), **named, **more}

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> "Answered":
        """Call the hub; `path` is below /ocpi/2.2.1 unless it starts with /ocpi. Bytes are sent as they are."""
        url = path if path.startswith("/ocpi") else f"/ocpi/2.2.1/{path}"
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response = self.client.generic(
            method, url, content, "application/json", headers=self.headers(**headers), RAW_PATH=url
        )
        return Answered(response)

    def get(self, path: str, **headers: str) -> "Answered":
        return self.request("GET", path, **headers)

    def put(self, path: str, body: Any, **headers: str) -> "Answered":
        return self.request("PUT", path, body, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> "Answered":
        return self.request("POST", path, body, **headers)

    def delete(self, path: str, **headers: str) -> "Answered":
        return self.request("DELETE", path, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> "Answered":
        return self.request("PATCH", path, body, **headers)

    def crawl(self, path: str) -> list[Any]:
        """All objects of a list, following Link."""
        found: list[Any] = []
        while path:
            answered = self.get(path)
            found += answered.data
            path = answered.next_path
        return found

    # ------------------------------------------------------------------------------ answering the hub's calls
    def answer(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        self.calls.append(
            Call(request.method, str(request.url), request.headers, json.loads(content) if content else None)
        )
        for answer in self.answers:
            response = answer(request)
            if response is not None:
                return response
        module = request.url.path.removeprefix("/sender/")
        if request.method == "GET" and module in self.lists:
            return self.page(request, self.lists[module])
        return enveloped()

    def page(self, request: httpx.Request, objects: list[Any]) -> httpx.Response:
        query = dict(parse_qsl(request.url.query.decode()))
        offset = int(query.get("offset", 0))
        limit = min(self.page_size, int(query.get("limit", self.page_size)))
        headers = {"X-Total-Count": str(len(objects)), "X-Limit": str(limit)}
        if offset + limit < len(objects):
            following = urlencode(query | {"offset": offset + limit, "limit": limit})
            headers["Link"] = f'<{request.url.copy_with(query=following.encode())}>; rel="next"'
        return enveloped(objects[offset : offset + limit], **headers)

    def received(self, method: str | None = None) -> list[Call]:
        """What the hub pushed to us."""
        pushes = [call for call in self.calls if call.path.startswith("/receiver/")]
        return [call for call in pushes if method in (None, call.method)]


class Answered:
    """The hub's response, with its envelope read."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        self.http_status = response.status_code
        self.headers = response.headers
        self.body = response.content
        self.envelope: dict[str, Any] = json.loads(response.content)
        self.status_code = self.envelope["status_code"]
        self.message = self.envelope.get("status_message", "")
        self.data = self.envelope.get("data")

    @property
    def codes(self) -> tuple[int, int]:
        """HTTP status and OCPI status code."""
        return self.http_status, self.status_code

    @property
    def next_path(self) -> str:
        link = self.headers.get("Link", "")
        return "/ocpi" + link.partition("/ocpi")[2].partition(">")[0] if link else ""


class Network:
    """Takes the hub's calls to the partner they are for, by host name."""

    def __init__(self) -> None:
        self.hosts: dict[str, Callable[[httpx.Request], httpx.Response]] = {}
        self.transport = httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        host = self.hosts.get(request.url.host)
        if host is None:
            raise httpx.ConnectError("connection refused", request=request)
        return host(request)


def register(network: Network, name: str, *parties: str, modules: tuple[str, ...] | None = None) -> Partner:
    """A partner after its handshake; parties such as NL-ABC-CPO."""
    host = f"{name.lower()}.example"
    platform = Platform.objects.create(
        name=name,
        status=Status.CONNECTED,
        version="2.2.1",
        versions_url=f"https://{host}/versions",
        token_cipher=secrets.encrypt(f"token-of-{name.lower()}"),
    )
    for text in parties:
        country_code, party_id, role = text.split("-")
        party, _ = Party.objects.get_or_create(
            platform=platform, country_code=country_code, party_id=party_id
        )
        party.roles = [*party.roles, role]
        party.business_details = {role: {"name": name}}
        party.save()
    Endpoint.objects.bulk_create(
        Endpoint(
            platform=platform,
            module=module,
            role=role,
            url=f"https://{host}/{role.lower()}/{module}",
            since=None,
        )
        for module in modules or settings.OCPI_MODULES
        for role in Endpoint.Role.values
    )
    repairs.seed(platform)
    token = IssuedToken.issue(platform, IssuedToken.Kind.CREDENTIALS)
    partner = Partner(platform, token, host, party="*".join(parties[0].split("-")[:2]))
    network.hosts[host] = partner.answer
    return partner
