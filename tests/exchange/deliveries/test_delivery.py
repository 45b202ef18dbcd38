"""What is sent, what an answer means, and when it is tried again."""

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest

from ocpi_hub.exchange.calls.verdicts import (
    Result,
    Verdict,
    describe,
    judge,
    masked,
    next_attempt,
    retry_after,
)
from ocpi_hub.exchange.deliveries import lanes
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Attempt, DeadLetter, Delivery
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import Answer
from tests import examples
from tests.partners import enveloped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = "2026-03-01T09:00:00Z"

LOC1 = "/receiver/locations/NL/ABC/LOC1"
EVSE1 = f"{LOC1}/EVSE1"


def answer(http_status, body=b"", **headers):
    return Answer(http_status, httpx.Headers(headers), body, 0.25)


def code(status_code, message="because"):
    return f'{{"status_code":{status_code},"status_message":"{message}","timestamp":"{LATER}"}}'.encode()


# ------------------------------------------------------------------------------------------------- judge
@pytest.mark.parametrize(
    ("http_status", "body", "verdict", "outcome"),
    [
        (200, code(1000), Verdict.DELIVERED, "accepted"),
        (201, code(1000), Verdict.DELIVERED, "accepted"),
        (200, code(1999), Verdict.DELIVERED, "accepted"),
        (200, code(2000), Verdict.PERMANENT, "HTTP 200, 2000: because"),
        (200, code(2001), Verdict.PERMANENT, "HTTP 200, 2001: because"),
        (200, code(2999), Verdict.PERMANENT, "HTTP 200, 2999: because"),
        (200, code(3000), Verdict.TEMPORARY, "HTTP 200, 3000: because"),
        (200, code(4002), Verdict.TEMPORARY, "HTTP 200, 4002: because"),
        (200, code(999), Verdict.TEMPORARY, "HTTP 200, 999: because"),
        (200, b'{"status_code":3000}', Verdict.TEMPORARY, "HTTP 200, 3000: no message"),
        (200, b"<html>", Verdict.TEMPORARY, "HTTP 200 without an OCPI envelope"),
        (204, b"", Verdict.TEMPORARY, "HTTP 204 without an OCPI envelope"),
        (301, b"", Verdict.TEMPORARY, "HTTP 301 without an OCPI envelope"),
        (307, b"", Verdict.TEMPORARY, "HTTP 307 without an OCPI envelope"),
        (400, code(2001), Verdict.PERMANENT, "HTTP 400, 2001: because"),
        (
            401,
            code(2001),
            Verdict.TEMPORARY,
            "HTTP 401: the partner does not know our token; it must register again or give us a new one",
        ),
        (403, b"", Verdict.TEMPORARY, "HTTP 403 without an OCPI envelope"),
        (404, code(2003), Verdict.PERMANENT, "HTTP 404, 2003: because"),
        (405, b"", Verdict.PERMANENT, "HTTP 405 without an OCPI envelope"),
        (408, b"", Verdict.TEMPORARY, "HTTP 408 without an OCPI envelope"),
        (413, b"", Verdict.PERMANENT, "HTTP 413 without an OCPI envelope"),
        (425, b"", Verdict.TEMPORARY, "HTTP 425 without an OCPI envelope"),
        (429, b"", Verdict.TEMPORARY, "HTTP 429 without an OCPI envelope"),
        (500, code(1000), Verdict.TEMPORARY, "HTTP 500, 1000: because"),
        (503, b"", Verdict.TEMPORARY, "HTTP 503 without an OCPI envelope"),
    ],
)
def test_an_answer_is_delivered_or_temporary_or_permanent(http_status, body, verdict, outcome):
    result = judge(answer(http_status, body), NOW)

    assert (result.verdict, result.outcome) == (verdict, outcome)
    assert (result.http_status, result.seconds) == (http_status, 0.25)


def test_a_status_code_that_no_column_holds_is_told_in_words():
    result = judge(answer(200, code(10**17)), NOW)

    assert (result.status_code, result.verdict) == (None, Verdict.TEMPORARY)
    assert result.outcome == "HTTP 200, 100000000000000000: because"


def test_a_complaint_that_speaks_to_a_terminal_is_shown_and_does_not():
    result = judge(answer(200, code(2001, "no \\u001b[31m red")), NOW)

    assert result.outcome == "HTTP 200, 2001: no \\x1b[31m red"


