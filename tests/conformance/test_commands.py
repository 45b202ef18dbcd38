"""CMD-01 to CMD-04, CMD-07 to CMD-19: commands on their way to operators (mod_commands)."""

import json

import httpx
import pytest
from django.utils import timezone

from commands.models import Command
from ocpi_hub.exchange.models import Callback, Grant
from tests import examples
from tests.conformance.calls import METHODS, nothing_changes, raw, to
from tests.conformance.orders import (
    BODIES,
    START,
    STOP,
    TO_CPO,
    address,
    answering,
    asked,
    heard,
    post_command,
)
from tests.partners import enveloped, register

pytestmark = pytest.mark.django_db

REJECTED, UNKNOWN_SESSION = ({"result": result, "timeout": 0} for result in ("REJECTED", "UNKNOWN_SESSION"))


@pytest.fixture
def cpo(cpo):
    """An operator that accepts every command."""
    cpo.answers.append(answering())
    return cpo


# -------------------------------------------------------------------------------------------- the interfaces
@pytest.mark.row("CMD-01")
@pytest.mark.parametrize("method", [method for method in METHODS if method != "POST"])
def test_a_command_is_a_post_and_nothing_else(cpo, emsp, method):
    with nothing_changes():
        answered = emsp.request(method, START, examples.start_session(), **TO_CPO)

    assert answered.codes == (405, 2000)
    assert answered.headers["Allow"] == "POST"
    assert asked(cpo) == []


@pytest.mark.row("CMD-01")
@pytest.mark.parametrize("rest", ["", "/NONSENSE", "/start_session", "/START_SESSION/1", "/START_SESSION%2F"])
def test_another_name_is_no_command(cpo, emsp, rest):
    with nothing_changes():
        answered = emsp.post(f"receiver/commands{rest}", examples.start_session(), **TO_CPO)

    assert answered.codes == (404, 2001)
    assert answered.message == (
        "a command is a POST to the endpoint, a slash and one of CANCEL_RESERVATION, RESERVE_NOW, START_SESSION,"
        " STOP_SESSION, UNLOCK_CONNECTOR"
    )
    assert asked(cpo) == []


def test_the_sender_endpoint_is_listed_and_says_what_it_is_for(emsp):
    """Nobody ever calls the endpoint itself, only what is below it (interpretations, P52)."""
    endpoints = emsp.get("/ocpi/2.2.1").data["endpoints"]
    assert [(row["role"], row["url"]) for row in endpoints if row["identifier"] == "commands"] == [
        ("SENDER", "http://127.0.0.1:8000/ocpi/2.2.1/sender/commands"),
        ("RECEIVER", "http://127.0.0.1:8000/ocpi/2.2.1/receiver/commands"),
    ]

    with nothing_changes():
        answered = emsp.post("sender/commands", examples.command_result())
        others = {emsp.request(method, "sender/commands").codes for method in METHODS if method != "POST"}

    assert answered.codes == (404, 2001)
    assert answered.message == "a result is POSTed to exactly the response_url that came with the request"
    assert others == {(405, 2000)}


@pytest.mark.row("CMD-02")
@pytest.mark.parametrize("command", BODIES)
def test_each_command_goes_to_the_endpoint_a_slash_and_its_name(cpo, emsp, command):
    """Also where the operator's endpoint ends with a slash already (interpretations, P12)."""
    assert post_command(emsp, command).codes == (200, 1000)
    cpo.platform.endpoints.filter(module="commands", role="RECEIVER").update(
        url="https://abc.example/receiver/commands/"
    )
    assert post_command(emsp, command).codes == (200, 1000)

    assert [(call.method, call.path) for call in asked(cpo)] == [
        ("POST", f"/receiver/commands/{command}")
    ] * 2


