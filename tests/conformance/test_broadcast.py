"""HUB-12 to HUB-20: what names the hub in OCPI-to. It keeps the object, answers, and brings it to the right ones."""

import httpx
import pytest

from ocpi_hub.exchange.models import Delivery
from ocpi_hub.partners.models import Endpoint
from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.conformance.modules import MODULES
from tests.conformance.test_relay import fail, legs
from tests.partners import enveloped, register

pytestmark = pytest.mark.django_db

HUB = to("NL*HUB")
LOC1, TARIFF1 = "receiver/locations/NL/ABC/LOC1", "receiver/tariffs/NL/ABC/TARIFF1"
SESSION1, UID = "receiver/sessions/NL/ABC/SESSION1", "receiver/tokens/DE/MSP/04A1B2C3D4"
LATER = "2026-03-02T08:00:00Z"

# One platform of each role; NL*ABC and DE*MSP are the broadcasters, so each has a colleague who must not hear it.
CAST = {
    "cpo": "NL-ABC-CPO",
    "another cpo": "BE-DEF-CPO",
    "emsp": "DE-MSP-EMSP",
    "another emsp": "AT-PRO-EMSP",
    "nsp": "SE-NSP-NSP",
    "other": "PL-OTH-OTHER",
    "nap": "ES-NAP-NAP",
    "scsp": "IT-SCS-SCSP",
    "hub": "CH-HU2-HUB",
    "cpo and emsp": "FR-XYZ-CPO",
}
BROADCAST = [module for module in MODULES if not module.addressed]
ADDRESSED = [module for module in MODULES if module.addressed]
every_broadcast = pytest.mark.parametrize("module", BROADCAST, ids=lambda module: module.name)
every_addressed = pytest.mark.parametrize("module", ADDRESSED, ids=lambda module: module.name)
REACHED = {
    "locations": {"emsp", "another emsp", "nsp", "other", "nap", "cpo and emsp"},
    "tariffs": {"emsp", "another emsp", "nsp", "other", "nap", "cpo and emsp"},
    "tokens": {"cpo", "another cpo", "cpo and emsp"},
}


@pytest.fixture
def cast(network):
    more = {"cpo and emsp": ("FR-XYZ-EMSP",)}
    return {
        who: register(network, party.split("-")[1], party, *more.get(who, ())) for who, party in CAST.items()
    }


# ------------------------------------------------------------------------------------------- whom it reaches
@every_broadcast
@pytest.mark.row("HUB-12", "HUB-13")
def test_a_broadcast_reaches_exactly_the_roles_that_it_is_for(cast, deliver, module):
    owner = cast["cpo" if module.owner == "cpo" else "emsp"]

    assert module.push(owner, module.make(), **HUB).codes == (201, 1000)
    deliver()

    heard = {who: [call.body for call in partner.calls] for who, partner in cast.items() if partner.calls}
    assert heard == {who: [module.make()] for who in REACHED[module.name]}


CHANGES = {
    "PUT of an object": ("PUT", LOC1, examples.location(name="x", last_updated=LATER)),
    "PUT of a part": ("PUT", f"{LOC1}/EVSE1", examples.evse(status="BLOCKED", last_updated=LATER)),
    "PATCH of an object": ("PATCH", LOC1, {"name": "x", "last_updated": LATER}),
    "PATCH of a part": ("PATCH", f"{LOC1}/EVSE1/1", {"max_voltage": 400, "last_updated": LATER}),
    "DELETE of a Tariff": ("DELETE", TARIFF1, None),
}


@pytest.mark.row("HUB-12", "HUB-19")
@pytest.mark.parametrize(
    "headers", [HUB, to("nl*hub"), {}], ids=["to the hub", "in small letters", "to nobody"]
)
@pytest.mark.parametrize(("method", "path", "body"), CHANGES.values(), ids=CHANGES)
def test_every_change_for_the_hub_goes_on_as_it_came(
    cpo, emsp, other_emsp, deliver, method, path, body, headers
):
    cpo.put(LOC1, examples.location())
    cpo.put(TARIFF1, examples.tariff())
    deliver()
    emsp.calls.clear(), other_emsp.calls.clear()

    assert cpo.request(method, path, body, **headers).codes == (200, 1000)
    deliver()

    for partner in (emsp, other_emsp):
        assert [(call.method, call.path, call.body) for call in partner.calls] == [(method, f"/{path}", body)]


