"""CHP-01 to CHP-14: charging profiles, their results and updates (mod_charging_profiles)."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from chargingprofiles.models import ProfileRequest
from chargingprofiles.queries import take_response_url
from ocpi_hub.exchange.models import Callback, Delivery
from tests import examples
from tests.conformance.calls import METHODS, nothing_changes, to
from tests.partners import enveloped, register

pytestmark = pytest.mark.django_db

SESSION = "receiver/chargingprofiles/SESSION1"
UPDATES = "sender/chargingprofiles/SESSION1"
ODD_URL = "https://msp.example/results?id=1&next=https://a.example/?b=c&d=%2F"
PROFILE = {"result": "ACCEPTED", "profile": examples.active_charging_profile()}
RESULTS = {"GET": PROFILE, "PUT": {"result": "ACCEPTED"}, "DELETE": {"result": "REJECTED"}}


@pytest.fixture(autouse=True)
def session(cpo, emsp):
    """A Session of the provider, that the hub knows."""
    assert cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session()).codes == (201, 1000)


@pytest.fixture
def scsp(db, network):
    """A provider of smart charging."""
    return register(network, "SCP", "BE-SCP-SCSP")


def answering(data=None, **options):
    """The operator's direct answer."""
    data = examples.charging_profile_response() if data is None else data
    return lambda request: (
        enveloped(data, **options) if "/receiver/chargingprofiles" in request.url.path else None
    )


def request(partner, method, url=ODD_URL, session=SESSION, **headers):
    if method == "PUT":
        return partner.put(session, examples.set_charging_profile(response_url=url), **headers)
    duration = "duration=900&" if method == "GET" else ""
    return partner.request(method, f"{session}?{duration}response_url={quote(url, safe='')}", **headers)


def asked(cpo):
    """What the operator got last, and the response_url in it."""
    call = [call for call in cpo.calls if "/receiver/chargingprofiles" in call.path][-1]
    url = call.body["response_url"] if call.body else parse_qs(urlsplit(call.url).query)["response_url"][0]
    return call, "/ocpi" + url.partition("/ocpi")[2]


def sent_to(partner, path):
    return [call.body for call in partner.calls if call.path.startswith(path)]


# ------------------------------------------------------------------------------------------------ requests
@pytest.mark.row("CHP-04", "CHP-12")
@pytest.mark.parametrize("addressed", [True, False], ids=["to the operator", "to nobody"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_request_goes_to_the_operator_with_a_response_url_of_the_hub(cpo, emsp, method, addressed):
    cpo.answers.append(answering())

    answered = request(emsp, method, **(to("NL*ABC") if addressed else {}))

    assert answered.codes == (200, 1000)
    assert answered.data == examples.charging_profile_response()
    assert answered.headers["OCPI-from-party-id"] == "ABC"
    call, url = asked(cpo)
    assert (call.method, urlsplit(call.url).path) == (method, "/receiver/chargingprofiles/SESSION1")
    assert url.startswith(f"/ocpi/2.2.1/sender/chargingprofiles/{method}/")
    assert call.headers["OCPI-from-party-id"] == "MSP"
    row = ProfileRequest.objects.get()
    assert (row.session_id, row.callback.answer, row.callback.response_url) == (
        "SESSION1",
        "ACCEPTED",
        ODD_URL,
    )


@pytest.mark.row("CHP-02")
def test_a_put_carries_the_profile_unchanged_but_for_the_response_url(cpo, emsp):
    cpo.answers.append(answering())
    body = examples.set_charging_profile(x_more={"a": [1, 2]})

    emsp.put(SESSION, body)

    call, _ = asked(cpo)
    assert list(call.body) == list(body)
    assert {**call.body, "response_url": ""} == {**body, "response_url": ""}


@pytest.mark.row("CHP-01", "CHP-03", "CHP-02")
@pytest.mark.parametrize(
    ("method", "query", "message"),
    [
        (
            "GET",
            "response_url=https%3A%2F%2Fa.example",
            "duration: required in the query, before a response_url that is not encoded",
        ),
        ("GET", "duration=1.5&response_url=https%3A%2F%2Fa.example", "duration: '1.5' is no whole number"),
        ("GET", "duration=-1&response_url=https%3A%2F%2Fa.example", "duration: '-1' is no whole number"),
        ("GET", "duration=900", "response_url: required in the query"),
        ("DELETE", "", "response_url: required in the query"),
        ("DELETE", "response_url=", "response_url: required in the query"),
        ("DELETE", "response_url=ftp%3A%2F%2Fa.example", "response_url: not an absolute http or https URL"),
    ],
)
def test_what_is_missing_in_the_query_is_2001(cpo, emsp, method, query, message):
    with nothing_changes():
        answered = emsp.request(method, f"{SESSION}?{query}", **to("NL*ABC"))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(message)
    assert cpo.calls == []


@pytest.mark.row("CHP-02", "CHP-13")
@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"response_url": None}, "$.response_url"),
        ({"charging_profile": None}, "$.charging_profile"),
        (
            {"charging_profile": {"charging_rate_unit": "W", "min_charging_rate": 8.15}},
            "$.charging_profile.min_charging_rate",
        ),
    ],
)
def test_what_is_wrong_in_a_profile_is_2001_by_its_name(cpo, emsp, changes, place):
    with nothing_changes():
        answered = emsp.put(SESSION, examples.set_charging_profile(**changes), **to("NL*ABC"))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"{place}: ")
    assert cpo.calls == []


