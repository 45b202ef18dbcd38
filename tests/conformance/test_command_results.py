"""CMD-05, CMD-06, CMD-08, CMD-20, CMD-21: results of commands on their way back to providers (mod_commands)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from commands.models import Command
from ocpi_hub.exchange.models import Callback, Delivery
from ocpi_hub.protocol.headers import authorization
from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.conformance.orders import BODIES, START, TO_CPO, address, answering, heard, post_command
from tests.partners import register

pytestmark = pytest.mark.django_db

ODD_URL = "https://msp.example:8443/a//b;c/?id=1&next=https://x.example/?y=%2F&empty=&z"


@pytest.fixture
def cpo(cpo):
    """An operator that accepts every command."""
    cpo.answers.append(answering())
    return cpo


# --------------------------------------------------------------------------------------------- results
@pytest.mark.row("CMD-05", "CMD-06")
@pytest.mark.parametrize("enveloping", [False, True], ids=["bare", "in an envelope"])
@pytest.mark.parametrize("command", BODIES)
def test_a_result_goes_bare_to_exactly_the_given_response_url(cpo, emsp, deliver, command, enveloping):
    """Many operators send it in an envelope (interpretations, P123)."""
    post_command(emsp, command, response_url=ODD_URL)
    result = examples.command_result(result="EVSE_OCCUPIED", message=[{"language": "en", "text": "Taken"}])

    answered = cpo.post(address(cpo), {"status_code": 1000, "data": result} if enveloping else result)
    deliver()

    assert answered.codes == (200, 1000)
    assert "data" not in answered.envelope
    assert "status_message" not in answered.envelope
    [call] = emsp.calls
    assert (call.method, call.url, call.body) == ("POST", ODD_URL, result)


@pytest.mark.row("CMD-21", "CMD-06")
def test_a_result_comes_from_the_operator_with_the_ids_of_the_command(cpo, emsp, deliver):
    emsp.post(START, examples.start_session(), **TO_CPO, **{"X-Correlation-ID": "the-command"})

    cpo.post(address(cpo), examples.command_result(), **{"X-Correlation-ID": "another", "X-Request-ID": "1"})
    deliver()

    [call] = heard(emsp)
    names = ("OCPI-from-country-code", "OCPI-from-party-id", "OCPI-to-country-code", "OCPI-to-party-id")
    assert [call.headers[name] for name in names] == ["NL", "ABC", "DE", "MSP"]
    assert call.headers["X-Correlation-ID"] == "the-command"
    assert call.headers["X-Request-ID"] not in ("1", "")
    assert call.headers["Authorization"] == authorization("token-of-msp")


ODD_HEADERS = {
    "none": {},
    "to the provider": to("DE*MSP"),
    "to the hub": to("NL*HUB"),
    "to an unknown party": to("XX*XXX"),
    "half a pair": {"OCPI-to-country-code": "DE"},
    "nonsense": to("?*!"),
    "from nobody of theirs": {"OCPI-from-country-code": "XX", "OCPI-from-party-id": "XXX"},
}


@pytest.mark.parametrize("kind", ODD_HEADERS)
def test_whatever_the_routing_headers_of_a_result_say_it_is_taken(cpo, emsp, deliver, kind):
    """They are not described for these calls (interpretations, P51)."""
    emsp.post(START, examples.start_session(), **TO_CPO)
    cpo.party = ""

    answered = cpo.post(address(cpo), examples.command_result(), **ODD_HEADERS[kind])
    deliver()

    assert answered.codes == (200, 1000)
    assert [answered.headers[f"OCPI-{end}-party-id"] for end in ("from", "to")] == ["HUB", "ABC"]
    assert len(heard(emsp)) == 1


def test_a_platform_with_several_operators_need_not_say_which_one_brings_a_result(network, emsp, deliver):
    two = register(network, "TWO", "BE-ONE-CPO", "BE-TWO-CPO")
    two.answers.append(answering())
    emsp.post(START, examples.start_session(), **to("BE*TWO"))
    two.party = ""

    assert two.post(address(two), examples.command_result()).codes == (200, 1000)
    deliver()

    assert heard(emsp)[0].headers["OCPI-from-party-id"] == "TWO"


@pytest.mark.row("CMD-05")
def test_each_different_result_goes_on_once(cpo, emsp, deliver):
    emsp.post(START, examples.start_session(), **TO_CPO)
    first, second = examples.command_result(), examples.command_result(result="FAILED")

    notes = [cpo.post(address(cpo), result).message for result in (first, first, second, second, first)]
    deliver()

    again = "this result came before, and went on then"
    assert notes == ["", again, "", again, again]
    assert [call.body for call in heard(emsp)] == [first, second]
    callback = Callback.objects.get()
    assert (callback.result, callback.results) == ("FAILED", 5)
    assert Command.objects.get().state == "FAILED"


@pytest.mark.row("CMD-05")
@pytest.mark.parametrize("who", ["emsp", "rival", "stranger"])
def test_nobody_but_the_platform_that_was_asked_brings_a_result(request, cpo, emsp, deliver, who):
    emsp.post(START, examples.start_session(), **TO_CPO)
    other = request.getfixturevalue(who)

    with nothing_changes():
        answered = other.post(address(cpo), examples.command_result())

    assert answered.codes == (404, 2001)
    assert answered.message == (
        "no result is expected at this address: it is of another party, or its time is over"
    )
    deliver()
    assert heard(emsp) == []


@pytest.mark.parametrize("end", ["", "/x", "x", "/../x"])
@pytest.mark.parametrize("command", ["STOP_SESSION", "NONSENSE"])
def test_an_address_that_the_hub_did_not_give_out_is_none(cpo, emsp, command, end):
    emsp.post(START, examples.start_session(), **TO_CPO)

    with nothing_changes():
        answered = cpo.post(address(cpo).replace("START_SESSION", command) + end, examples.command_result())

    assert answered.codes == (404, 2001)


@pytest.mark.row("CMD-06")
@pytest.mark.parametrize(
    ("body", "codes", "message"),
    [
        (b"{", (400, 2000), "the body is not JSON"),
        (b"[]", (200, 2001), "$: an object is expected"),
        (b"{}", (200, 2001), "$.result: required field is missing"),
        (b'{"status_code": 1000}', (200, 2001), "$.result: required field is missing"),
        (b'{"result": "NONSENSE"}', (200, 2001), "$.result: 'NONSENSE' is not one of "),
        (
            b'{"data": {"result": "UNKNOWN_SESSION"}}',
            (200, 2001),
            "$.result: 'UNKNOWN_SESSION' is not one of ",
        ),
    ],
)
def test_what_is_no_result_is_refused_and_a_better_one_still_taken(cpo, emsp, deliver, body, codes, message):
    emsp.post(START, examples.start_session(), **TO_CPO)

    with nothing_changes():
        answered = cpo.post(address(cpo), body)

    assert answered.codes == codes
    assert answered.message.startswith(message)
    assert cpo.post(address(cpo), examples.command_result()).codes == (200, 1000)
    deliver()
    assert len(heard(emsp)) == 1


@pytest.mark.row("CMD-08", "CMD-20")
def test_a_result_is_taken_for_a_week_and_no_longer(cpo, emsp, settings):
    settings.HUB_CALLBACK_DAYS = 7
    emsp.post(START, examples.start_session(), **TO_CPO)
    callback = Callback.objects.get()
    assert callback.expires_at - callback.created_at == timedelta(days=7)

    Callback.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with nothing_changes():
        answered = cpo.post(address(cpo), examples.command_result())

    assert answered.codes == (404, 2001)


@pytest.mark.row("CMD-20")
def test_a_reservation_is_cancelled_by_the_operator_until_a_week_after_its_end(cpo, emsp, deliver):
    """Its two results are a promise and, days after, the end of it."""
    until = timezone.now() + timedelta(days=20)
    post_command(emsp, "RESERVE_NOW", expiry_date=until.strftime("%Y-%m-%dT%H:%M:%S"))
    cpo.post(address(cpo), examples.command_result())
    deliver()

    callback = Callback.objects.get()
    assert timedelta(0) <= until + timedelta(days=7) - callback.expires_at < timedelta(seconds=1)
    cpo.post(address(cpo), examples.command_result(result="CANCELED_RESERVATION"))
    deliver()

    assert [call.body["result"] for call in heard(emsp)] == ["ACCEPTED", "CANCELED_RESERVATION"]
    assert Command.objects.get().state == "CANCELED"


@pytest.mark.parametrize(
    ("expiry_date", "days"),
    [("9999-12-31T23:59:59Z", 407), ("0001-01-01T00:00:00Z", 7)],
    ids=["far", "long ago"],
)
def test_an_address_is_kept_for_a_year_at_most_and_a_week_at_least(cpo, emsp, expiry_date, days):
    assert post_command(emsp, "RESERVE_NOW", expiry_date=expiry_date).codes == (200, 1000)

    callback = Callback.objects.get()
    assert callback.expires_at - callback.created_at == timedelta(days=days)


@pytest.mark.row("CMD-08")
def test_a_provider_that_is_away_gets_the_result_first_when_it_is_back(cpo, emsp, network, deliver):
    emsp.post(START, examples.start_session(), **TO_CPO)
    del network.hosts[emsp.host]
    for number in range(3):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    deliver()
    cpo.post(address(cpo), examples.command_result())
    deliver()
    assert heard(emsp) == []

    network.hosts[emsp.host] = emsp.answer
    Delivery.objects.update(next_attempt_at=timezone.now())
    deliver()

    assert emsp.calls[0].path == "/ocpi/results/1"
    assert len(emsp.received()) == 3
    assert set(Delivery.objects.values_list("state", flat=True)) == {"DELIVERED"}


def test_a_provider_that_takes_no_pushes_gets_its_results(cpo, emsp, deliver):
    emsp.platform.pull_only = True
    emsp.platform.save()
    emsp.platform.endpoints.all().delete()
    emsp.post(START, examples.start_session(), **TO_CPO)

    cpo.post(address(cpo), examples.command_result())
    deliver()

    assert len(heard(emsp)) == 1


def test_a_platform_commands_its_own_chargers_through_the_hub_as_well(stranger, deliver):
    stranger.answers.append(answering())
    token = examples.token(country_code="FR", party_id="XYZ")
    headers = to("FR*XYZ")

    url = "https://xyz.example/ocpi/results/1"
    body = examples.start_session(token=token, response_url=url)
    assert stranger.post(START, body, **headers).codes == (200, 1000)
    stranger.post(address(stranger), examples.command_result())
    deliver()

    assert [call.body for call in heard(stranger)] == [examples.command_result()]
