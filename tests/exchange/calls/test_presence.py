"""Signs of life, noted from the traffic."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.utils import timezone

from ocpi_hub.exchange.calls import presence
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.pulls import sync
from tests import examples
from tests.conformance.calls import to
from tests.partners import enveloped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=60)


def noted(partner):
    partner.platform.refresh_from_db()
    return partner.platform.last_heard_at, partner.platform.next_probe_at, partner.platform.missed_probes


def state(partner, **changes):
    type(partner.platform).objects.filter(pk=partner.platform.pk).update(**changes)


def answering(answer):
    def respond(request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    return respond


# --------------------------------------------------------------------------------------------- what counts
def test_a_request_of_a_partner_is_noted(cpo):
    before = timezone.now()

    cpo.get("sender/tokens")

    heard, next_probe, _ = noted(cpo)
    assert before <= heard <= timezone.now()
    assert next_probe is None


@pytest.mark.parametrize(
    "path", ["/ocpi/versions", "/ocpi/2.2.1", "/ocpi/2.2.1/credentials", "sender/locations/1"]
)
def test_any_endpoint_will_do_and_any_answer(cpo, path):
    cpo.get(path)

    assert noted(cpo)[0] is not None


def test_a_request_with_an_unknown_token_is_nobodys(cpo):
    cpo.token = "unknown.token"
    cpo.get("sender/tokens")

    assert noted(cpo)[0] is None


def test_a_delivery_that_arrives_is_an_answer(cpo, emsp, deliver):
    state(emsp, missed_probes=2, next_probe_at=SOON)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    heard, next_probe, missed = noted(emsp)
    assert heard is not None
    assert (next_probe, missed) == (None, 0)


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        (enveloped(status_code=2001), True),
        (enveloped(status_code=3000), False),
        (httpx.Response(503), False),
        (httpx.Response(401), False),
        (httpx.ConnectError("refused"), False),
        (httpx.UnsupportedProtocol("no URL that can be called"), False),  # which is for good
    ],
)
def test_a_refusal_is_an_answer_and_a_failure_is_none(cpo, emsp, deliver, answer, counts):
    emsp.answers.append(answering(answer))
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    assert Delivery.objects.get().tries == 1
    assert (noted(emsp)[0] is not None) is counts


def test_a_list_that_is_read_is_an_answer_and_one_that_fails_has_its_owner_asked(cpo, emsp):
    cpo.lists["locations"] = []
    emsp.answers.append(lambda request: httpx.Response(502))

    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    sync.pull_platform(emsp.platform.pk, "tokens", full=True)

    assert noted(cpo)[0] is not None
    heard, next_probe, _ = noted(emsp)
    assert heard is None
    assert next_probe <= timezone.now()


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        (enveloped(examples.location()), True),
        (enveloped(status_code=2003, http_status=404), True),
        (httpx.Response(401), False),
        (httpx.Response(502), False),
        (enveloped(status_code=3000, http_status=500), False),
        (httpx.ConnectError("refused"), False),
        (httpx.ReadTimeout("slow"), False),
    ],
)
def test_a_relayed_request_that_fails_has_the_partner_asked_at_once(cpo, emsp, answer, counts):
    cpo.answers.append(answering(answer))

    emsp.get("sender/locations/LOC1", **to("NL*ABC"))

    heard, next_probe, _ = noted(cpo)
    assert (heard is not None) is counts
    assert (next_probe is None) is counts


# ---------------------------------------------------------------------------------------- what it changes
@pytest.mark.parametrize(
    ("status", "missed", "next_probe", "after_a_call", "after_an_answer"),
    [
        ("CONNECTED", 0, None, (None, 0), (None, 0)),
        ("CONNECTED", 2, SOON, (SOON, 2), (None, 0)),  # whether it can be reached, only an answer tells
        ("CONNECTED", 3, SOON, (SOON, 3), (SOON, 3)),
        ("OFFLINE", 3, SOON, (NOW, 3), (NOW, 3)),
        ("OFFLINE", 1, None, (NOW, 1), (NOW, 1)),
        ("PLANNED", 0, None, (None, 0), (None, 0)),
    ],
)
def test_what_a_sign_of_life_changes(cpo, status, missed, next_probe, after_a_call, after_an_answer):
    before = {"status": status, "missed_probes": missed, "next_probe_at": next_probe}

    state(cpo, **before)
    presence.note(cpo.platform.pk, NOW)
    assert noted(cpo) == (NOW, *after_a_call)

    state(cpo, **before)
    presence.note_answer(cpo.platform.pk, NOW)
    assert noted(cpo) == (NOW, *after_an_answer)


@pytest.mark.parametrize(
    ("next_probe", "then"), [(None, NOW), (SOON, NOW), (NOW - timedelta(hours=1), NOW - timedelta(hours=1))]
)
def test_a_doubt_has_the_partner_asked_at_once(cpo, next_probe, then):
    state(cpo, next_probe_at=next_probe)

    presence.doubt(cpo.platform.pk, NOW)

    assert noted(cpo)[1] == then


# ------------------------------------------------------------------------------------------- what it costs
@pytest.fixture
def clock(monkeypatch):
    moment = [1000.0]
    monkeypatch.setattr(presence.time, "monotonic", lambda: moment[0])
    return moment


@pytest.mark.parametrize("sign", [presence.heard, presence.answered, presence.missed])
def test_each_sign_of_a_partner_is_written_at_most_every_thirty_seconds(
    cpo, emsp, clock, sign, django_assert_num_queries
):
    with django_assert_num_queries(1):
        sign(cpo.platform.pk)
        clock[0] += 29.9
        sign(cpo.platform.pk)
    with django_assert_num_queries(2):
        sign(emsp.platform.pk)
        clock[0] += 0.2
        sign(cpo.platform.pk)


def test_each_kind_of_sign_is_counted_by_itself(cpo, clock, django_assert_num_queries):
    with django_assert_num_queries(3):
        for sign in (presence.heard, presence.answered, presence.missed) * 2:
            sign(cpo.platform.pk)


@pytest.mark.parametrize(("silence", "seconds"), [(300, 30), (3600, 30), (10, 1)])
def test_a_short_silence_is_measured_more_often(settings, silence, seconds):
    settings.HUB_SILENCE = silence

    assert presence.note_every() == seconds
