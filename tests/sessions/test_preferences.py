"""Whose Session charging preferences are for, and whom they reach."""

import httpx
import pytest

from ocpi_hub.partners.models import Platform, Status
from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.partners import enveloped

pytestmark = pytest.mark.django_db

ABC, DEF = to("NL*ABC"), to("BE*DEF")
WISHED = examples.charging_preferences()


def path(session_id="SESSION1"):
    return f"sender/sessions/{session_id}/charging_preferences"


def charge(partner, owner="NL*ABC", token_of="DE*MSP", session_id="SESSION1"):
    (country_code, party_id), (token_country, token_party) = owner.split("*"), token_of.split("*")
    token = examples.session()["cdr_token"] | {"country_code": token_country, "party_id": token_party}
    made = examples.session(id=session_id, country_code=country_code, party_id=party_id, cdr_token=token)
    assert partner.put(f"receiver/sessions/{country_code}/{party_id}/{session_id}", made).codes == (201, 1000)


@pytest.mark.row("SES-02")
def test_the_one_operator_with_such_a_session_of_the_caller_is_asked(cpo, rival, emsp, other_emsp):
    charge(cpo)
    charge(rival, "BE*DEF", "AT*PRO")

    emsp.put(path("session1"), WISHED)
    other_emsp.put(path(), WISHED)

    assert [call.headers["OCPI-from-party-id"] for call in cpo.calls] == ["MSP"]
    assert [call.headers["OCPI-from-party-id"] for call in rival.calls] == ["PRO"]


@pytest.mark.row("SES-02")
def test_of_several_it_must_be_named(cpo, rival, emsp):
    charge(cpo)
    charge(rival, "BE*DEF")

    with nothing_changes():
        answered = emsp.put(path(), WISHED)

    assert answered.codes == (200, 4001)
    assert answered.message == "several operators have a Session SESSION1: name yours in OCPI-to"
    assert emsp.put(path(), WISHED, **DEF).codes == (200, 1000)
    assert (len(cpo.calls), len(rival.calls)) == (0, 1)


@pytest.mark.row("SES-02", "SES-18")
@pytest.mark.parametrize("addressed", [{}, ABC], ids=["nobody", "operator"])
@pytest.mark.parametrize("token_of", ["AT*PRO", "DE*TWO"], ids=["another platform", "another party"])
def test_a_session_of_another_provider_is_unknown(cpo, emsp, other_emsp, addressed, token_of):
    emsp.platform.parties.create(country_code="DE", party_id="TWO", roles=["EMSP"])
    charge(cpo, token_of=token_of)

    with nothing_changes():
        answered = emsp.put(path(), WISHED, **addressed)

    assert answered.codes == (404, 2001)
    assert answered.message == "sessions/SESSION1 is not known here"
    assert cpo.calls == []


@pytest.mark.row("SES-02")
def test_an_unknown_session_is_404_and_its_operator_may_know_it(cpo, emsp):
    with nothing_changes():
        assert emsp.put(path(), WISHED).codes == (404, 2001)
    assert cpo.calls == []

    cpo.answers.append(lambda request: enveloped(status_code=2001, http_status=404))
    assert emsp.put(path(), WISHED, **ABC).codes == (404, 2001)
    assert len(cpo.calls) == 1


def test_only_an_operator_is_asked(cpo, emsp, other_emsp):
    with nothing_changes():
        answered = emsp.put(path(), WISHED, **to("AT*PRO"))

    assert answered.codes == (404, 2001)
    assert answered.message == "AT*PRO is no CPO, and has no Sessions"
    assert other_emsp.calls == []


def test_only_a_provider_asks(cpo, rival):
    with nothing_changes():
        answered = rival.put(path(), WISHED, **ABC)

    assert answered.codes == (200, 2001)
    assert answered.message == "preferences are those of drivers of EMSP, and BE*DEF is none"
    assert cpo.calls == []


@pytest.mark.parametrize("session_id", ["a%2Fb", "a%20b", "%23NA", "%E2%82%AC"])
def test_ids_are_passed_on_encoded(cpo, emsp, session_id):
    answered = emsp.put(path(session_id), WISHED, **ABC)

    if session_id == "%E2%82%AC":
        assert answered.codes == (200, 2001)
    else:
        assert cpo.calls[0].path == f"/sender/sessions/{session_id}/charging_preferences"


@pytest.mark.parametrize(
    ("failure", "code"), [(httpx.ReadTimeout("silence"), 4002), (httpx.ConnectError("refused"), 4003)]
)
def test_an_operator_that_does_not_answer_is_told_to_the_provider(cpo, emsp, failure, code):
    charge(cpo)

    def fail(request):
        raise failure

    cpo.answers.append(fail)

    assert emsp.put(path(), WISHED).codes == (200, code)


def test_an_operator_that_has_left_is_told_to_the_provider(cpo, emsp):
    charge(cpo)
    Platform.objects.filter(pk=cpo.platform.pk).update(status=Status.SUSPENDED)
    assert emsp.put(path(), WISHED).codes == (200, 4003)

    cpo.platform.parties.all().delete()
    answered = emsp.put(path(), WISHED)
    assert answered.codes == (200, 4001)
    assert answered.message == "this hub no longer knows NL*ABC, whose Session it is"


@pytest.mark.row("SES-04")
def test_what_its_location_is_to_this_provider_alone_counts_first(cpo, emsp):
    capable = examples.location(evses=[examples.evse(capabilities=["CHARGING_PREFERENCES_CAPABLE"])])
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    cpo.put("receiver/locations/NL/ABC/LOC1", capable, **to("DE*MSP"))
    charge(cpo)

    assert emsp.put(path(), WISHED).codes == (200, 1000)


def test_without_the_module_locations_every_evse_may_take_them(cpo, emsp, settings):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    settings.OCPI_MODULES = ["sessions", "tokens"]
    charge(cpo)

    assert emsp.put(path(), WISHED).codes == (200, 1000)
