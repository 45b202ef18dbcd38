"""HUB-01 to HUB-11, HUB-33, HUB-35: which headers mean what, and who is meant by them.

What one party asks of another is in test_relay.py, broadcasts in test_broadcast.py, lists of the hub in
test_get_all.py, and requests that name nobody in test_open_routing.py.
"""

import pytest

from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.conformance.modules import MODULES
from tests.conformance.test_relay import REQUESTS, every_request, legs
from tests.partners import enveloped, register

pytestmark = pytest.mark.django_db

LOC1 = "receiver/locations/NL/ABC/LOC1"
HUB, MSP = to("NL*HUB"), to("DE*MSP")
FOUR = {f"OCPI-{end}-{part}" for end in ("to", "from") for part in ("country-code", "party-id")}
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


# ----------------------------------------------------------------------------------------- which scenario it is
@pytest.mark.row("HUB-06", "HUB-12", "HUB-17", "HUB-21")
@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "is_asked", "is_told", "answered_by"),
    [
        ("PUT", LOC1, examples.location(), MSP, True, False, "DE*MSP"),
        ("PUT", LOC1, examples.location(), HUB, False, True, "NL*HUB"),
        ("PUT", LOC1, examples.location(), {}, False, True, "NL*HUB"),
        ("GET", "sender/tokens", None, MSP, True, False, "DE*MSP"),
        ("GET", "sender/tokens", None, HUB, False, False, "NL*HUB"),
        ("GET", "sender/tokens", None, {}, False, False, "NL*HUB"),
    ],
    ids=["direct", "broadcast", "open", "GET of a party", "GET All", "GET of nobody"],
)
def test_method_and_addressee_tell_what_is_meant(
    cpo, emsp, deliver, method, path, body, headers, is_asked, is_told, answered_by
):
    """Nothing else does: OCPI has no field that names the scenario (interpretations, P32)."""
    answered = cpo.request(method, path, body, **headers)

    assert legs(answered.headers) == (answered_by, "NL*ABC")
    assert len(emsp.calls) == is_asked
    deliver()
    assert len(emsp.calls) == is_asked + is_told


@every_module
@pytest.mark.row("HUB-01")
def test_every_answer_of_a_functional_module_has_all_four_headers(request, module):
    owner, reader = request.getfixturevalue(module.owner), request.getfixturevalue(module.audience)
    first = module.push(owner, module.make())
    refused = module.push(owner, module.named("OTHER", **{module.required: None}))

    read = owner.get(module.path())
    unknown = owner.get(module.path("UNKNOWN"))
    listed = reader.get(module.list())
    elsewhere = reader.get(module.list(), **to("XX*XXX"))

    answers = [first, refused, read, unknown, listed, elsewhere]
    assert [answered.status_code for answered in answers[:2]] == [1000, 2001]
    assert all(answered.headers.keys() >= FOUR for answered in answers)
    assert {answered.headers["OCPI-from-party-id"] for answered in answers} == {"HUB"}


@every_module
@pytest.mark.row("HUB-01")
def test_every_push_of_the_hub_has_all_four_headers_also_to_a_platform_of_one_party(request, deliver, module):
    owner, reader = request.getfixturevalue(module.owner), request.getfixturevalue(module.audience)

    module.push(owner, module.make())
    deliver()

    [call] = reader.calls
    assert {name.lower() for name in FOUR} <= set(call.headers)
    assert legs(call.headers)[1] == reader.party


# -------------------------------------------------------------------------------- configuration is not routed
CONFIGURATION = {
    "versions": ("GET", "/ocpi/versions", None, (200, 1000)),
    "details": ("GET", "/ocpi/2.2.1", None, (200, 1000)),
    "GET credentials": ("GET", "/ocpi/2.2.1/credentials", None, (200, 1000)),
    "POST credentials": ("POST", "/ocpi/2.2.1/credentials", {}, (405, 2000)),
    "hubclientinfo": ("GET", "sender/hubclientinfo", None, (200, 1000)),
}


@pytest.mark.row("HUB-02", "HUB-03")
@pytest.mark.parametrize("named", ["DE*MSP", "XX*XXX", "NL*HUB"])
@pytest.mark.parametrize(("method", "path", "body", "codes"), CONFIGURATION.values(), ids=CONFIGURATION)
def test_what_is_between_platform_and_hub_is_passed_on_to_nobody(
    cpo, emsp, deliver, method, path, body, codes, named
):
    answered = cpo.request(method, path, body, **to(named))

    assert answered.codes == codes
    assert emsp.calls == []
    assert not FOUR & set(answered.headers)


@pytest.mark.row("HUB-02")
def test_whoever_leaves_in_anothers_name_leaves_alone(cpo, emsp):
    assert cpo.delete("/ocpi/2.2.1/credentials", **MSP).codes == (200, 1000)

    assert emsp.calls == []
    assert emsp.get("/ocpi/2.2.1/credentials").codes == (200, 1000)
    assert cpo.get("/ocpi/2.2.1/credentials").http_status == 401


# ------------------------------------------------------------------------------------ parties and their platforms
@pytest.fixture
def big(network):
    """A platform of two operators and a provider."""
    return register(network, "BIG", "BE-ONE-CPO", "BE-TWO-CPO", "BE-TRI-EMSP")


