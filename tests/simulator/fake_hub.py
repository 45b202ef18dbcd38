"""A hub of a few lines behind httpx.MockTransport: it registers the platform and answers as it is told."""

import base64
import json
from typing import Any

import httpx

URL = "https://hub.example/ocpi/versions"
BASE = "https://hub.example/any/2.2.1"
EVERY = (
    "locations",
    "tariffs",
    "sessions",
    "cdrs",
    "tokens",
    "commands",
    "chargingprofiles",
    "hubclientinfo",
)
TOKEN_A, TOKEN_C = "invited-A", "issued-C"


class FakeHub:
    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.tokens = {TOKEN_A}
        self.posted: list[dict[str, Any]] = []
        self.versions = [{"version": "2.1.1", "url": f"{BASE}/old"}, {"version": "2.2.1", "url": BASE}]
        self.modules = ("locations", "tokens")
        self.objects: list[dict[str, Any]] = []
        self.page_size = 2
        self.pushes: list[tuple[str, str, Any]] = []
        self.push_answers: list[httpx.Response] = []  # used up in order, then 1000
        self.asked: list[tuple[str, str, Any]] = []  # what is no list, below Sender interfaces and elsewhere
        self.answers: list[httpx.Response] = []  # to that, used up in order, then 1000
        self.credentials_answer: httpx.Response | None = None

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if presented(request) not in self.tokens:
            return envelope(code=2000, status=401)
        path = request.url.path
        if str(request.url) == URL:
            return envelope(self.versions)
        if str(request.url) == BASE:
            return envelope({"version": "2.2.1", "endpoints": self.endpoints()})
        if path.endswith("/credentials"):
            return self.credentials(request)
        if "/pull/" in path and request.method == "GET":
            return self.list(request)
        if "/push/" not in path:
            body = json.loads(request.content) if request.content else None
            self.asked.append((request.method, path.partition("/2.2.1/")[2], body))
            return self.answers.pop(0) if self.answers else envelope()
        self.pushes.append((request.method, path.partition("/push/")[2], request.content.decode()))
        return self.push_answers.pop(0) if self.push_answers else envelope()

    def endpoints(self) -> list[dict[str, str]]:
        rows = [{"identifier": "credentials", "role": "RECEIVER", "url": f"{BASE}/credentials"}]
        for module in self.modules:
            rows.append({"identifier": module, "role": "SENDER", "url": f"{BASE}/pull/{module}"})
            rows.append({"identifier": module, "role": "RECEIVER", "url": f"{BASE}/push/{module}/"})
        return rows

    def credentials(self, request: httpx.Request) -> httpx.Response:
        if self.credentials_answer:
            return self.credentials_answer
        if request.method == "DELETE":
            self.tokens = set()
            return envelope()
        self.posted.append(json.loads(request.content))
        token = f"{TOKEN_C}{len(self.posted)}"
        self.tokens = {token}
        return envelope({"token": token, "url": URL, "roles": [role()]})

    def list(self, request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params.get("offset", 0))
        limit = min(int(request.url.params.get("limit", self.page_size)), self.page_size)
        answer = envelope(self.objects[offset : offset + limit])
        answer.headers["X-Total-Count"] = str(len(self.objects))
        if offset + limit < len(self.objects):
            following = request.url.copy_set_param("offset", offset + limit)
            answer.headers["Link"] = f'<{following}>; rel="next"'
        return answer


def role() -> dict[str, Any]:
    return {"role": "HUB", "country_code": "NL", "party_id": "HUB", "business_details": {"name": "Hub"}}


def presented(request: httpx.Request) -> str:
    return base64.b64decode(request.headers["Authorization"].removeprefix("Token ")).decode()


def envelope(data: Any = None, code: int = 1000, status: int = 200, **headers: str) -> httpx.Response:
    body = {"status_code": code, "timestamp": "2026-06-01T00:00:00Z"}
    if data is not None:
        body["data"] = data
    return httpx.Response(status, json=body, headers=headers)
