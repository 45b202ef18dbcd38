"""Whom requests about charging profiles, and updates of them, reach and whom not."""

import httpx
import pytest

from chargingprofiles.models import ProfileRequest
from ocpi_hub.exchange.models import Callback, Delivery
from ocpi_hub.partners.models import Party
from tests import examples
from tests.conformance.calls import nothing_changes, raw, to
from tests.partners import Network, Partner, enveloped, register

pytestmark = pytest.mark.django_db

GET = "receiver/chargingprofiles/SESSION1?duration=900&response_url=https%3A%2F%2Fmsp.example%2Fresults"
SESSION, UPDATES = "receiver/chargingprofiles/SESSION1", "sender/chargingprofiles/SESSION1"
UNKNOWN = {"result": "UNKNOWN_SESSION", "timeout": 0}


@pytest.fixture
def cpo(cpo: Partner) -> Partner:
    cpo.answers.append(answering)
    return cpo


@pytest.fixture
def scsp(db: None, network: Network) -> Partner:
    return register(network, "SCP", "BE-SCP-SCSP")


@pytest.fixture
def rival(db: None, network: Network) -> Partner:
    """Another operator, BE*DEF."""
    rival = register(network, "DEF", "BE-DEF-CPO")
    rival.answers.append(answering)
    return rival


def answering(request: httpx.Request) -> httpx.Response | None:
    asked = "/receiver/chargingprofiles" in request.url.path
    return enveloped(examples.charging_profile_response()) if asked else None


def push_session(operator: Partner, session_id: str = "SESSION1") -> None:
    country_code, party_id = operator.party.split("*")
    made = examples.session(id=session_id, country_code=country_code, party_id=party_id)
    path = f"receiver/sessions/{country_code}/{party_id}/{session_id}"
    assert operator.put(path, made).codes == (201, 1000)


def asked(operator: Partner) -> list[str]:
    return [call.path for call in operator.calls if call.path.startswith("/receiver/chargingprofiles")]


def updated(partner: Partner) -> list[object]:
    return [call.body for call in partner.calls if call.path.startswith("/sender/chargingprofiles")]


def set_profile(operator: Partner, partner: Partner) -> None:
    body = examples.set_charging_profile(response_url=f"https://{partner.host}/results")
    assert partner.put(SESSION, body, **to(operator.party)).codes == (200, 1000)
    url = [call for call in operator.calls if call.method == "PUT"][-1].body["response_url"]
    assert operator.post("/ocpi" + url.partition("/ocpi")[2], {"result": "ACCEPTED"}).codes == (200, 1000)


# --------------------------------------------------------------------------------------------- requests
@pytest.mark.parametrize("who", ["emsp", "scsp"])
def test_where_several_operators_have_such_a_session_one_has_to_be_named(
    request, cpo, rival, emsp, scsp, who
):
    push_session(cpo)
    push_session(rival)
    partner = request.getfixturevalue(who)

    with nothing_changes():
        answered = partner.get(GET)

    assert answered.codes == (200, 4001)
    assert answered.message.endswith(" each have a session SESSION1; name one of them in OCPI-to")
    assert asked(cpo) == asked(rival) == []
    assert partner.get(GET, **to("BE*DEF")).codes == (200, 1000)
    assert (len(asked(cpo)), len(asked(rival))) == (0, 1)


def test_a_session_that_the_hub_does_not_know_the_operator_is_asked_about(cpo, emsp, scsp):
    for partner in (emsp, scsp):
        assert partner.get(GET, **to("NL*ABC")).data == examples.charging_profile_response()

    assert len(asked(cpo)) == 2


def test_a_smart_charging_provider_hears_of_an_unknown_session_too(cpo, scsp):
    with nothing_changes():
        answered = scsp.get(GET)

    assert answered.data == UNKNOWN
    assert asked(cpo) == []


def test_only_providers_ask_and_only_operators_are_asked(cpo, rival, emsp, scsp):
    with nothing_changes():
        by_an_operator = rival.get(GET, **to("NL*ABC"))
        of_a_provider = emsp.get(GET, **to("BE*SCP"))

    assert by_an_operator.codes == of_a_provider.codes == (200, 2001)
    assert by_an_operator.message.startswith("BE*DEF sends this; chargingprofiles are for ")
    assert of_a_provider.message == "OCPI-to names BE*SCP, which is no CPO; chargingprofiles go to one"
    assert asked(cpo) == []


def test_what_is_wrong_in_the_query_is_told_before_whose_session_it_is(cpo, emsp):
    with nothing_changes():
        answered = emsp.request("DELETE", SESSION)

    assert answered.codes == (200, 2001)
    assert answered.message == "response_url: required in the query"


def test_a_body_that_came_with_a_get_stays_here(cpo, emsp):
    seen = []
    cpo.answers.insert(0, lambda request: seen.append(request.content))

    raw(emsp, "GET", f"/ocpi/2.2.1/{GET}", b'{"x": 1}', **to("NL*ABC"))

    assert seen == [b""]


