"""What partners have of the list of clients, compared with what they were told."""

import json

import httpx
import pytest
from django.utils import timezone

from hubclientinfo import comparison, listing
from hubclientinfo.models import ClientInfo
from hubclientinfo.tasks import compare
from ocpi_hub.partners.models import Platform
from tests.conformance.calls import nothing_changes
from tests.partners import enveloped

pytestmark = pytest.mark.django_db

CPO_ENTRY = "/receiver/hubclientinfo/NL/ABC"


@pytest.fixture(autouse=True)
def told(cpo, emsp, deliver):
    """Both have been told of each other."""
    listing.reconcile(timezone.now())
    deliver()
    cpo.calls.clear()
    emsp.calls.clear()


def has(**changes):
    """A partner that answers a GET with the operator's entry, changed so."""
    document = json.loads(ClientInfo.objects.get(role="CPO").document)

    def reply(request):
        return enveloped({**document, **changes}) if request.method == "GET" else None

    return reply


def seen(partner):
    return [(call.method, call.path) for call in partner.calls if "hubclientinfo" in call.path]


@pytest.mark.row("HCI-12", "HUB-03")
@pytest.mark.parametrize("reply", ["other status", "lost"])
def test_what_a_partner_lost_or_has_otherwise_is_pushed_to_it_again(cpo, emsp, stranger, deliver, reply):
    stranger.platform.endpoints.all().delete()
    lost = lambda request: enveloped(status_code=2001, http_status=404) if request.method == "GET" else None  # noqa: E731
    emsp.answers.append(lost if reply == "lost" else has(status="OFFLINE"))

    assert comparison.compare(emsp.platform) == 1
    deliver()

    assert seen(emsp) == [("GET", CPO_ENTRY), ("PUT", CPO_ENTRY)]
    assert emsp.calls[-1].body == json.loads(ClientInfo.objects.get(role="CPO").document)
    assert {name for call in emsp.calls for name in call.headers if name.startswith("ocpi-")} == set()
    assert seen(cpo) == []


@pytest.mark.row("HCI-12")
@pytest.mark.parametrize(
    "reply",
    [
        lambda request: enveloped(status_code=2000, http_status=405),
        lambda request: enveloped(status_code=2001, http_status=401),
        lambda request: httpx.Response(500),
        lambda request: httpx.Response(200, text="hello"),
        lambda request: enveloped(["no", "object"]),
        lambda request: enveloped({"role": "EMSP", "status": "OFFLINE"}),
    ],
    ids=["405", "401", "500", "no envelope", "no object", "another role at the address"],
)
def test_an_answer_that_proves_nothing_causes_nothing(emsp, reply):
    emsp.answers.append(reply)

    with nothing_changes():
        assert comparison.compare(emsp.platform) == 0


def test_a_partner_that_is_right_or_away_or_has_no_receiver_is_left_alone(cpo, emsp):
    emsp.answers.append(has())

    def gone(request):
        raise httpx.ConnectError("refused", request=request)

    with nothing_changes():
        assert comparison.compare(emsp.platform) == 0
        emsp.answers[:] = [gone]
        assert comparison.compare(emsp.platform) == 0
    emsp.platform.endpoints.filter(module="hubclientinfo").delete()
    assert comparison.compare(emsp.platform) == 0


def test_once_a_day_everybody_who_is_there_is_compared_with(cpo, emsp):
    Platform.objects.filter(pk=cpo.platform.pk).update(status="OFFLINE")
    emsp.answers.append(has(status="PLANNED"))

    assert compare() == 1
    assert seen(cpo) == []