@pytest.mark.row("CMD-02")
@pytest.mark.parametrize(
    ("command", "body", "message"),
    [
        ("START_SESSION", examples.stop_session(), "$.token: required field is missing"),
        ("STOP_SESSION", examples.start_session(), "$.session_id: required field is missing"),
        ("RESERVE_NOW", examples.start_session(), "$.expiry_date: required field is missing"),
        ("CANCEL_RESERVATION", examples.stop_session(), "$.reservation_id: required field is missing"),
        ("UNLOCK_CONNECTOR", examples.cancel_reservation(), "$.location_id: required field is missing"),
        (
            "STOP_SESSION",
            examples.stop_session(response_url="msp.example/1"),
            "$.response_url: not an absolute http or https URL",
        ),
        ("STOP_SESSION", [], "$: an object is expected"),
    ],
)
def test_the_body_fits_the_command(cpo, emsp, command, body, message):
    with nothing_changes():
        answered = emsp.post(f"receiver/commands/{command}", body, **TO_CPO)

    assert answered.codes == (200, 2001)
    assert answered.message == message
    assert asked(cpo) == []


@pytest.mark.row("CMD-18")
def test_a_connector_needs_its_evse(cpo, emsp):
    body = examples.start_session()
    del body["evse_uid"]

    with nothing_changes():
        answered = emsp.post(START, body, **TO_CPO)

    assert answered.codes == (200, 2001)
    assert answered.message == "$.evse_uid: needed with connector_id"


# ----------------------------------------------------------------------------------------- on the way out
@pytest.mark.row("CMD-21", "CMD-07")
def test_each_command_reaches_the_operator_with_an_address_of_the_hub_of_its_own(cpo, emsp):
    for _ in range(2):
        emsp.post(START, examples.start_session(), **TO_CPO)

    urls = [call.body["response_url"] for call in asked(cpo)]
    assert len(set(urls)) == 2
    assert all(
        url.startswith("http://127.0.0.1:8000/ocpi/2.2.1/sender/commands/START_SESSION/") for url in urls
    )
    assert all(len(url) <= 255 for url in urls)
    assert [call.headers["OCPI-from-party-id"] for call in asked(cpo)] == ["MSP"] * 2


def test_nothing_else_of_the_body_changes(cpo, emsp):
    body = (
        b'{"x_first": [1.50, 1E+2, {"z": "\\u00e9", "a": -0.0}], "session_id":"SESSION1" ,'
        b' "response_url": "https:\\/\\/msp.example/1", "x_last": 12345678901234567890}'
    )
    seen = []
    cpo.answers.insert(0, lambda request: seen.append(request.content))

    assert raw(emsp, "POST", f"/ocpi/2.2.1/{STOP}", body, **TO_CPO).codes == (200, 1000)

    [sent] = seen
    url = json.loads(sent)["response_url"]
    assert sent == (
        b'{"x_first":[1.50, 1E+2, {"z": "\\u00e9", "a": -0.0}],"session_id":"SESSION1","response_url":"'
        + url.encode()
        + b'","x_last":12345678901234567890}'
    )


@pytest.mark.row("CMD-03", "CMD-08")
def test_the_direct_answer_comes_back_as_it_is(cpo, emsp):
    told = {"result": "ACCEPTED", "timeout": 4321, "message": [{"language": "nl", "text": "Even geduld"}]}
    cpo.answers.insert(0, answering({**told, "x_more": 1}))

    answered = emsp.post(START, examples.start_session(), **TO_CPO)

    assert answered.codes == (200, 1000)
    assert answered.data == {**told, "x_more": 1}
    assert {name: answered.headers[name] for name in ("OCPI-from-party-id", "OCPI-to-party-id")} == {
        "OCPI-from-party-id": "ABC",
        "OCPI-to-party-id": "MSP",
    }
    callback = Callback.objects.get()
    assert (callback.answer, callback.timeout, callback.problem) == ("ACCEPTED", 4321, "")


SLOPPY = {
    "no timeout": ({"result": "ACCEPTED"}, "ACCEPTED", "$.timeout: required field is missing"),
    "small letters": (
        {"result": "accepted", "timeout": 30},
        "ACCEPTED",
        "$.result: 'accepted' is not one of ",
    ),
    "a negative timeout": ({"result": "ACCEPTED", "timeout": -1}, "ACCEPTED", ""),
    "a huge timeout": ({"result": "ACCEPTED", "timeout": 2**40}, "ACCEPTED", "$.timeout: "),
    "text": ("ACCEPTED", "", "$: an object is expected"),
    "a list": ([{"result": "ACCEPTED"}], "", "$: an object is expected"),
    "something else": ({"status": "OK"}, "", "$.result: required field is missing"),
    "a result that is none": ({"result": 7, "timeout": 30}, "", "$.result: "),
}


