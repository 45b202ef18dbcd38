"""SES-01 to SES-18: Sessions. What holds for every module is in test_every_module.py."""

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.objects import grants
from ocpi_hub.protocol.codec import parse
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.types import PartyRef
from sessions.models import Session
from tests import examples
from tests.conformance.calls import METHODS, nothing_changes, raw, to
from tests.partners import Partner, enveloped

pytestmark = pytest.mark.django_db

SESSION1 = "receiver/sessions/NL/ABC/SESSION1"
PREFERENCES = "sender/sessions/SESSION1/charging_preferences"
ALL = "sender/sessions?date_from=2020-01-01T00:00:00Z"
LATER, LATEST = "2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z"
PERIOD = examples.session()["charging_periods"][0]
NEXT = {"start_date_time": "2026-03-01T08:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 5}]}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in examples.session().items() if key != name}


def of(country_code: str, party_id: str, **changes: Any) -> dict[str, Any]:
    """A Session of a token of this provider."""
    token = examples.session()["cdr_token"] | {"country_code": country_code, "party_id": party_id}
    return examples.session(cdr_token=token, **changes)


def periods(partner: Partner) -> Any:
    return partner.get(SESSION1).data.get("charging_periods")


# ------------------------------------------------------------------------------------------------- the list
@pytest.mark.row("SES-01")
def test_the_list_begins_thirty_days_back_unless_it_is_asked_for_from_another_date(cpo, emsp):
    now = timezone.now()
    made = [
        examples.session(id=f"S{days}", last_updated=format_time(now - timedelta(days=days)))
        for days in (31, 29, 1)
    ]
    for session in made:
        cpo.put(f"receiver/sessions/NL/ABC/{session['id']}", session)

    assert emsp.get("sender/sessions").data == made[1:]
    assert emsp.get("sender/sessions").headers["X-Total-Count"] == "2"
    assert emsp.get(f"sender/sessions?date_to={format_time(now - timedelta(days=2))}").data == made[1:2]
    assert emsp.get(ALL).data == made
    assert emsp.get(f"{ALL}&date_to={format_time(now - timedelta(days=30))}").data == made[:1]


@pytest.mark.row("SES-01")
def test_the_link_of_such_a_list_carries_the_date_that_was_used(cpo, emsp):
    now = timezone.now()
    for number in range(3):
        made = examples.session(id=f"S{number}", last_updated=format_time(now))
        cpo.put(f"receiver/sessions/NL/ABC/S{number}", made)

    first = emsp.get("sender/sessions?limit=2")

    month = format_time(now - timedelta(days=30))[:10]
    assert f"date_from={month}" in first.headers["Link"]
    assert [session["id"] for session in emsp.crawl("sender/sessions?limit=2")] == ["S0", "S1", "S2"]


# ------------------------------------------------------------------------------------------------ methods
@pytest.mark.row("SES-06", "SES-02")
def test_the_receiver_has_get_put_and_patch_and_the_sender_a_list(cpo, emsp):
    bodies = {"PUT": examples.session(), "PATCH": {"kwh": 21, "last_updated": LATER}}
    own = {method: cpo.request(method, SESSION1, bodies.get(method)).codes for method in ("PUT", *METHODS)}
    with nothing_changes():
        single = {
            method: emsp.request(method, "sender/sessions/SESSION1", examples.charging_preferences()).codes
            for method in METHODS
        }

    assert own == {
        "PUT": (200, 1000),
        "GET": (200, 1000),
        "POST": (405, 2000),
        "PATCH": (200, 1000),
        "DELETE": (405, 2000),
    }
    assert single == {"GET": (404, 2000)} | dict.fromkeys(METHODS[1:], (405, 2000))


@pytest.mark.row("SES-02")
def test_preferences_are_put_and_nothing_else(cpo, emsp):
    cpo.put(SESSION1, examples.session())

    with nothing_changes():
        answers = {
            method: raw(emsp, method, f"/ocpi/2.2.1/{PREFERENCES}") for method in METHODS if method != "PUT"
        }

    assert {answered.codes for answered in answers.values()} == {(405, 2000)}
    assert {answered.headers["Allow"] for answered in answers.values()} == {"PUT"}
    assert cpo.calls == []


@pytest.mark.row("SES-09")
@pytest.mark.parametrize("rest", ["charging_periods", "charging_periods/0", "total_cost", "cdr_token"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
def test_what_is_inside_has_no_address(cpo, emsp, method, rest):
    cpo.put(SESSION1, examples.session())

    with nothing_changes():
        answered = cpo.request(method, f"{SESSION1}/{rest}", {"last_updated": LATER})

    assert answered.codes == (404, 2000)


# ------------------------------------------------------------------------------------- charging preferences
@pytest.mark.row("SES-02", "SES-03")
@pytest.mark.parametrize(
    "word",
    ["ACCEPTED", "DEPARTURE_REQUIRED", "ENERGY_NEED_REQUIRED", "NOT_POSSIBLE", "PROFILE_TYPE_NOT_SUPPORTED"],
)
@pytest.mark.parametrize("addressed", [{}, to("NL*HUB"), to("NL*ABC")], ids=["nobody", "hub", "operator"])
def test_preferences_go_to_the_operator_and_its_one_word_comes_back(cpo, emsp, word, addressed):
    cpo.put(SESSION1, examples.session())
    cpo.answers.append(lambda request: enveloped(word))
    wished = examples.charging_preferences(x_more=[1])

    with nothing_changes():
        answered = emsp.put(PREFERENCES, wished, **addressed)

    assert answered.codes == (200, 1000)
    assert answered.data == word
    [call] = cpo.calls
    assert (call.method, call.path, call.body) == (
        "PUT", "/sender/sessions/SESSION1/charging_preferences", wished,
    )  # fmt: skip
    assert (call.headers["OCPI-from-party-id"], call.headers["OCPI-to-party-id"]) == ("MSP", "ABC")
    assert (answered.headers["OCPI-from-party-id"], answered.headers["OCPI-to-party-id"]) == ("ABC", "MSP")


@pytest.mark.row("SES-05")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "$.profile_type: required field is missing"),
        (
            examples.charging_preferences(profile_type="SLOW"),
            "$.profile_type: 'SLOW' is not one of CHEAP, FAST, GREEN, REGULAR",
        ),
        (
            examples.charging_preferences(energy_need="40"),
            "$.energy_need: not a number, but text; leave out the quotes",
        ),
        (examples.charging_preferences(discharge_allowed=1), "$.discharge_allowed: neither true nor false"),
        (
            examples.charging_preferences(departure_time="tomorrow"),
            "$.departure_time: not a timestamp such as 2026-01-01T00:00:00Z",
        ),
    ],
)
@pytest.mark.parametrize("addressed", [{}, to("NL*ABC")], ids=["nobody", "operator"])
def test_what_are_no_preferences_is_2001_and_goes_nowhere(cpo, emsp, body, message, addressed):
    cpo.put(SESSION1, examples.session())

    with nothing_changes():
        answered = emsp.put(PREFERENCES, body, **addressed)

    assert answered.codes == (200, 2001)
    assert answered.message == message
    assert cpo.calls == []