@pytest.mark.row("HUB-13")
@pytest.mark.parametrize("who", ["another cpo", "nsp", "other", "nap", "scsp", "hub"])
def test_who_owns_no_tokens_broadcasts_none(cast, deliver, who):
    country_code, party_id = cast[who].party.split("*")
    path = f"receiver/tokens/{country_code}/{party_id}/04A1B2C3D4"

    with nothing_changes():
        answered = cast[who].put(path, examples.token(country_code=country_code, party_id=party_id), **HUB)
    deliver()

    assert answered.codes == (404, 2001)
    assert not any(partner.calls for partner in cast.values())


@pytest.mark.row("HUB-13")
@pytest.mark.parametrize("who", ["emsp", "nsp", "other", "nap", "scsp", "hub"])
@pytest.mark.parametrize("module", ["locations", "tariffs"])
def test_who_operates_nothing_broadcasts_neither_places_nor_prices(cast, deliver, who, module):
    country_code, party_id = cast[who].party.split("*")
    made = {"locations": examples.location, "tariffs": examples.tariff}[module]
    owned = made(id="X1", country_code=country_code, party_id=party_id)

    with nothing_changes():
        answered = cast[who].put(f"receiver/{module}/{country_code}/{party_id}/X1", owned, **HUB)
    deliver()

    assert answered.codes == (404, 2001)
    assert not any(partner.calls for partner in cast.values())


@every_broadcast
@pytest.mark.row("HUB-14")
def test_who_lacks_the_receiver_interface_is_sent_nothing_and_may_pull(request, network, deliver, module):
    owner, has = request.getfixturevalue(module.owner), request.getfixturevalue(module.audience)
    role = {"cpo": "EMSP", "emsp": "CPO"}[module.owner]
    lacks = register(network, "LCK", f"SE-LCK-{role}")
    Endpoint.objects.filter(platform=lacks.platform, module=module.name, role="RECEIVER").delete()

    module.push(owner, module.make(), **HUB)
    deliver()

    assert [call.body for call in has.calls] == [module.make()]
    assert lacks.calls == []
    assert not Delivery.objects.filter(platform=lacks.platform).exists()
    assert lacks.get(module.list()).data == [module.make()]


# --------------------------------------------------------------------------------------------- what is answered
@every_broadcast
@pytest.mark.row("HUB-15")
def test_the_hub_answers_at_once_in_its_own_name(cast, module):
    owner = cast["cpo" if module.owner == "cpo" else "emsp"]

    first, again = (module.push(owner, module.make(), **HUB) for _ in range(2))

    assert [answered.codes for answered in (first, again)] == [(201, 1000), (200, 1000)]
    assert {legs(answered.headers) for answered in (first, again)} == {("NL*HUB", owner.party)}
    assert not any(partner.calls for partner in cast.values()), "nobody is waited for"


FAILURES = {
    "401": lambda request: enveloped(status_code=2000, http_status=401),
    "500": lambda request: httpx.Response(500),
    "2001": lambda request: enveloped(status_code=2001),
    "3000": lambda request: enveloped(status_code=3000),
    "a refused connection": fail(httpx.ConnectError),
    "no answer": fail(httpx.ReadTimeout),
}


@pytest.mark.row("HUB-15", "HUB-20")
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_failures_of_receivers_stay_with_the_hub(cpo, emsp, other_emsp, deliver, failure):
    emsp.answers.append(failure)

    first = cpo.put(LOC1, examples.location(), **HUB)
    deliver()
    second = cpo.put(LOC1, examples.location(name="x", last_updated=LATER), **HUB)
    deliver()

    assert [first.codes, second.codes] == [(201, 1000), (200, 1000)]
    assert (first.message, second.message) == ("", "")
    assert [call.body.get("name") for call in other_emsp.calls] == [None, "x"]
    assert cpo.calls == []
    found = Delivery.objects.filter(platform=emsp.platform).order_by("id").values_list("state", "reason")
    assert found
    *earlier, last = [state for state, _ in found]
    assert last in {"PENDING", "FAILED"}
    assert set(earlier) <= {"ABSORBED"}, "a part that was given up twice is one dead letter"
    assert all(reason for _, reason in found), "the operator can see why"