def test_judging_keeps_what_the_partner_asks_to_wait():
    assert judge(answer(429, **{"Retry-After": "30"}), NOW).retry_after == timedelta(seconds=30)


def test_a_complaint_is_cut_after_500_characters():
    assert describe(answer(200, code(2001, "x" * 600))) == f"HTTP 200, 2001: {'x' * 500}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("unknown token s3cret.token", "unknown token ***"),
        ("unknown token czNjcmV0LnRva2Vu", "unknown token ***"),
        ("nothing to hide", "nothing to hide"),
        ("zero\x00byte", "zerobyte"),
    ],
)
def test_a_token_that_the_partner_repeats_is_masked(text, shown):
    assert masked(text, "s3cret.token") == shown


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("3600", 3600),
        ("3601", 3600),
        ("99999999999999999999", 3600),
        ("0000000000120", 120),
        ("-5", 0),
        ("-0", 0),
        ("1.5", 1),
        ("90.", 90),
        ("1e9", None),
        ("1_000", None),
        ("+5", None),
        ("5 s", None),
        ("0x10", None),
        ("\u00b2", None),
        ("\u0663\u0660", None),
        (" ", None),
        ("soon", None),
        ("Sun, 01 Mar 2026 12:10:00 GMT", 600),
        ("Sun, 01 Mar 2026 12:10:00", 600),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2099 11:00:00 GMT", 3600),
        ("Sun, 99 Mar 2026 11:00:00 GMT", None),
        ("Wed, 21 Oct 2026 07:28:00 +99999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_the_most(header, wait):
    assert retry_after(header, NOW) == (None if wait is None else timedelta(seconds=wait))


# ------------------------------------------------------------------------------------------ next_attempt
SCHEDULE = [10, 100, 1000]


@pytest.mark.parametrize(
    ("verdict", "tries", "jitter", "wait"),
    [
        (Verdict.TEMPORARY, 1, 0.0, 10),
        (Verdict.TEMPORARY, 1, 1.0, 11),
        (Verdict.TEMPORARY, 2, 0.0, 100),
        (Verdict.TEMPORARY, 2, 0.5, 105),
        (Verdict.TEMPORARY, 3, 0.0, 1000),
        (Verdict.TEMPORARY, 3, 1.0, 1100),
        (Verdict.TEMPORARY, 4, 0.0, None),
        (Verdict.PERMANENT, 1, 0.0, None),
        (Verdict.GONE, 1, 0.0, None),
    ],
)
def test_a_temporary_failure_is_tried_again_by_schedule_until_it_is_used_up(verdict, tries, jitter, wait):
    decision = next_attempt(Result(verdict, ""), tries, SCHEDULE, NOW, jitter)

    assert decision.at == (None if wait is None else NOW + timedelta(seconds=wait))


@pytest.mark.parametrize(("asked", "wait"), [(5, 10), (500, 500), (0, 10)])
def test_retry_after_lengthens_the_wait_and_never_shortens_it(asked, wait):
    result = Result(Verdict.TEMPORARY, "", retry_after=timedelta(seconds=asked))

    assert next_attempt(result, 1, SCHEDULE, NOW, 0.0).at == NOW + timedelta(seconds=wait)


# -------------------------------------------------------------------------------------------- on the wire
def due_now():
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=NOW)


def sent(partner):
    return [(call.method, call.path, call.body) for call in partner.calls]


def refuse(*wanted, http_status=200, status_code=2001, times=99):
    """Refuses requests of these methods so often."""
    left = [times]

    def reply(request):
        if request.method not in wanted or left[0] == 0:
            return None
        left[0] -= 1
        return enveloped(status_code=status_code, http_status=http_status)

    return reply


def test_a_pushed_location_reaches_the_provider(cpo, emsp, deliver):
    answered = cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())

    assert answered.codes == (201, 1000), answered.message
    assert deliver() == 1
    assert sent(emsp) == [("PUT", LOC1, examples.location())]
    assert emsp.get("sender/locations").data == [examples.location()]