@pytest.mark.row("SES-05")
def test_whether_discharge_is_allowed_is_left_as_it_was_said(cpo, emsp):
    """Without it the operator takes false; the hub adds nothing."""
    cpo.put(SESSION1, examples.session())

    for wished in ({"profile_type": "FAST"}, {"profile_type": "FAST", "discharge_allowed": True}):
        emsp.put(PREFERENCES, wished)

    assert [call.body for call in cpo.calls] == [
        {"profile_type": "FAST"},
        {"profile_type": "FAST", "discharge_allowed": True},
    ]


@pytest.mark.row("SES-04")
@pytest.mark.parametrize("capabilities", [None, [], ["RFID_READER"]])
@pytest.mark.parametrize("addressed", [{}, to("NL*ABC")], ids=["nobody", "operator"])
def test_an_evse_that_takes_no_preferences_is_404_and_2001(cpo, emsp, capabilities, addressed):
    cpo.put(
        "receiver/locations/NL/ABC/LOC1",
        examples.location(evses=[examples.evse(uid="evse1", capabilities=capabilities)]),
    )
    cpo.put(SESSION1, examples.session())

    with nothing_changes():
        answered = emsp.put(PREFERENCES, examples.charging_preferences(), **addressed)

    assert answered.codes == (404, 2001)
    assert answered.message == "EVSE EVSE1, where this Session is, takes no charging preferences"
    assert cpo.calls == []