@pytest.mark.row("HUB-05", "HUB-06", "HUB-07")
@pytest.mark.parametrize("party", ["BE*ONE", "BE*TWO", "BE*TRI"])
def test_of_a_platform_of_several_parties_the_named_one_is_asked_and_answers(cpo, emsp, big, party):
    answered = emsp.get("sender/locations/LOC1", **to(party))

    assert [legs(call.headers) for call in big.calls] == [("DE*MSP", party)]
    assert legs(answered.headers) == (party, "DE*MSP")


@pytest.mark.row("HUB-05", "HUB-11")
@pytest.mark.parametrize("party", ["BE*ONE", "BE*TWO"])
def test_each_party_of_a_platform_speaks_for_itself(emsp, big, party):
    big.party = party
    country_code, party_id = party.split("*")
    own = examples.location(country_code=country_code, party_id=party_id)

    direct = big.put(f"receiver/locations/BE/{party_id}/LOC1", own, **MSP)
    sisters = big.put("receiver/locations/BE/ONE/LOC9", examples.location(), **MSP)

    assert direct.codes == (200, 1000)
    assert [legs(call.headers) for call in emsp.calls[:1]] == [(party, "DE*MSP")]
    assert sisters.codes == ((404, 2001) if party == "BE*TWO" else (200, 1000))


@pytest.mark.row("HUB-05")
def test_parties_of_one_platform_reach_each_other_through_the_hub(big):
    """Whoever runs both may keep it between them, and need not."""
    big.party = "BE*TRI"

    answered = big.get("sender/locations", **to("BE*TWO"))

    assert [legs(call.headers) for call in big.calls] == [("BE*TRI", "BE*TWO")]
    assert legs(answered.headers) == ("BE*TWO", "BE*TRI")


@every_request
@pytest.mark.row("HUB-11")
@pytest.mark.parametrize("claimed", ["DE*MSP", "FR*XYZ", "XX*XXX", "NL*HUB"])
def test_nobody_asks_in_the_name_of_another(cpo, emsp, stranger, ask, claimed):
    cpo.party = claimed

    with nothing_changes():
        answered = ask(cpo, **MSP)

    assert answered.codes == (200, 2001)
    assert answered.message == f"OCPI-from names {claimed}, which is no party of your platform"
    assert emsp.calls == stranger.calls == []


@every_request
@pytest.mark.row("HUB-10")
def test_a_platform_of_one_party_need_not_name_it_and_the_receiver_learns_it(cpo, emsp, ask):
    cpo.party = ""

    ask(cpo, **MSP)

    assert [legs(call.headers) for call in emsp.calls] == [("NL*ABC", "DE*MSP")]


@every_request
@pytest.mark.row("HUB-04")
@pytest.mark.parametrize("half", sorted(FOUR))
def test_half_a_pair_is_2001_and_nothing_moves(cpo, emsp, ask, half):
    cpo.party, headers = "", {"OCPI-from-country-code": "NL", "OCPI-from-party-id": "ABC", **MSP}
    del headers[half]

    with nothing_changes():
        answered = ask(cpo, **headers)

    assert answered.codes == (200, 2001)
    assert emsp.calls == []


@pytest.mark.row("HUB-04")
def test_party_ids_compare_without_case_in_every_place(cpo, emsp, deliver):
    cpo.party = "nl*abc"

    stored = cpo.put("receiver/locations/nl/aBc/LOC1", examples.location(), **to("nl*hub"))
    relayed = cpo.put("receiver/locations/Nl/Abc/LOC1", examples.location(), **to("De*Msp"))
    session = examples.session(cdr_token={**examples.session()["cdr_token"], "party_id": "mSp"})
    addressed = cpo.put("receiver/sessions/nl/abc/SESSION1", session)
    deliver()

    assert [stored.codes, relayed.codes, addressed.codes] == [(201, 1000), (200, 1000), (201, 1000)]
    assert len(emsp.received()) == 3


# ------------------------------------------------------------------------------------------- what the hub offers
@pytest.mark.row("HUB-33", "HUB-35")
def test_the_hub_offers_both_interfaces_of_every_functional_module_and_its_list_of_clients(cpo):
    functional = ("locations", "sessions", "cdrs", "tariffs", "tokens", "commands", "chargingprofiles")

    endpoints = cpo.get("/ocpi/2.2.1").data["endpoints"]

    offered = {(row["identifier"], row["role"]) for row in endpoints}
    assert offered >= {(module, role) for module in functional for role in ("SENDER", "RECEIVER")}
    assert ("hubclientinfo", "SENDER") in offered
    assert len({row["url"] for row in endpoints}) == len(endpoints)


@pytest.mark.row("HUB-35")
def test_one_module_has_one_place_for_pulling_and_another_for_pushing(cpo, emsp):
    """A request for another party goes to its endpoint of the very interface that was called here."""
    emsp.answers.append(lambda request: enveloped(request.url.path))

    assert REQUESTS["GET at its Sender"](cpo, **MSP).data == "/sender/tokens/04A1B2C3D4"
    assert REQUESTS["GET at its Receiver"](cpo, **MSP).data == "/receiver/locations/NL/ABC/LOC1"