@pytest.mark.parametrize("kind", SLOPPY)
def test_a_direct_answer_that_is_none_comes_back_all_the_same_and_its_result_too(cpo, emsp, deliver, kind):
    """The operator may well be starting the charge: what it said is better than an error of ours."""
    data, answer, problem = SLOPPY[kind]
    cpo.answers.insert(0, answering(data))

    answered = emsp.post(START, examples.start_session(), **TO_CPO)

    assert answered.codes == (200, 1000)
    assert answered.data == data
    callback = Callback.objects.get()
    assert callback.answer == answer
    assert problem in callback.problem
    assert cpo.post(address(cpo), examples.command_result()).codes == (200, 1000)
    deliver()
    assert [call.body for call in heard(emsp)] == [examples.command_result()]


def test_a_direct_answer_without_data_comes_back_without_data(cpo, emsp):
    cpo.answers.insert(0, lambda request: enveloped(None))

    answered = emsp.post(START, examples.start_session(), **TO_CPO)

    assert answered.codes == (200, 1000)
    assert "data" not in answered.envelope
    assert Callback.objects.get().problem == "its answer has no data"


@pytest.mark.row("CMD-04")
@pytest.mark.parametrize("result", ["REJECTED", "NOT_SUPPORTED", "UNKNOWN_SESSION", "rejected"])
def test_what_follows_a_refusal_is_noted_and_goes_no_further(cpo, emsp, deliver, result):
    cpo.answers.insert(0, answering(examples.command_response(result=result)))
    assert emsp.post(START, examples.start_session(), **TO_CPO).data["result"] == result

    answered = cpo.post(address(cpo), examples.command_result(result="FAILED"))
    deliver()

    assert answered.codes == (200, 1000)
    assert (
        answered.message == "noted, and not passed on: the request was refused, or has had too many results"
    )
    assert heard(emsp) == []
    assert Callback.objects.get().result == "FAILED"
    assert Command.objects.get().state == "REFUSED"


@pytest.mark.parametrize(("http_status", "status_code"), [(200, 2001), (404, 2003), (200, 3000), (202, 1000)])
def test_codes_of_the_operator_come_back_with_its_data(cpo, emsp, http_status, status_code):
    cpo.answers.insert(0, answering(http_status=http_status, status_code=status_code))

    answered = emsp.post(START, examples.start_session(), **TO_CPO)

    assert answered.codes == (http_status, status_code)
    assert answered.data == examples.command_response()


def silent(request):
    raise httpx.ReadTimeout("no answer", request=request)


@pytest.mark.row("CMD-08")
def test_a_result_comes_through_although_there_was_no_direct_answer(cpo, emsp, deliver):
    cpo.answers.insert(0, silent)
    assert emsp.post(START, examples.start_session(), **TO_CPO).codes == (200, 4002)
    assert Command.objects.get().state == "NO_ANSWER"

    cpo.answers.pop(0)
    cpo.post(address(cpo), examples.command_result())
    deliver()

    assert [call.body for call in heard(emsp)] == [examples.command_result()]
    assert Command.objects.get().state == "DONE"


def test_an_operator_that_is_away_is_4003_and_gets_nothing_later(cpo, emsp, network, deliver):
    del network.hosts[cpo.host]

    assert emsp.post(START, examples.start_session(), **TO_CPO).codes == (200, 4003)

    network.hosts[cpo.host] = cpo.answer
    deliver()
    assert asked(cpo) == []
    assert Command.objects.get().state == "UNREACHABLE"


# ------------------------------------------------------------------------------------- to whom it goes
@pytest.fixture
def places(cpo, emsp):
    """What the hub knows: a Location, a Session and a reservation at NL*ABC."""
    assert cpo.put("receiver/locations/NL/ABC/LOC1", examples.location()).codes == (201, 1000)
    assert cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session()).codes == (201, 1000)
    assert post_command(emsp, "RESERVE_NOW").codes == (200, 1000)
    cpo.calls.clear()