@pytest.mark.row("SES-04")
@pytest.mark.parametrize(
    "evses",
    [
        [examples.evse(capabilities=["CHARGING_PREFERENCES_CAPABLE"])],
        [examples.evse(uid="EVSE2", capabilities=[])],
        [],
    ],
    ids=["capable", "another EVSE", "no EVSE"],
)
def test_an_evse_that_may_take_preferences_is_asked(cpo, emsp, evses):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(evses=evses))
    cpo.put(SESSION1, examples.session())

    assert emsp.put(PREFERENCES, examples.charging_preferences()).codes == (200, 1000)
    assert len(cpo.calls) == 1


# --------------------------------------------------------------------------------------- PUT and PATCH
@pytest.mark.row("SES-07")
@pytest.mark.parametrize("nothing", [{}, {"charging_periods": []}, {"charging_periods": None}])
def test_put_replaces_periods_and_meter_with_the_rest(cpo, emsp, deliver, nothing):
    cpo.put(SESSION1, examples.session(meter_id="METER-1"))
    bare = without("charging_periods") | {"last_updated": LATER} | nothing

    assert cpo.put(SESSION1, bare).codes == (200, 1000)
    deliver()

    assert cpo.get(SESSION1).data == bare
    assert "meter_id" not in emsp.get(ALL).data[0]
    assert [call.body for call in emsp.received()] == [bare]


@pytest.mark.row("SES-08")
def test_patch_appends_periods(cpo, emsp, deliver):
    cpo.put(SESSION1, examples.session(charging_periods=[PERIOD, NEXT]))
    deliver()
    third = {"start_date_time": "2026-03-01T08:30:00Z", "dimensions": [{"type": "TIME", "volume": 0.5}]}
    change = {"charging_periods": [third], "kwh": 25.5, "last_updated": LATER}

    assert cpo.patch(SESSION1, change).codes == (200, 1000)
    deliver()

    assert periods(cpo) == [PERIOD, NEXT, third]
    assert cpo.get(SESSION1).data["kwh"] == 25.5
    assert emsp.get(ALL).data[0]["charging_periods"] == [PERIOD, NEXT, third]
    assert [(call.method, call.body) for call in emsp.received()][1:] == [("PATCH", change)]


@pytest.mark.row("SES-08")
@pytest.mark.parametrize("nothing", [{}, {"charging_periods": []}, {"charging_periods": None}])
def test_patch_without_periods_changes_none(cpo, emsp, nothing):
    cpo.put(SESSION1, examples.session())

    assert cpo.patch(SESSION1, {"kwh": 21, "last_updated": LATER} | nothing).codes == (200, 1000)

    assert cpo.get(SESSION1).data == examples.session(kwh=21, last_updated=LATER)


@pytest.mark.row("SES-08")
@pytest.mark.parametrize(
    "again",
    [
        b'{"start_date_time": "2026-03-01T07:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 20},'
        b' {"type": "TIME", "volume": 1}], "tariff_id": "TARIFF1"}',
        b'{"start_date_time": "2026-03-01T07:00:00", "dimensions": [{"type": "TIME", "volume": 1.0},'
        b' {"volume": 20.00, "type": "ENERGY"}]}',
        b'{"start_date_time": "2026-03-01T08:00:00+01:00", "dimensions": [{"type": "ENERGY", "volume": 2e1},'
        b' {"type": "TIME", "volume": 1}]}',
    ],
    ids=["as it was", "other numbers and no Z", "another zone"],
)
def test_a_period_that_comes_again_is_taken_once(cpo, emsp, again):
    cpo.put(SESSION1, examples.session())
    body = b'{"charging_periods": [' + again + b", " + again + b'], "last_updated": "2026-03-01T09:00:00Z"}'

    assert cpo.patch(SESSION1, body).codes == (200, 1000)

    assert periods(cpo) == [PERIOD]


@pytest.mark.row("SES-08")
def test_the_whole_list_with_every_patch_adds_what_is_new(cpo, emsp):
    cpo.put(SESSION1, examples.session())

    cpo.patch(SESSION1, {"charging_periods": [PERIOD, NEXT], "last_updated": LATER})
    cpo.patch(SESSION1, {"charging_periods": [PERIOD, NEXT], "last_updated": LATEST})

    assert periods(cpo) == [PERIOD, NEXT]


