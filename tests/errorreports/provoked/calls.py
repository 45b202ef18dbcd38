"""Provokers of what fails when the hub calls a partner: area times cause of catalogue/calls.py."""

from collections.abc import Callable
from functools import partial

from ocpi_hub.errorreports.catalogue.calls import AREAS, CAUSES
from ocpi_hub.exchange.deliveries import lanes
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.pulls import partnerlists
from ocpi_hub.exchange.relays import breaker, relay
from ocpi_hub.partners.models import Endpoint, Status
from tests.errorreports.provoked.stage import BEHAVIOURS, Stage
from tests.partners import Partner

DO: dict[str, Callable[[Stage], object]] = {
    "delivery": Stage.deliver_token,
    "relay": Stage.relay_token,
    "authorization": Stage.authorize,
    "command": Stage.command,
    "pull": Stage.pull_tokens,
}


def answers_so(area: str, cause: str, stage: Stage) -> None:
    stage.monkeypatch.setattr(
        partnerlists, "LIST_LIMIT", 10_000_000
    )  # of the 20,000,001 bytes that are too large
    stage.one_who_fails(area).answers.append(BEHAVIOURS[cause])
    DO[area](stage)


def lives_nowhere(area: str, stage: Stage) -> None:
    stage.move(stage.one_who_fails(area), "ftp://nowhere")
    DO[area](stage)


def took_its_interface_away(area: str, stage: Stage) -> None:
    failing = stage.one_who_fails(area)
    if area == "delivery":
        stage.give_token()
        outbox.expand()
    Endpoint.objects.filter(platform=failing.platform, role="RECEIVER").delete()
    if area == "delivery":
        lanes.drain(failing.platform.pk)
    else:
        DO[area](stage)


def is_offline(area: str, stage: Stage) -> None:
    stage.change(stage.one_who_fails(area), status=Status.OFFLINE)
    DO[area](stage)


def has_hung(area: str, stage: Stage) -> None:
    failing = stage.one_who_fails(area)
    party = failing.platform.parties.get()
    stage.monkeypatch.setattr(relay, "breakers", _open_for(failing, party.key))
    DO[area](stage)


def _open_for(failing: Partner, party: str) -> breaker.Breakers:
    seen = breaker.Seen(
        unanswered=5,
        pause=60.0,
        again_at=1060.0,
        probing=True,
        senders=frozenset({"NL*ABC", "DE*MSP", party}),
    )
    breakers = breaker.Breakers(clock=lambda: 1000.0)
    breakers._seen[failing.platform.pk] = seen
    return breakers


def is_crowded(area: str, stage: Stage) -> None:
    stage.settings.HUB_RELAYS_TOGETHER = 0
    DO[area](stage)


_OTHERS: dict[str, Callable[[str, Stage], None]] = {
    "bad_address": lives_nowhere,
    "no_interface": took_its_interface_away,
    "not_connected": is_offline,
    "held_back": has_hung,
    "crowded": is_crowded,
}

PROVOKERS: dict[str, Callable[[Stage], object]] = {
    f"{area.name}.{cause.name}": partial(_OTHERS[cause.name], area.name)
    if cause.name in _OTHERS
    else partial(answers_so, area.name, cause.name)
    for area in AREAS
    for cause in CAUSES
    if area.name in cause.areas
}