def test_without_an_answer_a_result_may_come_still(cpo, emsp, deliver):
    def silent(request):
        raise httpx.ReadTimeout("no answer", request=request)

    cpo.answers.insert(0, silent)
    assert emsp.get(GET, **to("NL*ABC")).codes == (200, 4002)
    callback = Callback.objects.get()
    assert (callback.status_code, callback.problem) == (
        4002,
        "NL*ABC did not answer in time, which its operator has to mend if it lasts",
    )

    url = f"sender/chargingprofiles/GET/{callback.secret}"
    assert cpo.post(url, {"result": "UNKNOWN"}).codes == (200, 1000)
    deliver()

    assert [call.body for call in emsp.calls if call.path == "/results"] == [{"result": "UNKNOWN"}]


# ---------------------------------------------------------------------------------------------- updates
def test_an_update_follows_who_set_the_profile_wherever_the_session_is_known(cpo, rival, emsp):
    """The operator never pushed its Session, and another one has a Session of the same id."""
    push_session(rival)
    set_profile(cpo, emsp)

    assert cpo.put(UPDATES, examples.active_charging_profile()).codes == (200, 1000)

    assert updated(emsp) == [examples.active_charging_profile()]


def test_the_session_of_another_operator_gets_no_update(cpo, rival, emsp):
    push_session(rival)

    with nothing_changes():
        answered = cpo.put(UPDATES, examples.active_charging_profile(), **to("DE*MSP"))

    assert answered.codes == (200, 2001)
    assert answered.message == "session SESSION1 is not one of NL*ABC's"
    assert updated(emsp) == []


def test_only_operators_tell_of_updates(emsp, scsp):
    with nothing_changes():
        answered = emsp.put(UPDATES, examples.active_charging_profile(), **to("BE*SCP"))

    assert answered.codes == (200, 2001)
    assert answered.message == "DE*MSP sends this, and is no CPO: operators tell of active profiles"
    assert updated(scsp) == []


def test_to_a_named_party_an_update_goes_as_it_is(cpo, emsp):
    """Our own findings never stop what another party is asked (docs/architecture.md)."""
    odd = examples.active_charging_profile(start_date_time="yesterday", x_more=1)

    assert cpo.put(UPDATES, odd, **to("DE*MSP")).codes == (200, 1000)

    assert updated(emsp) == [odd]


@pytest.mark.parametrize("headers", [{}, to("DE*MSP")], ids=["to nobody", "to the provider"])
def test_an_update_that_is_no_json_goes_nowhere(cpo, emsp, headers):
    with nothing_changes():
        answered = raw(cpo, "PUT", f"/ocpi/2.2.1/{UPDATES}", b"{", **headers)

    assert answered.codes == (400, 2000)
    assert updated(emsp) == []


def test_a_provider_that_is_away_is_not_sent_the_update_later(cpo, emsp, network, deliver):
    set_profile(cpo, emsp)
    deliver()
    del network.hosts[emsp.host]

    assert cpo.put(UPDATES, examples.active_charging_profile()).codes == (200, 4003)

    network.hosts[emsp.host] = emsp.answer
    deliver()
    assert updated(emsp) == []
    assert set(Delivery.objects.values_list("state", flat=True)) == {"DELIVERED"}


def test_what_the_provider_says_to_an_update_goes_back_without_data(cpo, emsp):
    set_profile(cpo, emsp)
    emsp.answers.append(lambda request: enveloped({"a": 1}, status_code=2001, http_status=404))

    answered = cpo.put(UPDATES, examples.active_charging_profile())

    assert answered.codes == (404, 2001)
    assert "data" not in answered.envelope


def test_a_provider_that_has_left_the_hub_is_sent_no_update(cpo, emsp):
    set_profile(cpo, emsp)
    Party.objects.filter(key="DE*MSP").update(roles=[], invited_roles=[])

    answered = cpo.put(UPDATES, examples.active_charging_profile())

    assert answered.codes == (200, 4001)
    assert (
        answered.message == "DE*MSP has set a profile of session SESSION1, and is no longer known to this hub"
    )


def test_a_session_id_with_odd_characters_goes_the_whole_way(cpo, emsp):
    path = "chargingprofiles/A%2FB%20%23NA"

    query = "?duration=9&response_url=https%3A%2F%2Fmsp.example%2Fresults"
    assert emsp.get(f"receiver/{path}{query}", **to("NL*ABC")).codes == (200, 1000)
    assert cpo.put(f"sender/{path}", examples.active_charging_profile(), **to("DE*MSP")).codes == (200, 1000)

    assert [sent.partition("?")[0] for sent in asked(cpo)] == [f"/receiver/{path}"]
    assert ProfileRequest.objects.get().session_id == "A/B #NA"
    assert [call.path for call in emsp.calls] == [f"/sender/{path}"]
