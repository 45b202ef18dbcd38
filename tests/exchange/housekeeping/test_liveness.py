"""Whether a partner is there: who is asked when, and what follows from the answer."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.utils import timezone

from ocpi_hub import background
from ocpi_hub.exchange.calls import transports
from ocpi_hub.exchange.deliveries import lanebreaker, outcomes
from ocpi_hub.exchange.housekeeping import liveness
from ocpi_hub.exchange.housekeeping.liveness import Finding, Watched, after
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Lane, PullPlan
from ocpi_hub.journal.models import Hop
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import Answer
from tests import examples
from tests.partners import enveloped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def state(partner, **changes):
    Platform.objects.filter(pk=partner.platform.pk).update(**changes)


def now_is(partner):
    partner.platform.refresh_from_db()
    return partner.platform.status


def versions_are(answer):
    """The versions endpoint answers so, every other one as it should."""

    def respond(request):
        if request.url.path != "/versions":
            return None
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content)

    return respond


BROKEN = versions_are(httpx.ConnectError("connection refused"))


@pytest.fixture(autouse=True)
def no_chance(monkeypatch):
    monkeypatch.setattr(liveness, "jitter", lambda: 0.0)
    monkeypatch.setattr(outcomes, "jitter", lambda: 0.0)


# ----------------------------------------------------------------------------------------- pure decisions
SOON, RARELY = NOW + MINUTE, NOW + 5 * MINUTE


@pytest.mark.parametrize(
    ("before", "finding"),
    [
        (Watched("CONNECTED"), Finding(1, SOON)),
        (Watched("CONNECTED", missed=1), Finding(2, SOON)),
        (Watched("CONNECTED", missed=2), Finding(3, RARELY, goes_offline=True)),
        # Deliveries have shown that its versions endpoint is no witness.
        (Watched("CONNECTED", missed=3), Finding(4, RARELY)),
        (Watched("CONNECTED", missed=99), Finding(100, RARELY)),
        # It takes no deliveries either.
        (Watched("CONNECTED", breaker_open=True), Finding(1, SOON, goes_offline=True)),
        (Watched("CONNECTED", missed=7, breaker_open=True), Finding(8, RARELY, goes_offline=True)),
        (Watched("OFFLINE", missed=1), Finding(2, SOON)),
        (Watched("OFFLINE", missed=2), Finding(3, RARELY)),
        (Watched("OFFLINE", missed=3), Finding(4, RARELY)),
        (Watched("OFFLINE", missed=3, breaker_open=True), Finding(4, RARELY)),
    ],
)
def test_what_follows_when_a_partner_does_not_answer(before, finding):
    assert after(False, before, NOW, 0.0) == finding


@pytest.mark.parametrize(
    ("before", "comes_back"),
    [
        (Watched("CONNECTED"), False),
        (Watched("CONNECTED", missed=2), False),
        (Watched("CONNECTED", missed=9, breaker_open=True), False),
        (Watched("OFFLINE", missed=3), True),
        (Watched("OFFLINE", missed=1, breaker_open=True), True),
    ],
)
def test_what_follows_when_it_does(before, comes_back):
    assert after(True, before, NOW, 0.0) == Finding(0, None, comes_back=comes_back)


def test_calls_are_spread_by_chance():
    assert after(False, Watched("CONNECTED"), NOW, 1.0).next_at == NOW + timedelta(seconds=66)
    assert after(False, Watched("OFFLINE", 5), NOW, 0.5).next_at == NOW + timedelta(seconds=315)


@pytest.mark.parametrize(("silence", "soon", "rarely"), [(300, 60, 300), (3600, 60, 300), (10, 2, 10)])
def test_the_pauses_follow_a_shorter_silence(settings, silence, soon, rarely):
    settings.HUB_SILENCE = silence

    assert [liveness.pause(missed).total_seconds() for missed in (1, 2, 3, 9)] == [soon, soon, rarely, rarely]


@pytest.mark.parametrize(
    ("http_status", "body", "alive", "knows_us"),
    [
        (200, b'{"status_code": 1000, "data": []}', True, True),
        (200, b'{"status_code": 1000}', True, True),
        (200, b'{"status_code": 2000}', False, True),
        (200, b'{"status_code": 3000}', False, True),
        (200, b"<html>parked</html>", False, True),
        (200, b"[]", False, True),
        (404, b"default backend", False, True),
        (503, b'{"status_code": 1000}', False, True),
        (401, b'{"status_code": 2000}', False, False),
        (403, b"", False, False),
    ],
)
def test_what_a_sign_of_life_is(http_status, body, alive, knows_us):
    sign = liveness.sign_of(Answer(http_status, httpx.Headers(), body, 0.1), "token")

    assert (sign.alive, sign.knows_us) == (alive, knows_us)


# ------------------------------------------------------------------------------------------- who is due
def silent_for(partner, seconds, **changes):
    state(partner, last_heard_at=NOW - timedelta(seconds=seconds), **changes)
    partner.platform.refresh_from_db()


def due(now=NOW):
    return [platform.pk for platform in liveness.due(now)]


def patience(partner):
    return liveness.silence(partner.platform.pk).total_seconds()


def test_a_partner_is_due_after_five_minutes_of_silence_and_a_little(cpo):
    assert 300 <= patience(cpo) <= 360

    silent_for(cpo, patience(cpo) - 1)
    assert due() == []
    silent_for(cpo, patience(cpo))
    assert due() == [cpo.platform.pk]


def test_partners_that_fell_silent_together_are_not_all_due_together(settings):
    assert len({liveness.silence(platform_id) for platform_id in range(10)}) == 10


def test_how_long_silence_lasts_is_a_setting(cpo, settings):
    settings.HUB_SILENCE = 20
    silent_for(cpo, 25)

    assert due() == [cpo.platform.pk]


def test_one_that_was_never_heard_of_is_due_since_its_registration(cpo):
    state(cpo, last_heard_at=None, connected_at=NOW - timedelta(minutes=7))
    assert due() == [cpo.platform.pk]
    state(cpo, connected_at=NOW)
    assert due() == []


@pytest.mark.parametrize(
    ("changes", "is_due"),
    [
        ({}, True),
        ({"status": "OFFLINE"}, True),
        ({"status": "PLANNED"}, False),
        ({"status": "SUSPENDED"}, False),
        ({"token_cipher": ""}, False),
        ({"versions_url": ""}, False),
        ({"pull_only": True}, True),
        ({"next_probe_at": NOW + MINUTE}, False),
        ({"next_probe_at": NOW}, True),
    ],
)
def test_who_is_asked(cpo, changes, is_due):
    silent_for(cpo, 3600, **changes)

    assert due() == ([cpo.platform.pk] if is_due else [])


def test_one_that_is_to_be_asked_at_once_is_due_however_lately_it_was_heard(cpo):
    silent_for(cpo, 0, next_probe_at=NOW)

    assert due() == [cpo.platform.pk]


def test_who_waits_longest_is_asked_first(cpo, emsp, stranger):
    silent_for(cpo, 3600)
    silent_for(emsp, 7200)
    silent_for(stranger, 0, next_probe_at=NOW - MINUTE)

    assert due() == [stranger.platform.pk, emsp.platform.pk, cpo.platform.pk]


def test_of_several_workers_one_asks(cpo, monkeypatch):
    silent_for(cpo, 3600)
    seen = liveness.due(NOW)
    assert liveness.claim(NOW) == [cpo.platform.pk]

    monkeypatch.setattr(liveness, "due", lambda now: seen)  # what another worker saw in the same moment
    assert liveness.claim(NOW) == []
    monkeypatch.undo()
    assert liveness.claim(NOW + liveness.CLAIM - timedelta(seconds=1)) == []
    assert liveness.claim(NOW + liveness.CLAIM) == [cpo.platform.pk]


def test_so_many_are_asked_in_one_round(cpo, emsp, stranger, monkeypatch):
    monkeypatch.setattr(liveness, "AT_ONCE", 2)
    for partner in (cpo, emsp, stranger):
        silent_for(partner, 3600)

    assert len(liveness.claim(NOW)) == 2
    assert len(liveness.claim(NOW)) == 1


# ---------------------------------------------------------------------------------------------- asking
@pytest.mark.row("HCI-08", "HUB-03", "UID-06", "TRN-01")
def test_the_versions_endpoint_is_called_with_our_token_and_ids_and_without_routing(cpo):
    liveness.ask(cpo.platform.pk, NOW)

    [call] = cpo.calls
    assert (call.method, call.url, call.body) == ("GET", "https://abc.example/versions", None)
    assert call.headers["Authorization"].startswith("Token ")
    assert call.headers["X-Request-ID"]
    assert call.headers["X-Correlation-ID"]
    assert not [name for name in call.headers if name.lower().startswith("ocpi-")]


def test_an_answer_is_a_sign_of_life(cpo):
    silent_for(cpo, 3600, missed_probes=2, next_probe_at=NOW)

    liveness.ask(cpo.platform.pk, NOW)

    cpo.platform.refresh_from_db()
    assert (cpo.platform.last_heard_at, cpo.platform.missed_probes) == (NOW, 0)
    assert (cpo.platform.next_probe_at, cpo.platform.probe_outcome) == (None, "accepted")


def test_the_third_miss_in_a_row_makes_it_offline_since_its_silence_began(cpo, caplog):
    silent_for(cpo, 360)
    cpo.answers.append(BROKEN)
    seen = []
    for minute in range(4):
        liveness.ask(cpo.platform.pk, NOW + minute * MINUTE)
        cpo.platform.refresh_from_db()
        seen.append((cpo.platform.status, cpo.platform.missed_probes, cpo.platform.next_probe_at))

    assert seen == [
        ("CONNECTED", 1, NOW + 1 * MINUTE),
        ("CONNECTED", 2, NOW + 2 * MINUTE),
        ("OFFLINE", 3, NOW + 7 * MINUTE),
        ("OFFLINE", 4, NOW + 8 * MINUTE),
    ]
    assert cpo.platform.offline_since == NOW - timedelta(seconds=360)
    assert cpo.platform.last_heard_at == NOW - timedelta(seconds=360)
    assert cpo.platform.probe_outcome == "abc.example: connection refused"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [f"{cpo.platform} counts as offline: abc.example: connection refused"]


def test_an_offline_partner_that_answers_is_back_with_what_waited_due_and_pulled_from_before(cpo, emsp):
    went = NOW - timedelta(hours=1)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    Delivery.objects.update(next_attempt_at=NOW + timedelta(hours=2))
    Lane.objects.create(platform=emsp.platform, failures=6, probe_at=NOW + timedelta(hours=2))
    state(emsp, status="OFFLINE", offline_since=went, missed_probes=8, next_probe_at=NOW)

    liveness.ask(emsp.platform.pk, NOW)

    emsp.platform.refresh_from_db()
    assert (emsp.platform.status, emsp.platform.offline_since) == ("CONNECTED", None)
    assert (emsp.platform.missed_probes, emsp.platform.next_probe_at) == (0, None)
    assert Delivery.objects.get().next_attempt_at == NOW
    assert Lane.objects.get().probe_at == NOW  # the breaker is open, and lets one delivery try at once
    plan = PullPlan.objects.get()
    assert (plan.platform, plan.module, plan.wanted, plan.since) == (emsp.platform, "tokens", "CHANGES", went)


@pytest.mark.parametrize("http_status", [401, 403])
def test_a_partner_that_does_not_take_our_token_is_there_and_not_connected(cpo, http_status, caplog):
    """Everything else it is sent would come back the same way; the operator is told (P55)."""
    cpo.answers.append(versions_are(enveloped(status_code=2000, http_status=http_status)))
    for _ in range(3):
        liveness.ask(cpo.platform.pk, NOW)

    assert now_is(cpo) == "OFFLINE"
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [
        f"{cpo.platform} does not take our token any more: let it PUT its credentials, or start over with it"
    ]


def test_a_token_that_the_hub_cannot_read_says_nothing_about_the_partner(cpo, caplog):
    state(cpo, token_cipher="unreadable", missed_probes=2)

    liveness.ask(cpo.platform.pk, NOW)

    assert now_is(cpo) == "CONNECTED"
    assert cpo.platform.missed_probes == 2
    assert cpo.calls == []
    assert "cannot be asked whether it is there: our token for it" in caplog.text


@pytest.mark.parametrize("status", ["PLANNED", "SUSPENDED"])
def test_who_is_not_registered_is_not_asked(cpo, status):
    state(cpo, status=status)

    liveness.ask(cpo.platform.pk, NOW)

    assert cpo.calls == []
    assert now_is(cpo) == status


@pytest.mark.parametrize("answer", [enveloped([]), httpx.ConnectError("refused")])
def test_a_partner_that_leaves_while_it_is_asked_stays_away(cpo, answer):
    state(cpo, missed_probes=2)

    def leave(request):
        state(cpo, status="SUSPENDED", token_cipher="")
        return versions_are(answer)(request)

    cpo.answers.append(leave)
    liveness.ask(cpo.platform.pk, NOW)

    assert now_is(cpo) == "SUSPENDED"
    assert cpo.platform.missed_probes == 2


def test_a_miss_counts_for_nothing_when_it_answered_elsewhere_meanwhile(cpo):
    state(cpo, missed_probes=2, next_probe_at=NOW)

    def answer_elsewhere(request):
        liveness.presence.note_answer(cpo.platform.pk, NOW)
        raise httpx.ReadTimeout("slow")

    cpo.answers.append(answer_elsewhere)
    liveness.ask(cpo.platform.pk, NOW)

    assert now_is(cpo) == "CONNECTED"
    assert (cpo.platform.missed_probes, cpo.platform.next_probe_at) == (0, None)


def test_no_connection_is_held_while_a_partner_is_asked(cpo, monkeypatch):
    released = []
    monkeypatch.setattr(transports, "release_connection", lambda: released.append(len(cpo.calls)))

    liveness.ask(cpo.platform.pk, NOW)

    assert released == [0]


def test_a_partner_has_ten_seconds_to_answer(cpo, monkeypatch):
    timeouts = []
    cpo.answers.append(lambda request: timeouts.append(request.extensions["timeout"]["read"]))

    liveness.ask(cpo.platform.pk, NOW)

    assert timeouts == [10.0]


# ------------------------------------------------------------------------- breaker and versions endpoint
def fail_five(cpo, emsp, deliver):
    """The Receiver answers nothing but 500 until its breaker opens."""
    emsp.answers.append(
        lambda request: httpx.Response(500) if request.url.path.startswith("/receiver/") else None
    )
    for number in range(lanebreaker.FAILURES_TO_OPEN):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    deliver()
    assert lanebreaker.is_open(emsp.platform.pk)


def try_again(emsp, deliver):
    """As if the waits were over."""
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())
    Lane.objects.filter(platform=emsp.platform).update(probe_at=timezone.now())
    deliver()


def ask_all():
    for platform_id in liveness.claim(timezone.now()):
        liveness.ask(platform_id)


def test_one_whose_receiver_fails_and_whose_versions_answer_stays_connected(cpo, emsp, deliver):
    fail_five(cpo, emsp, deliver)
    seen = []
    for _ in range(4):
        ask_all()
        seen.append(now_is(emsp))
        try_again(emsp, deliver)
        seen.append(now_is(emsp))

    assert seen == ["CONNECTED"] * 8
    assert lanebreaker.is_open(emsp.platform.pk)
    assert [call.path for call in emsp.calls].count("/versions") == 4  # after every failure it is asked


def test_one_that_fails_altogether_is_offline_with_the_first_miss_and_back_with_the_first_delivery(
    cpo, emsp, deliver
):
    fail_five(cpo, emsp, deliver)
    emsp.answers.append(BROKEN)

    ask_all()
    assert (now_is(emsp), emsp.platform.missed_probes) == ("OFFLINE", 1)

    emsp.answers.clear()
    try_again(emsp, deliver)
    assert (now_is(emsp), emsp.platform.offline_since) == ("CONNECTED", None)
    assert not lanebreaker.is_open(emsp.platform.pk)


def test_who_is_back_is_asked_so_that_its_misses_are_soon_forgotten(cpo):
    state(cpo, status="OFFLINE", missed_probes=9, next_probe_at=NOW + MINUTE)

    lanebreaker.came_back(cpo.platform, NOW)

    assert due(NOW) == [cpo.platform.pk]


def test_one_whose_versions_fail_and_who_takes_deliveries_is_offline_once(cpo, emsp, deliver):
    emsp.answers.append(BROKEN)
    for _ in range(3):
        liveness.ask(emsp.platform.pk)
    seen = [now_is(emsp)]
    for number in range(3):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
        deliver()
        seen.append(now_is(emsp))
        for _ in range(3):
            liveness.ask(emsp.platform.pk)
            seen.append(now_is(emsp))

    assert seen == ["OFFLINE"] + ["CONNECTED"] * 12
    assert emsp.platform.missed_probes == 12

    emsp.answers.clear()
    liveness.ask(emsp.platform.pk)
    emsp.answers.append(BROKEN)
    for _ in range(3):
        liveness.ask(emsp.platform.pk)
    assert now_is(emsp) == "OFFLINE"  # since it has answered, it is a witness again


def test_a_call_of_an_offline_partner_has_it_asked_at_once_and_brings_it_back_only_if_it_answers(cpo):
    cpo.answers.append(BROKEN)
    state(cpo, status="OFFLINE", missed_probes=3, next_probe_at=timezone.now() + 5 * MINUTE)
    assert due(timezone.now()) == []

    assert cpo.get("sender/tokens").codes == (200, 1000)

    assert due(timezone.now()) == [cpo.platform.pk]
    ask_all()
    assert now_is(cpo) == "OFFLINE"
    cpo.answers.clear()
    state(cpo, next_probe_at=timezone.now())
    ask_all()
    assert now_is(cpo) == "CONNECTED"


def test_what_it_asks_is_in_the_journal_as_a_check_of_the_hub(emsp):
    liveness.ask(emsp.platform.pk, NOW)
    background.flush()

    assert list(Hop.objects.values_list("url", "is_check")) == [("https://msp.example/versions", True)]