# ------------------------------------------------------------------------------------------------ status
@pytest.mark.row("SES-10")
def test_a_completed_session_takes_no_patch_and_only_a_newer_put(cpo, emsp, deliver):
    cpo.put(SESSION1, examples.session())
    done = {"status": "COMPLETED", "end_date_time": LATER, "last_updated": LATER}
    assert cpo.patch(SESSION1, done).codes == (200, 1000)
    deliver()
    pushed = len(emsp.received())

    with nothing_changes():
        patched = cpo.patch(SESSION1, {"kwh": 30, "last_updated": LATEST})
        reopened = cpo.patch(SESSION1, {"status": "ACTIVE", "last_updated": LATEST})
        as_new = cpo.put(SESSION1, examples.session(**done | {"kwh": 30}))
        older = cpo.put(SESSION1, examples.session(kwh=30))

    assert {patched.codes, reopened.codes} == {(200, 2001)}
    assert patched.message == (
        "$.status: is COMPLETED, and what is COMPLETED changes no more; to correct it, PUT all of it with a newer"
        " last_updated"
    )
    assert {as_new.codes, older.codes} == {(200, 1000)}
    assert as_new.message.startswith("accepted, but not stored")
    assert deliver() == 0

    newer = cpo.put(SESSION1, examples.session(**done | {"kwh": 30, "last_updated": LATEST}))
    deliver()

    assert newer.codes == (200, 1000)
    assert cpo.get(SESSION1).data["kwh"] == 30
    assert [call.body["kwh"] for call in emsp.received()[pushed:]] == [30]


@pytest.mark.row("SES-10")
@pytest.mark.parametrize("addressed", [{}, to("DE*MSP")], ids=["to the hub", "to the provider"])
def test_what_is_sent_again_because_its_answer_was_lost_is_accepted_after_completion_too(
    cpo, emsp, deliver, addressed
):
    """What came before the completion comes again after it as well, late."""
    begun = examples.session(charging_periods=[])
    period = examples.session()["charging_periods"][0]
    more = {"kwh": 15, "charging_periods": [period], "last_updated": LATER}
    done = {"status": "COMPLETED", "end_date_time": LATER, "kwh": 16, "last_updated": LATEST}
    cpo.put(SESSION1, begun, **addressed)
    cpo.patch(SESSION1, more, **addressed)
    assert cpo.patch(SESSION1, done, **addressed).codes == (200, 1000)
    deliver()

    with nothing_changes():
        again = [cpo.patch(SESSION1, change, **addressed) for change in (done, more, done)]
        whole = cpo.put(SESSION1, begun | more | done, **addressed)

    assert {answered.codes for answered in (*again, whole)} == {(200, 1000)}
    assert deliver() == 0
    assert cpo.get(SESSION1).data == begun | more | done


@pytest.mark.row("SES-11")
def test_start_date_time_moves_when_the_session_becomes_active(cpo, emsp):
    cpo.put(SESSION1, examples.session(status="PENDING", kwh=0, charging_periods=[]))

    change = {"status": "ACTIVE", "start_date_time": "2026-03-01T07:12:00Z", "last_updated": LATER}
    assert cpo.patch(SESSION1, change).codes == (200, 1000)

    stored = cpo.get(SESSION1).data
    assert (stored["status"], stored["start_date_time"]) == ("ACTIVE", "2026-03-01T07:12:00Z")
    assert format_time(Session.objects.get().start_date_time) == "2026-03-01T07:12:00Z"


@pytest.mark.row("SES-11")
@pytest.mark.parametrize(
    "order",
    [
        ("ACTIVE", "PENDING", "ACTIVE"),
        ("PENDING", "COMPLETED"),
        ("ACTIVE", "COMPLETED"),
        ("COMPLETED",),
        ("RESERVATION", "PENDING", "ACTIVE", "COMPLETED"),
        ("PENDING", "RESERVATION", "INVALID"),
    ],
)
def test_no_status_asks_for_another_before_it(cpo, emsp, order):
    first, *rest = order
    cpo.put(SESSION1, examples.session(status=first))

    answers = [
        cpo.patch(SESSION1, {"status": status, "last_updated": f"2026-03-01T{9 + number:02}:00:00Z"}).codes
        for number, status in enumerate(rest)
    ]

    assert set(answers) <= {(200, 1000)}
    assert cpo.get(SESSION1).data["status"] == order[-1]


# ------------------------------------------------------------------------------------------- reservations
RESERVATION = {"status": "RESERVATION", "kwh": 0, "charging_periods": []}