@pytest.mark.parametrize("command", BODIES)
@pytest.mark.parametrize("headers", [{}, to("NL*HUB")], ids=["to nobody", "to the hub"])
def test_without_an_addressee_it_goes_to_whose_place_session_or_reservation_it_is(
    cpo, emsp, places, command, headers
):
    """However the id is spelled (interpretations, P127)."""
    made = BODIES[command]()
    changes = {
        name: made[name].lower() for name in ("location_id", "session_id", "reservation_id") if name in made
    }

    answered = emsp.post(f"receiver/commands/{command}", {**made, **changes}, **headers)

    assert answered.codes == (200, 1000)
    assert answered.headers["OCPI-from-party-id"] == "ABC"
    [call] = asked(cpo)
    assert (call.headers["OCPI-to-party-id"], call.headers["OCPI-from-party-id"]) == ("ABC", "MSP")


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("UNLOCK_CONNECTOR", "a location LOC1"),
        ("STOP_SESSION", "a session SESSION1"),
        ("CANCEL_RESERVATION", "a reservation RESERVATION1 of yours"),
    ],
)
def test_where_several_operators_fit_one_has_to_be_named(cpo, emsp, places, rival, command, what):
    rival.answers.append(answering())
    owner = {"country_code": "BE", "party_id": "DEF"}
    assert rival.put("receiver/locations/BE/DEF/LOC1", examples.location(**owner)).codes == (201, 1000)
    assert rival.put("receiver/sessions/BE/DEF/SESSION1", examples.session(**owner)).codes == (201, 1000)
    emsp.post("receiver/commands/RESERVE_NOW", examples.reserve_now(), **to("BE*DEF"))
    rival.calls.clear()

    with nothing_changes():
        answered = emsp.post(f"receiver/commands/{command}", BODIES[command]())

    assert answered.codes == (200, 4001)
    assert sorted(answered.message.partition(" each")[0].split(", ")) == ["BE*DEF", "NL*ABC"]
    assert answered.message.endswith(f" each have {what}; name one of them in OCPI-to")
    assert asked(cpo) == asked(rival) == []


@pytest.mark.row("CMD-09", "RSP-11")
@pytest.mark.parametrize("command", ["UNLOCK_CONNECTOR", "START_SESSION", "RESERVE_NOW"])
def test_an_unknown_location_is_2003_and_rejected(cpo, emsp, command):
    with nothing_changes():
        answered = emsp.post(f"receiver/commands/{command}", BODIES[command](location_id="NOWHERE"))

    assert answered.codes == (200, 2003)
    assert answered.data == REJECTED
    assert answered.message == (
        "this hub knows no location NOWHERE; if there is one, name its operator in OCPI-to"
    )
    assert asked(cpo) == []


@pytest.mark.row("CMD-09")
def test_an_unknown_session_is_said_to_be_so(cpo, emsp):
    with nothing_changes():
        answered = emsp.post(STOP, examples.stop_session(session_id="NONE"))

    assert answered.codes == (200, 1000)
    assert answered.data == UNKNOWN_SESSION
    assert asked(cpo) == []


@pytest.mark.row("CMD-09")
@pytest.mark.parametrize("command", BODIES)
def test_what_the_hub_does_not_know_the_addressee_is_asked_about(cpo, emsp, command):
    assert post_command(emsp, command).data == examples.command_response()

    assert len(asked(cpo)) == 1


@pytest.mark.row("CMD-10")
@pytest.mark.parametrize("headers", [{}, TO_CPO], ids=["to nobody", "to the operator"])
def test_the_session_of_another_providers_customer_is_rejected_unasked(
    cpo, emsp, places, other_emsp, headers
):
    with nothing_changes():
        answered = other_emsp.post(STOP, examples.stop_session(), **headers)

    assert answered.codes == (200, 1000)
    assert answered.data == REJECTED
    assert answered.message == "session SESSION1 is not one of AT*PRO's customers"
    assert asked(cpo) == []


