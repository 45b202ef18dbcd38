"""Provokers of what partners answer, leave out or are given up on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
from django.utils import timezone

from commands import tracing
from commands.models import Command
from hubclientinfo import comparison, listing
from ocpi_hub.exchange.deliveries import lanes, outcomes
from ocpi_hub.exchange.housekeeping import liveness
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Callback, Delivery, Pull
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.exchange.relays import overdue
from ocpi_hub.partners.models import Party
from tests import examples
from tests.conformance.calls import to
from tests.errorreports.provoked.stage import (
    AUTHORIZE,
    LOC1,
    PUT_TOKEN,
    UID,
    Stage,
    later,
    raising,
    saying,
)
from tests.partners import enveloped


# ------------------------------------------------------------------------------------------------ deliveries
def given_up(stage: Stage) -> None:
    stage.change(stage.cpo, retry_schedule=[1])
    stage.cpo.answers.append(saying(3000, 500))
    stage.deliver_token()
    stage.due()
    lanes.drain(stage.cpo.platform.pk)


def interrupted(stage: Stage) -> None:
    stage.give_token()
    outbox.expand()
    Delivery.objects.update(state="SENDING", claimed_at=later(days=-1))
    outcomes.recover()


# ----------------------------------------------------------------------------------------------------- lists
def lists_what_is_of_others(stage: Stage) -> None:
    token = {
        "country_code": "FR",
        "party_id": "XYZ",
        "uid": "04A1B2C3D4",
        "type": "RFID",
        "contract_id": "C1",
    }
    stage.cpo.lists["sessions"] = [examples.session(cdr_token=token)]
    stage.emsp.get("sender/sessions", **to("NL*ABC"))


def links_to_nowhere(stage: Stage) -> None:
    link = {"Link": '<https://[nowhere>; rel="next"'}
    stage.emsp.answers.append(lambda request: enveloped([], **link))
    stage.cpo.get("sender/tokens", **to("DE*MSP"))


def lists_in_a_circle(stage: Stage) -> None:
    stage.emsp.answers.append(lambda request: enveloped([], Link=f'<{request.url}>; rel="next"'))
    stage.pull_tokens()


def lists_what_is_broken(stage: Stage) -> None:
    stage.monkeypatch.setattr(sync, "MOST_REFUSED", 1)
    stage.emsp.lists["tokens"] = [stage.token(uid=f"0{number}", valid="yes") for number in range(3)]
    stage.pull_tokens()


def stands_still(stage: Stage) -> None:
    stage.pull_locations()
    long_ago = timezone.now() - timedelta(days=1)
    Pull.objects.update(state="RUNNING", touched_at=long_ago, finished_at=None)
    sync.pull_platform(stage.cpo.platform.pk, "locations")


def lists_nothing_any_more(stage: Stage) -> None:
    for listed in ([examples.location(id="LOC1"), examples.location(id="LOC2")], []):
        stage.cpo.lists["locations"] = listed
        sync.pull_platform(stage.cpo.platform.pk, "locations", full=True)


def refused_object(stage: Stage) -> None:
    stage.emsp.lists["tokens"] = [stage.token(valid="yes", whitelist="SOMETIMES")]
    stage.pull_tokens()


def contradicted(stage: Stage) -> None:
    cdr = examples.cdr()
    stage.cpo.post("receiver/cdrs", cdr)
    stage.cpo.post("receiver/cdrs", {**cdr, "total_energy": 21})


def of_an_unknown_party(stage: Stage) -> None:
    Party.objects.filter(platform=stage.emsp.platform).delete()
    stage.cpo.lists["sessions"] = [examples.session()]
    sync.pull_platform(stage.cpo.platform.pk, "sessions")


def not_kept(stage: Stage) -> None:
    stage.emsp.put(PUT_TOKEN, stage.token(valid="yes"), **to("NL*ABC"))


def still_in_use(stage: Stage) -> None:
    connector = examples.connector(tariff_ids=["TARIFF1"])
    stage.cpo.put(LOC1, examples.location(evses=[examples.evse(connectors=[connector])]))
    stage.cpo.put("receiver/tariffs/NL/ABC/TARIFF1", examples.tariff())
    stage.cpo.delete("receiver/tariffs/NL/ABC/TARIFF1")


def has_it_otherwise(stage: Stage) -> None:
    listing.reconcile(timezone.now())
    stage.emsp.answers.append(
        lambda request: (
            enveloped(examples.client_info(country_code="NL", party_id="ABC", role="CPO", status="PLANNED"))
            if request.method == "GET"
            else None
        )
    )
    comparison.compare(stage.emsp.platform)


# --------------------------------------------------------------------------------------------- authorizations
def _authorizing(stage: Stage, data: Any) -> None:
    stage.emsp.answers.insert(
        0, lambda request: enveloped(data) if request.url.path.endswith("/authorize") else None
    )
    stage.authorize()


def undecided(stage: Stage) -> None:
    _authorizing(stage, {"allowed": "PERHAPS", "token": stage.token()})


def about_another_token(stage: Stage) -> None:
    _authorizing(stage, examples.authorization_info(token=stage.token(uid="05FFFFFFFF")))


def without_the_token(stage: Stage) -> None:
    stage.give_token(whitelist="NEVER")
    _authorizing(stage, {"allowed": "ALLOWED", "authorization_reference": "AUTH1"})


def with_a_fault(stage: Stage) -> None:
    _authorizing(stage, examples.authorization_info(token={**stage.token(), "valid": "yes"}))


def of_two_providers(stage: Stage) -> None:
    stage.give_token()
    body = stage.token(country_code="FR", party_id="XYZ")
    stage.stranger.put(f"receiver/tokens/FR/XYZ/{UID}", body)
    info = examples.authorization_info(token=stage.token())
    stage.emsp.answers.append(lambda request: enveloped(info))
    stage.cpo.post(AUTHORIZE)


# --------------------------------------------------------------------------------------------------- commands
def _accepted(stage: Stage, **changes: Any) -> None:
    data = examples.command_response(**changes)
    stage.cpo.answers.append(
        lambda request: enveloped(data) if "/receiver/commands" in request.url.path else None
    )
    stage.command()


def without_an_answer(stage: Stage) -> None:
    _accepted(stage)
    asked_at = later(minutes=-3)
    Callback.objects.update(answered_at=None, answer="", status_code=None, awaited_until=asked_at)
    overdue.report()


def with_an_unreadable_answer(stage: Stage) -> None:
    _accepted(stage, result="SURE")


def without_a_result(stage: Stage) -> None:
    _accepted(stage, timeout=10)
    overdue.report(later(seconds=60))


def without_a_session(stage: Stage) -> None:
    _accepted(stage)
    callback = Callback.objects.get()
    stage.cpo.post(f"sender/commands/START_SESSION/{callback.secret}", {"result": "ACCEPTED"})
    tracing.settle([Command.objects.get().pk], later(hours=1))


# --------------------------------------------------------------------------------------------------- liveness
def did_not_list_its_versions(stage: Stage) -> None:
    stage.cpo.answers.append(saying(3000, 500))
    liveness.ask(stage.cpo.platform.pk)


def went_offline(stage: Stage) -> None:
    stage.change(stage.cpo, missed_probes=2)
    stage.cpo.answers.append(raising(httpx.ConnectError))
    liveness.ask(stage.cpo.platform.pk)


def forgot_our_token(stage: Stage) -> None:
    stage.cpo.answers.append(saying(2000, 401))
    liveness.ask(stage.cpo.platform.pk)


PROVOKERS: dict[str, Callable[[Stage], object]] = {
    "delivery.given_up": given_up,
    "delivery.interrupted": interrupted,
    "relay.others_listed": lists_what_is_of_others,
    "relay.link_unreadable": links_to_nowhere,
    "pull.broken_list": lists_in_a_circle,
    "pull.too_many_refused": lists_what_is_broken,
    "pull.not_believed": lists_nothing_any_more,
    "pull.interrupted": stands_still,
    "object.refused": refused_object,
    "object.contradicted": contradicted,
    "object.unknown_party": of_an_unknown_party,
    "object.not_kept": not_kept,
    "object.still_in_use": still_in_use,
    "object.differs": has_it_otherwise,
    "authorization.undecided": undecided,
    "authorization.other_token": about_another_token,
    "authorization.without_token": without_the_token,
    "authorization.faulty": with_a_fault,
    "authorization.ambiguous": of_two_providers,
    "command.no_answer": without_an_answer,
    "command.unreadable_answer": with_an_unreadable_answer,
    "command.no_result": without_a_result,
    "command.no_session": without_a_session,
    "liveness.no_answer": did_not_list_its_versions,
    "liveness.offline": went_offline,
    "liveness.token_unknown": forgot_our_token,
}