@pytest.mark.row("CHP-14")
@pytest.mark.parametrize(
    ("query", "url", "rest"),
    [
        (
            "duration=9&response_url=https%3A%2F%2Fa.example%2F%3Fb%3D1%26c%3D2",
            "https://a.example/?b=1&c=2",
            "duration=9",
        ),
        ("response_url=https%3A%2F%2Fa.example%2F%253F&duration=9", "https://a.example/%3F", "duration=9"),
        ("duration=9&response_url=https://a.example/?b=1&c=2", "https://a.example/?b=1&c=2", "duration=9"),
        ("response_url=https://a.example/%2F?b=1&duration=9", "https://a.example/%2F?b=1&duration=9", ""),
        ("x=1&response_url=https%3A%2F%2Fa.example&y=%20", "https://a.example", "x=1&y=%20"),
    ],
)
def test_a_response_url_in_the_query_is_decoded_once_or_takes_the_rest(query, url, rest):
    assert take_response_url(query) == (url, rest)


@pytest.mark.row("CHP-14")
def test_an_unencoded_response_url_is_called_as_it_came_and_passed_on_encoded(cpo, emsp, deliver):
    cpo.answers.append(answering())

    assert emsp.get(f"{SESSION}?duration=900&response_url={ODD_URL}").codes == (200, 1000)
    call, url = asked(cpo)
    cpo.post(url, PROFILE)
    deliver()

    raw = urlsplit(call.url).query
    assert raw.startswith("duration=900&response_url=http%3A%2F%2F")
    assert [str(call.url) for call in emsp.calls if call.method == "POST"] == [ODD_URL]


@pytest.mark.row("CHP-10")
def test_too_often_is_relayed_as_it_came(cpo, emsp):
    cpo.answers.append(answering(examples.charging_profile_response(result="TOO_OFTEN")))

    assert request(emsp, "GET").data["result"] == "TOO_OFTEN"


@pytest.mark.row("CHP-11")
def test_an_unknown_session_is_said_so_by_the_operator_or_by_the_hub(cpo, emsp):
    cpo.answers.append(answering(examples.charging_profile_response(result="UNKNOWN_SESSION")))
    there = request(emsp, "PUT", session="receiver/chargingprofiles/NONE", **to("NL*ABC"))
    calls = len(cpo.calls)
    with nothing_changes():
        here = request(emsp, "PUT", session="receiver/chargingprofiles/NONE")

    assert (there.codes, there.data["result"]) == ((200, 1000), "UNKNOWN_SESSION")
    assert (here.codes, here.data) == ((200, 1000), {"result": "UNKNOWN_SESSION", "timeout": 0})
    assert len(cpo.calls) == calls