def test_of_two_sessions_of_one_id_it_is_the_providers_own(cpo, emsp, places, rival, other_emsp):
    """Session ids are unique for each operator only."""
    theirs = examples.session(country_code="BE", party_id="DEF")
    theirs["cdr_token"] |= {"country_code": "AT", "party_id": "PRO"}
    assert rival.put("receiver/sessions/BE/DEF/SESSION1", theirs).codes == (201, 1000)
    rival.answers.append(answering())

    emsp.post(STOP, examples.stop_session())
    other_emsp.post(STOP, examples.stop_session())

    assert [len(asked(cpo)), len(asked(rival))] == [1, 1]
    assert asked(rival)[0].headers["OCPI-from-party-id"] == "PRO"


@pytest.mark.row("CMD-19")
def test_an_unknown_reservation_is_rejected(cpo, emsp, places, other_emsp):
    """Also one of another provider; UNKNOWN_RESERVATION is a result only (interpretations, P124)."""
    with nothing_changes():
        answers = [
            emsp.post(
                "receiver/commands/CANCEL_RESERVATION", examples.cancel_reservation(reservation_id="NONE")
            ),
            other_emsp.post("receiver/commands/CANCEL_RESERVATION", examples.cancel_reservation()),
        ]

    assert [(answered.codes, answered.data) for answered in answers] == [((200, 1000), REJECTED)] * 2
    assert asked(cpo) == []


@pytest.mark.row("CMD-19")
def test_a_reservation_is_cancelled_by_its_id_and_an_unknown_one_is_told_as_the_result(
    cpo, emsp, places, deliver
):
    emsp.post("receiver/commands/CANCEL_RESERVATION", examples.cancel_reservation())
    assert asked(cpo)[0].body["reservation_id"] == "RESERVATION1"

    cpo.post(address(cpo), examples.command_result(result="UNKNOWN_RESERVATION"))
    deliver()

    assert [call.body for call in heard(emsp)] == [{"result": "UNKNOWN_RESERVATION"}]
    assert Command.objects.get(command="CANCEL_RESERVATION").state == "FAILED"


def test_a_reservation_that_was_refused_is_none(cpo, emsp):
    cpo.answers.insert(0, answering(examples.command_response(result="REJECTED")))
    post_command(emsp, "RESERVE_NOW")

    answered = emsp.post("receiver/commands/CANCEL_RESERVATION", examples.cancel_reservation())

    assert answered.data == REJECTED
    assert len(asked(cpo)) == 1


def test_a_command_goes_to_operators_only(cpo, emsp, other_emsp):
    with nothing_changes():
        answered = emsp.post(START, examples.start_session(), **to("AT*PRO"))

    assert answered.codes == (200, 2001)
    assert answered.message == "OCPI-to names AT*PRO, which is no CPO; commands go to one"
    assert other_emsp.calls == []


# --------------------------------------------------------------------------------------------- tokens
@pytest.mark.row("CMD-15")
@pytest.mark.parametrize("command", ["START_SESSION", "RESERVE_NOW"])
@pytest.mark.parametrize("headers", [{}, TO_CPO], ids=["to nobody", "to the operator"])
def test_a_provider_uses_its_own_tokens(cpo, other_emsp, command, headers):
    with nothing_changes():
        answered = other_emsp.post(f"receiver/commands/{command}", BODIES[command](), **headers)

    assert answered.codes == (200, 2001)
    assert answered.data == REJECTED
    assert answered.message == (
        "$.token: belongs to DE*MSP, and AT*PRO sends this; a command uses tokens of its sender"
    )
    assert asked(cpo) == []


@pytest.mark.row("CMD-12", "CMD-16")
@pytest.mark.parametrize("command", ["START_SESSION", "RESERVE_NOW"])
@pytest.mark.parametrize("changes", [{}, {"valid": False}, {"whitelist": "NEVER"}], ids=str)
def test_a_token_need_be_neither_known_nor_valid(cpo, emsp, command, changes):
    body = BODIES[command](token=examples.token(uid="NEVERPUSHED", **changes))

    assert emsp.post(f"receiver/commands/{command}", body, **TO_CPO).codes == (200, 1000)

    assert asked(cpo)[0].body["token"] == body["token"]