def test_the_first_try_repeats_method_and_body_as_they_came(cpo, emsp, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    change = {"name": "Station", "last_updated": LATER}
    cpo.patch("receiver/locations/NL/ABC/LOC1", change)
    deliver()

    assert sent(emsp)[1:] == [("PATCH", LOC1, change)]


def test_a_retry_puts_the_state_that_counts_then(cpo, emsp, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.calls.clear()
    emsp.answers.append(refuse("PATCH", http_status=503, times=1))
    cpo.patch("receiver/locations/NL/ABC/LOC1", {"name": "Station", "last_updated": LATER})
    deliver()
    due_now()
    deliver()

    whole = examples.location(name="Station", last_updated=LATER)
    assert sent(emsp) == [
        ("PATCH", LOC1, {"name": "Station", "last_updated": LATER}),
        ("PUT", LOC1, whole),
    ]


def test_headers_name_the_hub_and_the_party_and_keep_the_correlation_id(cpo, emsp, deliver):
    cpo.put(
        "receiver/locations/NL/ABC/LOC1",
        examples.location(),
        **{"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"},
    )
    deliver()

    headers = emsp.calls[0].headers
    assert (headers["OCPI-from-country-code"], headers["OCPI-from-party-id"]) == ("NL", "HUB")
    assert (headers["OCPI-to-country-code"], headers["OCPI-to-party-id"]) == ("DE", "MSP")
    assert headers["X-Correlation-ID"] == "correlation-1"
    assert headers["X-Request-ID"] not in ("request-1", "")
    assert headers["Authorization"] == "Token dG9rZW4tb2YtbXNw"
    assert headers["Content-Type"] == "application/json"


def test_each_try_has_a_request_id_of_its_own(cpo, emsp, deliver):
    emsp.answers.append(refuse("PUT", http_status=500, times=1))
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(), **{"X-Correlation-ID": "correlation-1"})
    deliver()
    due_now()
    deliver()

    assert len({call.headers["X-Request-ID"] for call in emsp.calls}) == 2
    assert {call.headers["X-Correlation-ID"] for call in emsp.calls} == {"correlation-1"}


@pytest.mark.parametrize("part", ["", "/EVSE1", "/EVSE1/1"])
def test_a_refused_patch_is_followed_by_a_put_of_that_part(cpo, emsp, deliver, part):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.calls.clear()
    emsp.answers.append(refuse("PATCH"))
    cpo.patch(f"receiver/locations/NL/ABC/LOC1{part}", {"last_updated": LATER})
    deliver()
    due_now()
    deliver()

    assert [call[:2] for call in sent(emsp)] == [("PATCH", LOC1 + part), ("GET", LOC1), ("PUT", LOC1 + part)]
    assert sent(emsp)[-1][2]["last_updated"] == LATER
    assert Delivery.objects.latest("id").state == "DELIVERED"


@pytest.mark.parametrize("http_status", [404, 200])
def test_a_refused_patch_of_an_object_that_is_missing_is_followed_by_the_whole(
    cpo, emsp, deliver, http_status
):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.calls.clear()
    emsp.answers.append(refuse("PATCH", "GET", http_status=http_status, status_code=2003))
    cpo.patch("receiver/locations/NL/ABC/LOC1/EVSE1", {"status": "CHARGING", "last_updated": LATER})
    deliver()
    due_now()
    deliver()

    assert [call[:2] for call in sent(emsp)] == [("PATCH", EVSE1), ("GET", LOC1), ("PUT", LOC1)]
    assert sent(emsp)[-1][2] == examples.location(
        evses=[examples.evse(status="CHARGING", last_updated=LATER)], last_updated=LATER
    )


def test_a_part_put_to_a_partner_that_lacks_the_parent_is_followed_by_the_whole(cpo, emsp, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.calls.clear()
    emsp.answers.append(
        lambda request: (
            enveloped(status_code=2003, http_status=404)
            if request.url.path != LOC1 or request.method == "GET"
            else None
        )
    )
    cpo.put("receiver/locations/NL/ABC/LOC1/EVSE2", examples.evse(uid="EVSE2", last_updated=LATER))
    deliver()
    due_now()
    deliver()

    assert [call[:2] for call in sent(emsp)] == [("PUT", f"{LOC1}/EVSE2"), ("GET", LOC1), ("PUT", LOC1)]
    assert [evse["uid"] for evse in sent(emsp)[-1][2]["evses"]] == ["EVSE1", "EVSE2"]


def test_a_connector_put_to_a_partner_that_lacks_only_its_evse_is_followed_by_the_whole(cpo, emsp, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.calls.clear()
    emsp.answers.append(
        lambda request: enveloped(status_code=2003, http_status=404) if request.url.path != LOC1 else None
    )
    cpo.put("receiver/locations/NL/ABC/LOC1/EVSE1/2", examples.connector(id="2", last_updated=LATER))
    for _ in range(3):
        deliver()
        due_now()

    assert [call[:2] for call in sent(emsp)] == [("PUT", f"{EVSE1}/2"), ("GET", LOC1), ("PUT", LOC1)]


def test_a_partner_that_refuses_a_whole_object_is_not_asked_again(cpo, emsp, deliver):
    emsp.answers.append(refuse("PUT"))
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    due_now()

    assert deliver() == 0
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason, delivery.tries) == ("FAILED", "HTTP 200, 2001: no message", 1)


def test_a_partner_that_refuses_every_form_of_a_change_gets_it_thrice_at_the_most(cpo, emsp, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.calls.clear()
    emsp.answers.append(refuse("PATCH", "PUT"))
    cpo.patch("receiver/locations/NL/ABC/LOC1/EVSE1", {"status": "CHARGING", "last_updated": LATER})
    for _ in range(5):
        deliver()
        due_now()

    assert [call[:2] for call in sent(emsp)] == [
        ("PATCH", EVSE1),
        ("GET", LOC1),
        ("PUT", EVSE1),
        ("GET", LOC1),
        ("PUT", LOC1),
    ]
    assert Delivery.objects.latest("id").state == "FAILED"


def test_when_the_look_at_a_refused_change_fails_it_is_tried_again(cpo, emsp, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.calls.clear()

    def cut(request):
        if request.method == "GET":
            raise httpx.ReadError("cut", request=request)

    emsp.answers += [refuse("PATCH"), cut]
    cpo.patch("receiver/locations/NL/ABC/LOC1/EVSE1", {"status": "CHARGING", "last_updated": LATER})
    deliver()
    due_now()
    deliver()

    assert [call[:2] for call in sent(emsp)] == [("PATCH", EVSE1), ("GET", LOC1), ("PUT", EVSE1)]


def test_without_the_interface_a_delivery_is_given_up_without_a_call(cpo, emsp, deliver):
    emsp.answers.append(refuse("PUT", http_status=500))
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.platform.endpoints.filter(module="locations", role="RECEIVER").delete()
    due_now()
    deliver()

    delivery = Delivery.objects.get()
    assert delivery.state == "FAILED"
    assert delivery.reason == "the partner has no Receiver endpoint for this module any more"
    assert len(emsp.calls) == 1


def test_a_part_that_is_gone_is_not_sent(cpo, emsp, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.calls.clear()
    emsp.answers.append(refuse("PUT", http_status=500, times=1))
    cpo.put("receiver/locations/NL/ABC/LOC1/EVSE1", examples.evse(last_updated=LATER))
    deliver()
    part = Delivery.objects.latest("id")
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(evses=[], last_updated=LATER))
    part.refresh_from_db()
    due_now()
    from ocpi_hub.exchange.deliveries import lanes

    lanes.drain(emsp.platform.pk)  # before the message of the whole object is expanded

    part.refresh_from_db()
    assert (part.state, part.reason) == ("ABSORBED", "the object is no longer in the hub")
    assert len(emsp.calls) == 1


@pytest.mark.parametrize(
    ("endpoint", "variant", "url"),
    [
        ("https://abc.example/t", "RFID", "https://abc.example/t/DE/MSP/04A1B2C3D4?type=RFID"),
        ("https://abc.example/t/", "APP_USER", "https://abc.example/t/DE/MSP/04A1B2C3D4?type=APP_USER"),
        ("https://abc.example/t?key=1", "OTHER", "https://abc.example/t/DE/MSP/04A1B2C3D4?key=1&type=OTHER"),
    ],
)
def test_a_token_names_its_type_beside_the_query_of_the_endpoint(cpo, emsp, deliver, endpoint, variant, url):
    cpo.platform.endpoints.filter(module="tokens", role="RECEIVER").update(url=endpoint)
    emsp.put(f"receiver/tokens/DE/MSP/04A1B2C3D4?type={variant}", examples.token(type=variant))
    deliver()

    assert [call.url for call in cpo.calls] == [url]


def test_ids_are_encoded_segment_by_segment(cpo, emsp, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC%2F1%20%3F", examples.location(id="LOC/1 ?"))
    cpo.put("receiver/locations/NL/ABC/LOC%2F1%20%3F/E%231", examples.evse(uid="E#1", last_updated=LATER))
    deliver()
    due_now()
    deliver()
    emsp.calls.clear()
    cpo.put("receiver/locations/NL/ABC/LOC%2F1%20%3F/E%231", examples.evse(uid="E#1", last_updated=LATER))
    deliver()

    assert [call.path for call in emsp.calls] == ["/receiver/locations/NL/ABC/LOC%2F1%20%3F/E%231"]


def test_a_client_is_made_with_what_the_partner_gave_us(cpo, emsp, deliver):
    Platform.objects.filter(pk=emsp.platform.pk).update(base64_token=False)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    assert emsp.calls[0].headers["Authorization"] == "Token token-of-msp"


@pytest.mark.parametrize(("own", "given"), [(None, 20.0), (9, 9.0), (60, 60.0)])
def test_a_partner_has_its_own_time_to_take_a_delivery(cpo, emsp, deliver, settings, own, given):
    settings.HUB_TOTAL_TIMEOUT = 20
    Platform.objects.filter(pk=emsp.platform.pk).update(total_timeout=own)
    seconds = []
    emsp.answers.append(lambda request: seconds.append(request.extensions["timeout"]["read"]))
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())

    deliver()

    assert seconds == [given]


def test_attempts_are_kept_without_any_token(cpo, emsp, deliver):
    emsp.answers.append(
        lambda request: httpx.Response(
            400,
            json={
                "status_code": 3000,
                "status_message": "token-of-msp, dG9rZW4tb2YtbXNw?",
                "timestamp": LATER,
            },
        )
    )
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(), **{"X-Correlation-ID": "correlation-1"})
    deliver()

    delivery = Delivery.objects.get()
    attempt = Attempt.objects.get()
    assert attempt.outcome == delivery.reason == "HTTP 400, 3000: ***, ***?"
    assert (attempt.delivery_id, attempt.platform_id) == (delivery.pk, emsp.platform.pk)
    assert (attempt.method, attempt.url) == ("PUT", f"https://msp.example{LOC1}")
    assert (attempt.http_status, attempt.status_code) == (400, 3000)
    assert attempt.correlation_id == "correlation-1"
    assert attempt.request_id == emsp.calls[0].headers["X-Request-ID"]


def test_an_unreadable_token_of_ours_is_a_readable_reason(cpo, emsp, deliver, settings):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    settings.HUB_KEYS = ["bm90LXRoZS1rZXktaXQtd2FzLXdyaXR0ZW4td2l0aCE="]
    deliver()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries) == ("PENDING", 1)
    assert delivery.reason == "our token for this partner: no key in HUB_KEYS reads this token"
    assert emsp.calls == []


def test_a_call_that_cannot_succeed_is_given_up_at_once(cpo, emsp, deliver):
    def unsendable(request):
        raise httpx.UnsupportedProtocol("ftp", request=request)

    emsp.answers.append(unsendable)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason) == ("FAILED", "not a URL or request that can be sent")


def test_what_waits_of_a_module_that_is_switched_off_holds_up_nothing(cpo, emsp, settings):
    cpo.put("receiver/tariffs/NL/ABC/T1", examples.tariff(id="T1"))
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    Delivery.objects.filter(module="tariffs").update(exact=False)
    settings.OCPI_MODULES = [module for module in settings.OCPI_MODULES if module != "tariffs"]

    lanes.drain(emsp.platform.pk)

    found = dict(Delivery.objects.values_list("module", "state"))
    assert found == {"tariffs": "ABSORBED", "locations": "DELIVERED"}
    reason = Delivery.objects.get(module="tariffs").reason
    assert reason == "the hub does not exchange tariffs any more (OCPI_MODULES)"
    assert [call.path for call in emsp.received()] == ["/receiver/locations/NL/ABC/LOC1"]


def test_our_token_is_masked_however_the_partner_quotes_it(cpo, emsp, deliver):
    once = base64.b64encode(emsp.platform.token.encode()).decode()
    quoted = [once, quote(f"Token {once}", safe=""), base64.b64encode(f"Token {once}".encode()).decode()]
    emsp.answers.append(
        lambda request: httpx.Response(200, json={"status_code": 2001, "status_message": ", ".join(quoted)})
    )
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    letter = DeadLetter.objects.get()
    assert letter.reason == "HTTP 200, 2001: ***, Token%20***, VG9rZW4g***"
    assert json.loads(letter.answer)["status_message"] == "***, Token%20***, VG9rZW4g***"
