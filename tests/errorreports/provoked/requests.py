"""Provokers of what the hub refuses, and of registrations that fail."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from credentials import handshake, tasks
from ocpi_hub.exchange.exceptions import HandshakeFailed
from ocpi_hub.exchange.interfaces import requestfailures
from ocpi_hub.partners.claims import Claim
from ocpi_hub.partners.models import Party
from ocpi_hub.partners.throttling import PartnerQuota
from ocpi_hub.protocol.headers import authorization
from tests import examples
from tests.conformance.calls import to
from tests.errorreports.provoked.stage import LOC1, PUT_TOKEN, Stage, saying
from tests.partners import Partner, enveloped, register

NEW, TOKEN_B = "new.example", "the-tokenB.of-the-new-partner"


def invalid(stage: Stage) -> None:
    stage.emsp.put(PUT_TOKEN, stage.token(valid="yes", whitelist="SOMETIMES"))


def unreadable(stage: Stage) -> None:
    stage.emsp.put(PUT_TOKEN, json.dumps(stage.token()).encode()[:-1])


def of_another(stage: Stage) -> None:
    stage.cpo.put(PUT_TOKEN, stage.token())


def for_nobody(stage: Stage) -> None:
    stage.emsp.put(PUT_TOKEN, stage.token(), **to("XX*NIX"))


def of_a_hub_to_everybody(stage: Stage) -> None:
    Party.objects.filter(platform=stage.cpo.platform).update(roles=["HUB", "CPO"])
    stage.cpo.put(LOC1, examples.location())


def by_another_method(stage: Stage) -> None:
    stage.emsp.delete(PUT_TOKEN)


def of_too_many_fields(stage: Stage) -> None:
    stage.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    stage.emsp.put(PUT_TOKEN, stage.token())


def before_registration(stage: Stage) -> None:
    stage.change(stage.emsp, token_cipher="")
    stage.emsp.put(PUT_TOKEN, stage.token())


def with_another_token(stage: Stage) -> None:
    stage.secrets |= {"of-yesterday", authorization("of-yesterday").partition(" ")[2]}
    stage.emsp.token = "of-yesterday"
    stage.emsp.put(PUT_TOKEN, stage.token())


def without_token(stage: Stage) -> None:
    Client().put(f"/ocpi/2.2.1/{PUT_TOKEN}", b"{}", "application/json")


def at_an_address_of_nothing(stage: Stage) -> None:
    stage.emsp.put(f"/ocpi/2.9/{PUT_TOKEN}", stage.token())


def too_large(stage: Stage) -> None:
    scope = {"method": "PUT", "path": f"/ocpi/2.2.1/{PUT_TOKEN}"}
    requestfailures.unread("192.0.2.7", scope, 413, "The body is larger than 2000000 bytes")


def above_the_quota(stage: Stage) -> None:
    stage.monkeypatch.setattr(PartnerQuota, "count", classmethod(lambda *_: 10**9))
    stage.emsp.put(PUT_TOKEN, stage.token())


def too_many_at_once(stage: Stage) -> None:
    stage.settings.HUB_CONCURRENT_REQUESTS = 0
    stage.emsp.put(PUT_TOKEN, stage.token())


# --------------------------------------------------------------------------------------------- registrations
def _newcomer(stage: Stage, invited: str = "NL-NEW-CPO") -> Partner:
    """A platform that was invited, and answers with its versions."""
    platform, token = handshake.invite("New", [Claim.parse(invited)])
    newcomer = Partner(platform, token, NEW)
    stage.network.hosts[NEW] = newcomer.answer
    stage.secrets |= {token, TOKEN_B, authorization(TOKEN_B).partition(" ")[2]}
    return newcomer


def _credentials(**changes: Any) -> dict[str, Any]:
    party = {"role": "CPO", "country_code": "NL", "party_id": "NEW", "business_details": {"name": "New"}}
    return {"token": TOKEN_B, "url": f"https://{NEW}/versions", "roles": [party], **changes}


def _versions(version: str = "2.2.1", *modules: str) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        if request.url.path == "/versions":
            return enveloped([{"version": version, "url": f"https://{NEW}/2.2.1"}])
        endpoints = [
            {"identifier": name, "role": "SENDER", "url": f"https://{NEW}/{name}"} for name in modules
        ]
        return enveloped({"version": version, "endpoints": endpoints})

    return answer


def unusable(stage: Stage) -> None:
    newcomer = _newcomer(stage)
    newcomer.answers.append(saying(2000, 401))
    newcomer.post("credentials", _credentials())


def of_another_version(stage: Stage) -> None:
    newcomer = _newcomer(stage)
    newcomer.answers.append(_versions("2.3.0"))
    newcomer.post("credentials", _credentials())


def without_endpoints(stage: Stage) -> None:
    newcomer = _newcomer(stage)
    newcomer.answers.append(_versions("2.2.1", "locations"))
    newcomer.post("credentials", _credentials())


def of_a_party_that_was_not_agreed_on(stage: Stage) -> None:
    newcomer = _newcomer(stage, "NL-OLD-CPO")
    newcomer.answers.append(_versions("2.2.1", "credentials", "locations"))
    newcomer.post("credentials", _credentials())


def started_by_us(stage: Stage) -> None:
    stage.secrets |= {TOKEN_B, authorization(TOKEN_B).partition(" ")[2]}
    stage.network.hosts[NEW] = saying(2000, 500)
    with pytest.raises(HandshakeFailed):
        handshake.register("New", f"https://{NEW}/versions", TOKEN_B, [])


def not_told(stage: Stage) -> None:
    handshake_token = register(stage.network, "NEW", "NL-NEW-CPO")
    stage.secrets |= {handshake_token.token, "token-of-new"}
    for partner in (stage.cpo, stage.emsp, stage.stranger):
        stage.change(partner, announced=handshake.announcement())
    handshake_token.answers.append(saying(2000, 500))
    tasks.announce_changes()


PROVOKERS: dict[str, Callable[[Stage], object]] = {
    "request.invalid": invalid,
    "request.unreadable": unreadable,
    "request.not_its_own": of_another,
    "request.unknown_receiver": for_nobody,
    "request.not_routed": of_a_hub_to_everybody,
    "request.method": by_another_method,
    "request.refused": of_too_many_fields,
    "request.not_registered": before_registration,
    "request.unknown_token": with_another_token,
    "request.no_token": without_token,
    "request.nothing_there": at_an_address_of_nothing,
    "request.too_large": too_large,
    "quota.exceeded": above_the_quota,
    "quota.at_once": too_many_at_once,
    "handshake.unusable": unusable,
    "handshake.version": of_another_version,
    "handshake.endpoints": without_endpoints,
    "handshake.party_refused": of_a_party_that_was_not_agreed_on,
    "handshake.failed": started_by_us,
    "handshake.not_told": not_told,
}
