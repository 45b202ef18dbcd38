"""Objects that are for one party: whom they reach, how they are sent, and that they are kept until they arrive."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from cdrs.models import CDR
from ocpi_hub.exchange.calls.verdicts import Result, Verdict, next_attempt
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Callback, Delivery, Message, RefusedObject
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.headers import MessageIDs
from sessions.models import Session
from tests import examples
from tests.conformance.calls import nothing_changes
from tests.partners import enveloped, register

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = "2026-03-01T09:00:00Z"
SESSION1 = "receiver/sessions/NL/ABC/SESSION1"


@pytest.fixture
def other(db, network):
    """Another provider, with two parties."""
    return register(network, "OTH", "FR-ONE-EMSP", "FR-TWO-EMSP")


def due_now():
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=NOW)


def sent(partner):
    return [(call.method, call.path, call.body) for call in partner.calls]


def parties(call):
    headers = call.headers
    return tuple(
        f"{headers[f'OCPI-{p}-country-code']}*{headers[f'OCPI-{p}-party-id']}" for p in ("from", "to")
    )


# ---------------------------------------------------------------------------------------------- whom they reach
def test_a_session_goes_to_the_owner_of_its_token_and_comes_from_its_operator(cpo, emsp, other, deliver):
    assert cpo.put(SESSION1, examples.session()).codes == (201, 1000)

    assert deliver() == 1
    assert sent(emsp) == [("PUT", "/receiver/sessions/NL/ABC/SESSION1", examples.session())]
    assert parties(emsp.calls[0]) == ("NL*ABC", "DE*MSP")
    assert other.calls == []


def test_it_is_addressed_to_the_party_that_it_is_for_and_not_to_the_first_of_the_platform(
    cpo, other, deliver
):
    theirs = examples.session()
    theirs["cdr_token"] |= {"country_code": "fr", "party_id": "two"}

    cpo.put(SESSION1, theirs)
    deliver()

    assert parties(other.calls[0]) == ("NL*ABC", "FR*TWO")
    assert Session.objects.get().audience == "FR*TWO"


@pytest.mark.parametrize("path", [SESSION1, "receiver/cdrs"])
def test_without_such_a_party_it_is_4001_and_nothing_is_kept(cpo, path):
    made, method = (examples.cdr(), "POST") if path.endswith("cdrs") else (examples.session(), "PUT")

    with nothing_changes():
        answered = cpo.request(method, path, made)

    assert answered.codes == (200, 4001)
    assert answered.message == "it belongs to DE*MSP, and this hub knows no such party"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_session_never_moves_to_another_party(cpo, emsp, other, method):
    cpo.put(SESSION1, examples.session())
    theirs = examples.session(last_updated=LATER)
    theirs["cdr_token"] |= {"country_code": "FR", "party_id": "ONE"}

    with nothing_changes():
        answered = cpo.request(method, SESSION1, theirs)

    assert answered.codes == (200, 2001)
    assert answered.message == (
        "$.cdr_token: belongs to FR*ONE, and sessions/NL/ABC/SESSION1 is for DE*MSP since it came; that never changes"
    )


def test_changes_for_everybody_and_for_one_party_go_their_ways_in_one_batch(cpo, emsp, other, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    cpo.put(SESSION1, examples.session())
    deliver()

    assert [call.path for call in emsp.calls] == [
        "/receiver/locations/NL/ABC/LOC1",
        "/receiver/sessions/NL/ABC/SESSION1",
    ]
    assert [call.path for call in other.calls] == ["/receiver/locations/NL/ABC/LOC1"]


def test_a_party_without_the_interface_gets_no_delivery_and_sees_it_in_its_list(cpo, emsp, deliver):
    emsp.platform.endpoints.filter(module="sessions", role="RECEIVER").delete()
    cpo.put(SESSION1, examples.session())

    assert deliver() == 0
    assert emsp.get("sender/sessions?date_from=2026-01-01T00:00:00Z").data == [examples.session()]


# ------------------------------------------------------------------------------------------ how they are sent
def test_a_cdr_is_posted_to_the_endpoint_itself_at_every_try(cpo, emsp, deliver):
    failing = [httpx.Response(503)]
    emsp.answers.append(lambda request: failing.pop() if failing else None)
    cpo.post("receiver/cdrs", examples.cdr())
    deliver()
    due_now()
    deliver()

    assert sent(emsp) == [("POST", "/receiver/cdrs", examples.cdr())] * 2
    assert Delivery.objects.get().state == "DELIVERED"


@pytest.mark.parametrize(
    ("refusal", "state"),
    [
        (enveloped(status_code=2001, http_status=409), "DELIVERED"),
        (
            httpx.Response(200, json={"status_code": 2001, "status_message": "CDR already exists"}),
            "DELIVERED",
        ),
        (httpx.Response(200, json={"status_code": 2001, "status_message": "unknown currency"}), "FAILED"),
    ],
)
def test_after_a_post_without_an_answer_a_refusal_as_duplicate_is_the_answer(
    cpo, emsp, deliver, refusal, state
):
    def cut(request):
        raise httpx.ReadError("cut", request=request)

    answers = [lambda request: refusal, cut]
    emsp.answers.append(lambda request: answers.pop()(request))
    cpo.post("receiver/cdrs", examples.cdr())
    deliver()
    due_now()
    deliver()

    assert Delivery.objects.get().state == state


def test_a_first_refusal_as_duplicate_is_a_refusal(cpo, emsp, deliver):
    emsp.answers.append(lambda request: enveloped(status_code=2001, http_status=409))
    cpo.post("receiver/cdrs", examples.cdr())
    deliver()

    assert Delivery.objects.get().state == "FAILED"


@pytest.mark.parametrize(
    ("tries", "endless", "wait"), [(2, True, 100), (3, True, 100), (99, True, 100), (3, False, None)]
)
def test_what_is_kept_until_it_arrives_goes_on_at_the_last_interval(tries, endless, wait):
    decision = next_attempt(Result(Verdict.TEMPORARY, ""), tries, [10, 100], NOW, 0.0, endless=endless)

    assert decision.at == (None if wait is None else NOW + timedelta(seconds=wait))


def test_a_cdr_is_not_given_up_when_its_schedule_is_used_up(cpo, emsp, deliver):
    Platform.objects.update(retry_schedule=[1])
    emsp.answers.append(lambda request: httpx.Response(500))
    cpo.post("receiver/cdrs", examples.cdr())
    for _ in range(4):
        deliver()
        due_now()

    row = Delivery.objects.get()
    assert (row.state, row.tries) == ("PENDING", 4)


def test_a_session_is_given_up_then(cpo, emsp, deliver):
    Platform.objects.update(retry_schedule=[1])
    emsp.answers.append(lambda request: httpx.Response(500))
    cpo.put(SESSION1, examples.session())
    for _ in range(4):
        deliver()
        due_now()

    assert Delivery.objects.get().state == "FAILED"


def test_what_was_deleted_is_sent_as_delete_and_a_receiver_without_it_has_it_done(cpo, emsp, deliver):
    cpo.put("receiver/tariffs/NL/ABC/TARIFF1", examples.tariff())
    deliver()
    emsp.calls.clear()
    emsp.answers.append(lambda request: enveloped(status_code=2001, http_status=404))

    assert cpo.delete("receiver/tariffs/NL/ABC/TARIFF1").codes == (200, 1000)
    deliver()

    assert sent(emsp) == [("DELETE", "/receiver/tariffs/NL/ABC/TARIFF1", None)]
    assert Delivery.objects.latest("id").state == "DELIVERED"


# --------------------------------------------------------------------------------------------------- results
def result_of(emsp, cpo, url="https://msp.example/results?id=1&x=%2F", results=1):
    callback = Callback.objects.create(
        module="commands", kind="START_SESSION", secret="s", requester=emsp.platform, from_party="DE*MSP",
        receiver=cpo.platform, to_party="NL*ABC", response_url=url, correlation_id="correlation-1",
        expires_at=NOW, results=results,
    )  # fmt: skip
    outbox.publish_result(callback, b'{"result":"ACCEPTED"}', MessageIDs("r", "c"))


def test_a_result_goes_to_exactly_the_response_url_before_all_that_waits(cpo, emsp, deliver):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    result_of(emsp, cpo)
    deliver()

    assert [call.path for call in emsp.calls] == ["/results?id=1&x=%2F", "/receiver/locations/NL/ABC/LOC1"]
    call = emsp.calls[0]
    assert (call.method, call.body, parties(call)) == ("POST", {"result": "ACCEPTED"}, ("NL*ABC", "DE*MSP"))
    assert call.headers["X-Correlation-ID"] == "correlation-1"


def test_a_result_is_sent_unchanged_until_it_is_taken_and_needs_no_envelope(cpo, emsp, deliver):
    answers = [httpx.Response(200, text="OK"), httpx.Response(502)]
    emsp.answers.append(lambda request: answers.pop())
    result_of(emsp, cpo)
    deliver()
    due_now()
    deliver()

    assert [call.body for call in emsp.calls] == [{"result": "ACCEPTED"}] * 2
    assert Delivery.objects.get().state == "DELIVERED"


def test_a_platform_that_asked_itself_hears_its_own_answer(stranger, deliver):
    callback = Callback.objects.create(
        module="commands", kind="START_SESSION", secret="s", requester=stranger.platform, from_party="FR*XYZ",
        receiver=stranger.platform, to_party="FR*XYZ", response_url="https://xyz.example/results",
        correlation_id="c", expires_at=NOW,
    )  # fmt: skip
    outbox.publish_result(callback, b"{}", MessageIDs("r", "c"))
    deliver()

    assert [call.path for call in stranger.calls] == ["/results"]


def test_two_results_of_one_request_arrive_both_and_in_order(cpo, emsp, deliver):
    result_of(emsp, cpo)
    callback = Callback.objects.get()
    callback.results = 2
    outbox.publish_result(callback, b'{"result":"CANCELED_RESERVATION"}', MessageIDs("r", "c"))
    deliver()
    deliver()

    assert [call.body["result"] for call in emsp.calls] == ["ACCEPTED", "CANCELED_RESERVATION"]


# ----------------------------------------------------------------------------------- what never changes
def test_the_same_again_is_found_and_anything_else_of_that_id_refused(cpo, emsp, deliver):
    cpo.post("receiver/cdrs", examples.cdr())
    same = examples.cdr(remark=None, total_energy=20.0, last_updated=LATER)

    again = cpo.post("receiver/cdrs", same)
    with nothing_changes(besides=(RefusedObject,)):
        other = cpo.post("receiver/cdrs", examples.cdr(total_energy=21))

    assert (again.codes, again.message) == ((200, 1000), "the hub has exactly this already")
    assert other.codes == (200, 2001)
    assert other.message.startswith("$: differs from what came as NL/ABC/CDR1 at ")
    assert Message.objects.count() == 1


def test_a_pull_does_not_change_it_either_and_names_the_contradiction(cpo, emsp):
    cpo.post("receiver/cdrs", examples.cdr())
    cpo.lists["cdrs"] = [examples.cdr(total_energy=21), examples.cdr(id="CDR2")]

    [report] = sync.pull_platform(cpo.platform.pk, "cdrs", full=True)

    assert (report.pull.new, report.pull.refused) == (1, 1)
    assert RefusedObject.objects.get().reason == (
        "differs from what came as NL/ABC/CDR1, and cdrs never change; the first stays"
    )
    assert CDR.objects.get(key="CDR1").total_energy == 20


def test_a_pulled_cdr_that_is_known_is_unchanged(cpo, emsp):
    cpo.post("receiver/cdrs", examples.cdr())
    cpo.lists["cdrs"] = [examples.cdr()]

    [report] = sync.pull_platform(cpo.platform.pk, "cdrs", full=True)

    assert (report.pull.unchanged, report.pull.refused) == (1, 0)


# ---------------------------------------------------------------------------------------------- what is over
def test_a_completed_session_is_replaced_by_something_newer_only(cpo, emsp):
    cpo.put(SESSION1, examples.session(status="COMPLETED", last_updated=LATER))

    with nothing_changes():
        same_moment = cpo.put(SESSION1, examples.session(status="ACTIVE", last_updated=LATER))
        patched = cpo.patch(SESSION1, {"kwh": 9, "last_updated": "2026-03-01T10:00:00Z"})
    newer = cpo.put(
        SESSION1, examples.session(status="COMPLETED", kwh=9, last_updated="2026-03-01T10:00:00Z")
    )

    assert same_moment.codes == (200, 1000)
    assert same_moment.message.startswith("accepted, but not stored")
    assert patched.codes == (200, 2001)
    assert patched.message.startswith("$.status: is COMPLETED, and what is COMPLETED changes no more")
    assert newer.codes == (200, 1000)
    assert Session.objects.get().kwh == 9


@pytest.mark.parametrize("addressed", [True, False], ids=["to the provider", "to the hub"])
@pytest.mark.parametrize("field", ["end_date_time", "last_updated", "start_date_time"])
def test_the_last_moment_of_all_times_is_a_time_like_any_other(cpo, emsp, field, addressed):
    headers = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"} if addressed else {}
    last = {field: "9999-12-31T23:59:59Z"}

    assert cpo.put(SESSION1, examples.session(**last), **headers).status_code == 1000
    assert cpo.post("receiver/cdrs", examples.cdr(**last), **headers).status_code == 1000
    cpo.lists["sessions"] = [examples.session(id="S2", **last)]
    [report] = sync.pull_platform(cpo.platform.pk, "sessions", full=True)

    assert (report.pull.new, report.pull.refused) == (1, 0)