@pytest.mark.row("SES-12", "SES-14", "TRN-19")
def test_a_reservation_is_a_session_of_that_status_and_may_lack_evse_and_connector(cpo, emsp, deliver):
    made = examples.session(**RESERVATION, evse_uid="#NA", connector_id="#NA")

    assert cpo.put(SESSION1, made).codes == (201, 1000)
    deliver()

    assert [call.body for call in emsp.received("PUT")] == [made]
    assert "#NA" not in " ".join(Session.objects.get().findings)


@pytest.mark.row("SES-12")
@pytest.mark.parametrize("addressed", [{}, to("DE*MSP")], ids=["hub", "provider"])
def test_reserved_is_read_as_reservation_with_a_warning(cpo, emsp, deliver, caplog, addressed):
    made = examples.session(**RESERVATION | {"status": "RESERVED"}, x_evse={"status": "RESERVED"})

    with caplog.at_level(logging.WARNING, "sessions.models"):
        answered = cpo.put(SESSION1, made, **addressed)
    deliver()

    assert answered.status_code == 1000
    [record] = caplog.records
    assert record.getMessage().endswith("sends a Session with status RESERVED; it is read as RESERVATION")
    # What went to its provider directly went as it came.
    sent = made if addressed else made | {"status": "RESERVATION"}
    assert [call.body for call in emsp.received()] == [sent]
    assert emsp.get(ALL).data == [made | {"status": "RESERVATION"}]
    assert Session.objects.get().status == "RESERVATION"


@pytest.mark.row("SES-12")
def test_reserved_is_read_so_in_a_patch_too(cpo, emsp, deliver):
    cpo.put(SESSION1, examples.session(status="PENDING"))
    deliver()

    assert cpo.patch(SESSION1, {"status": "RESERVED", "last_updated": LATER}).codes == (200, 1000)
    deliver()

    assert cpo.get(SESSION1).data["status"] == "RESERVATION"
    assert emsp.received("PATCH")[0].body == {"status": "RESERVATION", "last_updated": LATER}


@pytest.mark.row("SES-12")
def test_nothing_else_that_is_reserved_is_touched(cpo, emsp):
    made = examples.session(meter_id="RESERVED", x_evse={"status": "RESERVED"})

    cpo.put(SESSION1, made)

    assert cpo.get(SESSION1).data == made
    with nothing_changes():
        assert cpo.put(SESSION1, b'"RESERVED"').codes == (200, 2001)
        assert cpo.put(SESSION1, b'{"status": "RESERVED"').codes == (400, 2000)


@pytest.mark.row("SES-13")
@pytest.mark.parametrize(
    "change",
    [
        {"status": "COMPLETED", "end_date_time": LATER},
        {"status": "ACTIVE", "evse_uid": "EVSE1", "connector_id": "1"},
    ],
    ids=["unused", "used"],
)
def test_a_reservation_ends_unused_or_becomes_active(cpo, emsp, deliver, change):
    reserved = examples.session(**RESERVATION, evse_uid="#NA", connector_id="#NA")
    cpo.put(SESSION1, reserved)

    assert cpo.patch(SESSION1, change | {"last_updated": LATER}).codes == (200, 1000)
    deliver()

    assert cpo.get(SESSION1).data == reserved | change | {"last_updated": LATER}
    assert emsp.get(ALL).data == [reserved | change | {"last_updated": LATER}]


# ------------------------------------------------------------------------------------------------- money
@pytest.mark.row("SES-16")
def test_a_missing_total_stays_missing_everywhere(cpo, emsp, deliver):
    made = without("total_cost")

    cpo.put(SESSION1, made)
    cpo.patch(SESSION1, {"kwh": 21, "last_updated": LATER})
    deliver()

    for seen in (cpo.get(SESSION1).data, emsp.get(ALL).data[0], emsp.received()[-1].body):
        assert "total_cost" not in seen


@pytest.mark.row("TYP-07")
@pytest.mark.parametrize(
    ("price", "message"),
    [
        ({"incl_vat": 30}, "$.total_cost.excl_vat: required field is missing"),
        ({"excl_vat": None, "incl_vat": 30}, "$.total_cost.excl_vat: required, so null is not allowed"),
        ({}, "$.total_cost.excl_vat: required field is missing"),
    ],
)
def test_a_price_without_vat_cannot_be_left_out(cpo, emsp, price, message):
    with nothing_changes():
        answered = cpo.put(SESSION1, examples.session(total_cost=price))

    assert answered.codes == (200, 2001)
    assert answered.message == message