@pytest.mark.parametrize("addressed", [True, False])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_session_of_another_provider_is_none(cpo, emsp, network, method, addressed):
    other = register(network, "OTH", "FR-OTH-EMSP")

    with nothing_changes():
        answered = request(other, method, **(to("NL*ABC") if addressed else {}))

    assert answered.data == {"result": "UNKNOWN_SESSION", "timeout": 0}
    assert cpo.calls == []


@pytest.mark.row("CHP-12")
def test_a_smart_charging_provider_may_mean_any_session(cpo, emsp, scsp, deliver):
    cpo.answers.append(answering())

    assert request(scsp, "PUT", "https://scp.example/results").data["result"] == "ACCEPTED"
    _, url = asked(cpo)
    cpo.post(url, {"result": "ACCEPTED"})
    deliver()

    assert sent_to(scsp, "/results") == [{"result": "ACCEPTED"}]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_other_methods_are_405(cpo, emsp, method):
    with nothing_changes():
        answered = emsp.request(method, SESSION, examples.set_charging_profile())

    assert answered.codes == (405, 2000)
    assert answered.headers["Allow"] == "GET, PUT, DELETE"


@pytest.mark.parametrize(
    "path", ["receiver/chargingprofiles", f"{SESSION}/more", "receiver/chargingprofiles/a/b/c"]
)
def test_there_is_nothing_beside_a_session(cpo, emsp, path):
    with nothing_changes():
        assert {request(emsp, method, session=path).http_status for method in ("GET", "PUT", "DELETE")} == {
            404
        }


# -------------------------------------------------------------------------------------------------- results
@pytest.mark.row("CHP-05", "CHP-06")
@pytest.mark.parametrize("enveloped_result", [False, True], ids=["bare", "in an envelope"])
@pytest.mark.parametrize("method", RESULTS)
def test_each_kind_of_request_has_its_kind_of_result(cpo, emsp, deliver, method, enveloped_result):
    cpo.answers.append(answering())
    request(emsp, method)
    _, url = asked(cpo)
    body = {"status_code": 1000, "data": RESULTS[method]} if enveloped_result else RESULTS[method]

    answered = cpo.post(url, body)
    deliver()

    assert answered.codes == (200, 1000)
    assert "data" not in answered.envelope
    assert [(str(call.url), call.body) for call in emsp.calls if call.method == "POST"] == [
        (ODD_URL, RESULTS[method])
    ]


@pytest.mark.row("CHP-05")
def test_a_result_of_another_kind_is_2001_and_goes_nowhere(cpo, emsp, deliver):
    cpo.answers.append(answering())
    request(emsp, "GET")
    _, url = asked(cpo)

    with nothing_changes():
        answered = cpo.post(url, {"result": "ACCEPTED", "profile": {"start_date_time": "now"}})

    assert answered.codes == (200, 2001)
    assert deliver() == 1  # the Session


def test_nobody_but_whoever_was_asked_can_use_the_address(cpo, emsp, stranger):
    cpo.answers.append(answering())
    request(emsp, "PUT")
    _, url = asked(cpo)

    with nothing_changes():
        answers = [partner.post(url, {"result": "ACCEPTED"}) for partner in (emsp, stranger)]
        answers.append(cpo.post(url.replace("/PUT/", "/DELETE/"), {"result": "ACCEPTED"}))

    assert {answered.http_status for answered in answers} == {404}
    assert Callback.objects.get().results == 0


# -------------------------------------------------------------------------------------------------- updates
def set_profile(cpo, partner, result="ACCEPTED"):
    cpo.answers.append(answering())
    request(partner, "PUT", f"https://{partner.host}/results")
    _, url = asked(cpo)
    assert cpo.post(url, {"result": result}).codes == (200, 1000)