@pytest.mark.row("CMD-12", "CMD-13", "CMD-14")
@pytest.mark.parametrize("kind", ["RFID", "APP_USER", "AD_HOC_USER", "OTHER"])
@pytest.mark.parametrize("command", ["START_SESSION", "RESERVE_NOW"])
def test_the_hub_asks_nobody_to_authorize_the_token_of_a_command(cpo, emsp, deliver, command, kind):
    token = examples.token(type=kind)
    assert emsp.put(f"receiver/tokens/DE/MSP/04A1B2C3D4?type={kind}", token).codes == (201, 1000)
    deliver()

    for _ in range(2):
        emsp.post(f"receiver/commands/{command}", BODIES[command](token=token), **TO_CPO)
    cpo.post(address(cpo), examples.command_result())
    deliver()

    assert [call.path for call in emsp.calls] == ["/ocpi/results/1"]


@pytest.mark.row("CMD-17")
def test_the_token_of_the_command_comes_back_in_session_and_cdr(cpo, emsp, deliver):
    """The hub has never heard of the token, and brings both to its owner (interpretations, P122)."""
    emsp.post(START, examples.start_session(token=examples.token(type="APP_USER", uid="APP1")), **TO_CPO)
    sent = asked(cpo)[0].body["token"]
    cdr_token = {name: sent[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}

    now = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    session = examples.session(
        cdr_token=cdr_token, auth_method="COMMAND", start_date_time=now, last_updated=now
    )
    assert cpo.put("receiver/sessions/NL/ABC/SESSION1", session).codes == (201, 1000)
    assert cpo.post("receiver/cdrs", examples.cdr(cdr_token=cdr_token, auth_method="COMMAND")).codes == (
        201,
        1000,
    )
    deliver()

    assert [call.body["cdr_token"] for call in emsp.received()] == [cdr_token] * 2


@pytest.mark.row("LOC-22")
def test_an_evse_that_asks_for_a_connector_is_not_started_without_one(cpo, emsp):
    evse = examples.evse(capabilities=["REMOTE_START_STOP_CAPABLE", "START_SESSION_CONNECTOR_REQUIRED"])
    other = examples.evse(uid="EVSE2", evse_id="NL*ABC*E0002*1")
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(evses=[evse, other]))
    body = examples.start_session(evse_uid="evse1")
    del body["connector_id"]

    for headers in ({}, TO_CPO):
        with nothing_changes():
            answered = emsp.post(START, body, **headers)
        assert answered.codes == (200, 2001)
        assert answered.message == ("$.connector_id: required field is missing; NL/ABC/LOC1/evse1 needs it")
    assert asked(cpo) == []

    assert emsp.post(START, {**body, "connector_id": "1"}).codes == (200, 1000)
    assert emsp.post(START, {**body, "evse_uid": "EVSE2"}).codes == (200, 1000)
    assert emsp.post(START, {**body, "evse_uid": "UNKNOWN"}).codes == (200, 1000)


def test_a_reference_is_noted_for_whoever_compares_it_later_unless_the_operator_refuses(cpo, emsp):
    for result in ("ACCEPTED", "REJECTED"):
        cpo.answers.insert(0, answering(examples.command_response(result=result)))
        body = examples.start_session(authorization_reference=f"REF-{result}")
        emsp.post(START, body, **TO_CPO)

    assert list(
        Grant.objects.values_list("token_owner", "token_key", "operator", "reference", "given_by")
    ) == [("DE*MSP", "04A1B2C3D4", "NL*ABC", "REF-ACCEPTED", "START_SESSION")]


@pytest.mark.parametrize(
    "name", ["START_SESSION", "STOP_SESSION", "RESERVE_NOW", "CANCEL_RESERVATION", "UNLOCK_CONNECTOR"]
)
def test_one_operator_commands_nothing_at_another(cpo, emsp, network, name):
    rival = register(network, "CPX", "XX-CPX-CPO")
    body = getattr(examples, name.lower())()

    with nothing_changes():
        answered = rival.post(f"receiver/commands/{name}", body, **to("NL*ABC"))

    assert answered.codes == (200, 2001)
    assert answered.message == "XX*CPX sends this; commands are for EMSP and NSP and OTHER"
    assert cpo.received("POST") == []