@pytest.mark.row("TYP-07", "TYP-06")
def test_a_price_with_vat_may_be_left_out_and_digits_stay(cpo, emsp):
    body = parse(b'{"excl_vat": 25.10}')

    assert cpo.put(SESSION1, examples.session(total_cost={"excl_vat": 25.1})).codes == (201, 1000)

    assert parse(emsp.get(ALL).body)["data"][0]["total_cost"] == {"excl_vat": Decimal("25.1")} == body


# ------------------------------------------------------------------------------------------------ findings
@pytest.mark.row("SES-15")
def test_the_reference_that_was_given_last_comes_back(cpo, emsp, deliver):
    msp, abc = PartyRef("DE", "MSP"), PartyRef("NL", "ABC")
    grants.note(msp, "04A1B2C3D4", abc, "AUTH1", "authorize")
    grants.note(msp, "04A1B2C3D4", abc, "AUTH2", "START_SESSION")
    now = format_time(timezone.now())

    for number, reference in enumerate(["AUTH2", "AUTH1"]):
        made = examples.session(id=f"S{number}", authorization_reference=reference, last_updated=now)
        assert cpo.put(f"receiver/sessions/NL/ABC/S{number}", made).codes == (201, 1000)
    deliver()

    assert [call.body["authorization_reference"] for call in emsp.received()] == ["AUTH2", "AUTH1"]
    said = "authorization_reference is AUTH1, and the last one that DE*MSP gave is AUTH2."
    assert [said in session.findings for session in Session.objects.order_by("key")] == [False, True]


@pytest.mark.row("SES-17")
def test_a_session_at_an_unknown_place_is_kept_with_a_remark(cpo, emsp, rival, deliver):
    """Another operator's Location of the same id is not its."""
    rival.put("receiver/locations/BE/DEF/LOC1", examples.location(country_code="BE", party_id="DEF"))

    assert cpo.put(SESSION1, examples.session()).codes == (201, 1000)
    assert Session.objects.get().findings == ["The hub knows no Location LOC1 of NL*ABC."]

    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(evses=[examples.evse(uid="EVSE2")]))
    cpo.put(SESSION1, examples.session(last_updated=LATER))
    assert Session.objects.get().findings == ["The hub knows no EVSE EVSE1 at Location LOC1."]

    cpo.patch(SESSION1, {"evse_uid": "evse2", "last_updated": LATEST})
    assert Session.objects.get().findings == []
    assert Delivery.objects.filter(state="FAILED").count() == 0


# ------------------------------------------------------------------------------------------ whose it is
@pytest.mark.row("SES-18", "TRN-14")
def test_it_goes_to_the_provider_of_its_token_from_its_operator(cpo, emsp, other_emsp, stranger, deliver):
    cpo.put(SESSION1, examples.session())
    cpo.put("receiver/sessions/NL/ABC/SESSION2", of("AT", "PRO", id="SESSION2"))
    deliver()

    for partner, session_id in ((emsp, "SESSION1"), (other_emsp, "SESSION2")):
        [call] = partner.received()
        assert call.body["id"] == session_id
        assert (call.headers["OCPI-from-country-code"], call.headers["OCPI-from-party-id"]) == ("NL", "ABC")
        assert call.headers["OCPI-to-party-id"] == partner.party[-3:]
        page = partner.get(ALL)
        assert [session["id"] for session in page.data] == [session_id]
        assert page.headers["X-Total-Count"] == "1"
    assert stranger.calls == []
    assert stranger.get(ALL).data == []
    assert cpo.get(ALL).data == []


@pytest.mark.row("SES-18")
@pytest.mark.parametrize("addressed", [{}, to("NL*HUB")], ids=["nobody", "hub"])
def test_for_a_provider_that_the_hub_does_not_know_it_is_4001_and_not_kept(cpo, emsp, addressed):
    with nothing_changes():
        answered = cpo.put(SESSION1, of("FR", "AAA"), **addressed)

    assert answered.codes == (200, 4001)


@pytest.mark.row("SES-18")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_it_never_moves_to_another_provider(cpo, emsp, other_emsp, deliver, method):
    cpo.put(SESSION1, examples.session())

    with nothing_changes():
        answered = cpo.request(method, SESSION1, of("AT", "PRO", last_updated=LATER))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.cdr_token: belongs to AT*PRO")
    deliver()
    assert other_emsp.calls == []
