"""Who set the profile of a Session, and so whom its updates are for."""

from datetime import timedelta
from typing import NamedTuple

import pytest
from django.utils import timezone

from chargingprofiles.models import ProfileRequest
from ocpi_hub.exchange.housekeeping import partitions
from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.relays import callbacks
from ocpi_hub.exchange.routing import Route, towards
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.types import PartyRef
from tests.partners import register

pytestmark = pytest.mark.django_db
CPO, EMSP, SCSP = PartyRef("NL", "ABC"), PartyRef("DE", "MSP"), PartyRef("BE", "SCP")


class Made(NamedTuple):
    """A request of the past, and what came of it."""

    who: PartyRef = EMSP
    answer: str = "ACCEPTED"
    result: str = "ACCEPTED"
    method: str = "PUT"
    session_id: str = "SESSION1"


@pytest.fixture
def make(cpo, emsp, network):
    register(network, "SCP", "BE-SCP-SCSP")

    def make(*requests):
        for made in requests:
            route, url = towards(Route(made.who), CPO, "chargingprofiles", "RECEIVER"), "https://a.example"
            callback = callbacks.expect(
                route, emsp.platform, "chargingprofiles", made.method, url, MessageIDs.new()
            )
            Callback.objects.filter(pk=callback.pk).update(answer=made.answer, result=made.result)
            ProfileRequest.objects.create(
                callback=callback,
                method=made.method,
                session_id=made.session_id,
                from_party=callback.from_party,
                to_party=callback.to_party,
                requested_at=callback.created_at,
            )

    return make


TABLE = {
    "nobody": ([], None),
    "with success": ([Made()], EMSP),
    "the last one": ([Made(EMSP), Made(SCSP)], SCSP),
    "in other letters": ([Made(session_id="session1")], EMSP),
    "without a direct answer": ([Made(answer="")], EMSP),
    "another session": ([Made(session_id="SESSION2")], None),
    "it was read only": ([Made(method="GET")], None),
    "it was cleared only": ([Made(method="DELETE")], None),
    "refused": ([Made(answer="REJECTED", result="")], None),
    "refused, and a result all the same": ([Made(answer="REJECTED")], None),
    "failed": ([Made(result="REJECTED")], None),
    "failed after a success": ([Made(EMSP), Made(SCSP, result="REJECTED")], EMSP),
    "refused after a success": ([Made(EMSP), Made(SCSP, answer="TOO_OFTEN", result="")], EMSP),
    "cleared after a success": ([Made(EMSP), Made(SCSP, method="DELETE")], EMSP),
    "accepted, and no result": ([Made(result="")], EMSP),
    "accepted, and no result, after a success": ([Made(EMSP), Made(SCSP, result="")], EMSP),
    "no answer and no result": ([Made(answer="", result="")], None),
}


@pytest.mark.parametrize("kind", TABLE)
def test_it_is_whoever_set_one_last_with_success(make, kind):
    requests, setter = TABLE[kind]
    make(*requests)

    assert ProfileRequest.setter_of(CPO, "SESSION1") == setter


def test_session_ids_are_unique_for_each_operator_only(make):
    make(Made())

    assert ProfileRequest.setter_of(PartyRef("BE", "DEF"), "SESSION1") is None
    assert ProfileRequest.setter_of(PartyRef("nl", "abc"), "SESSION1") == EMSP


def test_what_is_forgotten_with_its_address_is_forgotten_here(make, settings):
    settings.HUB_MESSAGE_DAYS = 90
    make(Made())
    long_ago = timezone.now() - timedelta(days=91)
    Callback.objects.update(created_at=long_ago, expires_at=long_ago)

    partitions.delete_finished()

    assert not ProfileRequest.objects.exists()


def test_a_request_names_itself(make):
    make(Made())

    assert str(ProfileRequest.objects.get()) == "set a profile of NL*ABC's SESSION1, from DE*MSP"