@pytest.mark.row("HUB-15")
def test_what_is_not_sound_is_refused_by_the_hub_and_reaches_nobody(cast, deliver):
    with nothing_changes():
        answered = cast["cpo"].put(LOC1, examples.location(city=None), **HUB)
    deliver()

    assert answered.codes == (200, 2001)
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")
    assert not any(partner.calls for partner in cast.values())


# ------------------------------------------------------------------------------------------ headers and addresses
@every_broadcast
@pytest.mark.row("HUB-16", "HUB-19")
def test_a_forwarded_broadcast_is_from_the_hub_to_each_and_its_url_names_the_owner(cast, deliver, module):
    owner = cast["cpo" if module.owner == "cpo" else "emsp"]

    module.push(owner, module.make(), **HUB)
    deliver()

    sent = {who: [legs(call.headers) for call in cast[who].calls] for who in REACHED[module.name]}
    assert sent == {who: [("NL*HUB", cast[who].party)] for who in REACHED[module.name]}
    paths = {call.path.partition("?")[0] for partner in cast.values() for call in partner.calls}
    assert paths == {module.path().removeprefix("/ocpi/2.2.1")}


@pytest.mark.row("HUB-05", "HUB-16")
def test_a_platform_of_several_parties_gets_it_once_for_its_first_in_the_needed_role(network, cpo, deliver):
    big = register(network, "BIG", "SE-AAA-SCSP", "SE-BBB-EMSP", "SE-CCC-EMSP")

    cpo.put(LOC1, examples.location(), **HUB)
    deliver()

    assert [legs(call.headers) for call in big.calls] == [("NL*HUB", "SE*BBB")]


# --------------------------------------------------------------------------------------- what concerns one party


@every_addressed
@pytest.mark.row("HUB-18")
@pytest.mark.parametrize("headers", [HUB, {}], ids=["to the hub", "to nobody"])
def test_what_concerns_one_party_goes_from_its_operator_to_that_party_alone(cast, deliver, module, headers):
    assert module.push(cast["cpo"], module.make(), **headers).codes == (201, 1000)
    deliver()

    heard = {who: [call.body for call in partner.calls] for who, partner in cast.items() if partner.calls}
    assert heard == {"emsp": [module.make()]}
    assert [legs(call.headers) for call in cast["emsp"].calls] == [("NL*ABC", "DE*MSP")]


@every_addressed
@pytest.mark.row("HUB-18")
@pytest.mark.parametrize("headers", [HUB, {}], ids=["to the hub", "to nobody"])
def test_without_such_a_party_it_is_4001_and_kept_by_nobody(cast, deliver, module, headers):
    made = module.make()
    made["cdr_token"] |= {"country_code": "XX", "party_id": "XXX"}

    with nothing_changes():
        answered = module.push(cast["cpo"], made, **headers)
    deliver()

    assert answered.codes == (200, 4001)
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")
    assert not any(partner.calls for partner in cast.values())


@pytest.mark.row("HUB-18")
@pytest.mark.parametrize("change", ["PUT", "PATCH"])
def test_changes_of_a_session_go_where_it_went(cast, deliver, change):
    cast["cpo"].put(SESSION1, examples.session(), **HUB)
    deliver()
    cast["emsp"].calls.clear()
    body = {"kwh": 21, "last_updated": LATER}

    whole = examples.session(**body)
    cast["cpo"].request(change, SESSION1, whole if change == "PUT" else body, **HUB)
    deliver()

    assert {who for who, partner in cast.items() if partner.calls} == {"emsp"}
    assert [(call.method, call.body) for call in cast["emsp"].calls] == [
        (change, whole if change == "PUT" else body)
    ]