@pytest.mark.row("CHP-07", "CHP-09", "CHP-06")
def test_an_update_goes_to_whoever_set_the_profile_last(cpo, emsp, scsp):
    set_profile(cpo, emsp)
    set_profile(cpo, scsp)

    answered = cpo.put(UPDATES, examples.active_charging_profile())

    assert answered.codes == (200, 1000)
    assert "data" not in answered.envelope
    assert answered.headers["OCPI-from-party-id"] == "SCP"
    path = "/sender/chargingprofiles/SESSION1"
    assert sent_to(scsp, path) == [examples.active_charging_profile()]
    assert sent_to(emsp, path) == []


@pytest.mark.row("CHP-07")
def test_an_update_for_a_party_goes_there_without_data_in_the_answer(cpo, emsp):
    emsp.answers.append(lambda request: enveloped({"some": "data"}))

    answered = cpo.put(UPDATES, examples.active_charging_profile(), **to("DE*MSP"))

    assert answered.codes == (200, 1000)
    assert "data" not in answered.envelope
    assert sent_to(emsp, "/sender/chargingprofiles/SESSION1") == [examples.active_charging_profile()]


@pytest.mark.row("CHP-08")
@pytest.mark.parametrize("result", [None, "REJECTED", "UNKNOWN"])
def test_before_a_profile_was_set_with_success_there_are_no_updates(cpo, emsp, result):
    if result:
        set_profile(cpo, emsp, result)
    calls = len(emsp.calls)

    with nothing_changes():
        answered = cpo.put(UPDATES, examples.active_charging_profile())

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("nobody has set a charging profile of NL*ABC's session SESSION1")
    assert len(emsp.calls) == calls


def test_another_operator_reaches_nobody_with_the_same_session_id(cpo, emsp, stranger):
    set_profile(cpo, emsp)

    with nothing_changes(besides=(Delivery,)):
        answered = stranger.put(UPDATES, examples.active_charging_profile())

    assert answered.codes == (200, 2001)


def test_an_update_that_the_hub_addresses_is_checked(cpo, emsp):
    set_profile(cpo, emsp)

    with nothing_changes():
        answered = cpo.put(UPDATES, examples.active_charging_profile(start_date_time="now"))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.start_date_time: ")


def test_the_sender_interface_has_put_and_post(cpo, emsp):
    with nothing_changes():
        codes = {
            method: cpo.request(method, UPDATES, {}).codes
            for method in METHODS
            if method not in ("PUT", "POST")
        }

    assert set(codes.values()) == {(405, 2000)}


def test_an_operator_asks_for_no_profile_at_another(cpo, emsp, network):
    rival = register(network, "CPX", "XX-CPX-CPO")

    with nothing_changes():
        answered = request(rival, "PUT", **to("NL*ABC"))

    assert answered.codes == (200, 2001)
    assert answered.message == "XX*CPX sends this; chargingprofiles are for EMSP and SCSP and OTHER"


@pytest.mark.parametrize("addressed", [True, False])
def test_the_profile_of_another_operators_session_is_not_told(cpo, emsp, stranger, addressed):
    calls = len(emsp.calls)
    with nothing_changes():
        answered = stranger.put(
            UPDATES, examples.active_charging_profile(), **(to("DE*MSP") if addressed else {})
        )

    assert answered.codes == (200, 2001)
    assert answered.message == "session SESSION1 is not one of FR*XYZ's"
    assert len(emsp.calls) == calls


def test_a_blank_at_the_end_of_an_id_makes_it_no_other_session(cpo, emsp, network):
    other = register(network, "OTH", "FR-OTH-EMSP")

    with nothing_changes():
        answered = request(other, "PUT", session=SESSION + "%20", **to("NL*ABC"))

    assert answered.codes == (200, 2001)
    assert answered.message == "'SESSION1 ' in the URL has a blank at its end or beginning"
