"""The cast of the provoked failures: a provider whose driver takes part in everything, and an operator."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from ocpi_hub.exchange.deliveries import lanes
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.partners.models import Endpoint, Platform
from ocpi_hub.partners.throttling import PartnerQuota
from ocpi_hub.protocol.headers import authorization
from ocpi_hub.protocol.network import NotPublic
from tests import examples
from tests.conformance.calls import to
from tests.partners import Network, Partner, enveloped

UID = "04A1B2C3D4"
DRIVER = {"contract_id": "DE-MSP-C00000001-1", "visual_number": "DF000-2001-8999", "group_id": "DF000-2001"}
CALLBACK = "secret-end-of-a-response-url"
RESPONSE_URL = f"https://msp.example/ocpi/results/{CALLBACK}"

PUT_TOKEN = f"receiver/tokens/DE/MSP/{UID}"
AUTHORIZE = f"sender/tokens/{UID}/authorize"
START = "receiver/commands/START_SESSION"
LOC1 = "receiver/locations/NL/ABC/LOC1"


def complaint(request: httpx.Request) -> str:
    """Of one who repeats all that he was sent."""
    sent = request.headers["Authorization"].partition(" ")[2]
    return f"no {request.url.path} for {sent} alias {base64.b64decode(sent).decode()}: {request.content.decode()}"


@dataclass
class Stage:
    cpo: Partner
    emsp: Partner
    stranger: Partner
    network: Network
    settings: Any
    monkeypatch: pytest.MonkeyPatch
    secrets: set[str] = field(default_factory=set)  # the platforms' tokens, which are nowhere
    drivers: set[str] = field(default_factory=set)  # what names a driver, which is where it belongs alone

    def __post_init__(self) -> None:
        for partner in (self.cpo, self.emsp, self.stranger):
            partner.client = Client(raise_request_exception=False)
            for token in (partner.token, partner.platform.token):
                self.secrets |= {token, authorization(token).partition(" ")[2]}
        self.drivers |= {UID, *DRIVER.values(), CALLBACK}
        # A busy machine may let Redis answer too late, which would be reported as well.
        self.monkeypatch.setattr(PartnerQuota, "paused_until", float("inf"))

    # ------------------------------------------------------------------------------------------ what happens
    def give_token(self, **changes: Any) -> None:
        """The provider's token is in the hub, and with every operator that has no reason to fail."""
        assert self.emsp.put(PUT_TOKEN, self.token(**changes)).status_code == 1000

    def token(self, **changes: Any) -> dict[str, Any]:
        return examples.token(**DRIVER, **changes)

    def start_session(self, **changes: Any) -> dict[str, Any]:
        return examples.start_session(response_url=RESPONSE_URL, token=self.token(), **changes)

    def deliver_token(self) -> None:
        """One attempt to bring the provider's token to the operator."""
        self.give_token()
        outbox.expand()
        lanes.drain(self.cpo.platform.pk)

    def relay_token(self) -> None:
        self.emsp.put(PUT_TOKEN, self.token(), **to("NL*ABC"))

    def authorize(self) -> Any:
        return self.cpo.post(AUTHORIZE, {"location_id": "LOC1"}, **to("DE*MSP"))

    def command(self) -> Any:
        return self.emsp.post(START, self.start_session(), **to("NL*ABC"))

    def pull_tokens(self) -> None:
        sync.pull_platform(self.emsp.platform.pk, "tokens")

    def pull_locations(self, *objects: Any) -> None:
        self.cpo.lists["locations"] = list(objects)
        sync.pull_platform(self.cpo.platform.pk, "locations")

    # ------------------------------------------------------------------------------------------- who fails
    def one_who_fails(self, area: str) -> Partner:
        """The partner that is called in this area."""
        return self.cpo if area in ("delivery", "relay", "command") else self.emsp

    def change(self, partner: Partner, **columns: Any) -> None:
        Platform.objects.filter(pk=partner.platform.pk).update(**columns)
        partner.platform.refresh_from_db()

    def move(self, partner: Partner, url: str) -> None:
        Endpoint.objects.filter(platform=partner.platform).update(url=url)

    def due(self) -> None:
        """The time of the next attempt has come."""
        Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())


def later(**passed: Any) -> datetime:
    return timezone.now() + timedelta(**passed)


def raising(error: type[Exception]) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if issubclass(error, httpx.RequestError):
            raise error("it broke", request=request)
        raise error("it leads to 10.0.0.1")

    return answer


def saying(status_code: int, http_status: int = 200) -> Callable[[httpx.Request], httpx.Response]:
    said = {"status_code": status_code, "timestamp": "2026-03-01T12:00:00Z"}
    return lambda request: httpx.Response(http_status, json={**said, "status_message": complaint(request)})


# How a partner brings about each cause of catalogue/calls.py that is an answer, or none.
BEHAVIOURS: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "unreachable": raising(httpx.ConnectError),
    "timed_out": raising(httpx.ReadTimeout),
    "broken_answer": raising(httpx.RemoteProtocolError),
    "refused_address": raising(NotPublic),
    "too_large": lambda request: httpx.Response(200, content=b" " * 20_000_001),
    "no_envelope": lambda request: httpx.Response(200, text=f"<html>{complaint(request)}</html>"),
    "token_unknown": saying(2000, 401),
    "rate_limited": saying(2000, 429),
    "server_error": saying(3000, 500),
    "redirected": saying(2000, 307),
    "refused": saying(2001),
    "not_brought_on": saying(4003),
}


def fine(request: httpx.Request) -> httpx.Response:
    return enveloped()
