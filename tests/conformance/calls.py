"""Requests to the hub as odd as partners send them, and what every answer and every refusal has in common."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from ocpi_hub.exchange.models import Callback, Delivery, Grant, Message, Pull
from ocpi_hub.partners.models import Endpoint, IssuedToken, Party, Platform
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.headers import authorization
from tests.partners import Answered, Partner

WIRE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z?")
_CLIENT = Client(raise_request_exception=False)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ODD_METHODS = ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "NONSENSE")


def send(
    method: str,
    url: str,
    body: bytes = b"",
    *,
    token: str | None = None,
    content_type: str = "application/json",
    **headers: str,
) -> HttpResponse:
    """Call the hub with exactly these headers, as its server would hand the request on."""
    said = {**headers, **({"Authorization": authorization(token)} if token is not None else {})}
    return _CLIENT.generic(method, url, body, content_type, headers=said, RAW_PATH=url)


def enveloped(response: HttpResponse) -> Answered:
    """The answer, after making sure that it is an OCPI envelope with both message ids."""
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Request-ID"]
    assert response.headers["X-Correlation-ID"]
    answered = Answered(response)
    well_formed(answered.envelope)
    return answered


def well_formed(envelope: dict[str, Any]) -> None:
    assert (
        {"status_code", "timestamp"}
        <= envelope.keys()
        <= {"status_code", "timestamp", "status_message", "data"}
    )
    assert type(envelope["status_code"]) is int
    assert envelope["status_code"] in set(StatusCode)
    assert WIRE_TIME.fullmatch(envelope["timestamp"])
    assert type(envelope.get("status_message", "")) is str


@contextmanager
def nothing_changes(*, besides: tuple[type, ...] = ()) -> Iterator[None]:
    """No document, projection, message, delivery, partner, party, endpoint or token comes, goes or changes."""
    before = everything(besides)
    yield
    assert everything(besides) == before


def everything(besides: tuple[type, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    labels = {apps.get_app_config(label).name: label for label in apps.app_configs}
    ours = [labels[module] for module in settings.OCPI_MODULES]
    of_modules = [model for model in apps.get_models() if model._meta.app_label in ours]
    others = [Message, Delivery, Callback, Grant, Pull, Platform, Party, Endpoint, IssuedToken]
    models = {*of_modules, *others} - set(besides)
    return {model.__name__: rows(model) for model in models}


# Noted with every call, whatever comes of it.
_BY_THE_WAY = {"first_used_at", "seen_encoding", "last_heard_at", "next_probe_at"}


def rows(model: type) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if name not in _BY_THE_WAY}
        for row in model.objects.order_by("pk").values()
    ]


def to(party: str) -> dict[str, str]:
    """Routing headers that address a party such as NL*HUB."""
    country_code, _, party_id = party.partition("*")
    return {"OCPI-to-country-code": country_code, "OCPI-to-party-id": party_id}


def raw(partner: Partner, method: str, url: str, body: bytes = b"", **options: Any) -> Answered:
    """As a partner, with what the test says in place of what partners normally send."""
    return enveloped(send(method, url, body, **{**partner.headers(), **options}))
