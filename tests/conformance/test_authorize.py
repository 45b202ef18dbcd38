"""TOK-04 to TOK-18: real-time authorization, with the hub as Sender of tokens and between operator and provider."""

import json

import httpx
import pytest

from ocpi_hub.exchange.models import Grant
from ocpi_hub.partners.models import Endpoint, Party, Platform, Status
from ocpi_hub.protocol import codec
from ocpi_hub.protocol.tokens import AuthorizationInfo
from tests import examples
from tests.conformance.calls import METHODS, nothing_changes, to
from tests.conformance.test_relay import fail, legs
from tests.partners import enveloped
from tokens.models import Authorization, Token

pytestmark = pytest.mark.django_db

UID = "receiver/tokens/DE/MSP/04A1B2C3D4"
ASK = "sender/tokens/04A1B2C3D4/authorize"
PLACE = {"location_id": "LOC1", "evse_uids": ["EVSE1", "EVSE2"]}
LATER = "2026-03-02T08:00:00Z"
MSP = to("DE*MSP")
EVERY_WAY = pytest.mark.parametrize(
    "route", [{}, to("NL*HUB"), MSP], ids=["to nobody", "to the hub", "to its owner"]
)


def answers(partner, data=None, status_code=1000, http_status=200, on="authorize"):
    """What a provider says to authorize from now on; anything else it takes."""

    def answer(request):
        return enveloped(data, status_code, http_status) if request.url.path.endswith(on) else None

    partner.answers.insert(0, answer)


def info(**changes):
    return examples.authorization_info(**changes)


def asked(partner):
    """The authorize requests that reached a provider."""
    return [call for call in partner.calls if "/authorize" in call.path]


def without_authorize(partner):
    Endpoint.objects.filter(platform=partner.platform, module="tokens", role="SENDER").delete()


# ------------------------------------------------------------------------------------------------- the request
@pytest.mark.row("TOK-04")
@EVERY_WAY
@pytest.mark.parametrize("path", [ASK, f"{ASK}/", f"{ASK}?type=RFID", f"{ASK}?type="])
def test_authorize_is_a_post_to_the_uid_of_a_token(cpo, emsp, path, route):
    emsp.put(UID, examples.token())
    answers(emsp, info())

    answered = cpo.post(path, PLACE, **route)

    assert answered.codes == (200, 1000)
    assert answered.data == info()


@pytest.mark.row("TOK-04")
@pytest.mark.parametrize("path", ["sender/tokens", "sender/tokens/04A1B2C3D4", "sender/tokens/04A1B2C3D4/x"])
@EVERY_WAY
def test_a_post_elsewhere_is_405(cpo, emsp, path, route):
    emsp.put(UID, examples.token())

    with nothing_changes():
        answered = cpo.post(path, PLACE, **route)

    assert answered.codes == (405, 2000)
    assert answered.headers["Allow"] == "GET"
    assert emsp.calls == []


@pytest.mark.row("TOK-04")
@pytest.mark.parametrize("method", [method for method in METHODS if method != "POST"])
@EVERY_WAY
def test_at_authorize_there_is_post_and_nothing_else(cpo, emsp, method, route):
    with nothing_changes():
        answered = cpo.request(method, ASK, PLACE, **route)

    assert answered.codes == (405, 2000)
    assert answered.headers["Allow"] == "POST"
    assert emsp.calls == []


@pytest.mark.row("TOK-04")
def test_the_list_is_there_as_before(cpo, emsp):
    emsp.put(UID, examples.token())

    assert cpo.get("sender/tokens").data == [examples.token()]
    assert cpo.get("sender/tokens/04A1B2C3D4").codes == (404, 2000)


@pytest.mark.row("TOK-04", "TOK-02")
def test_the_type_tells_which_token_is_meant(cpo, emsp):
    emsp.put(UID, examples.token(whitelist="ALWAYS"))
    emsp.put(f"{UID}?type=APP_USER", examples.token(type="APP_USER", whitelist="ALWAYS", valid=False))

    told = {kind: cpo.post(f"{ASK}{kind}").data for kind in ("", "?type=RFID", "?type=APP_USER")}

    assert {kind: (data["allowed"], data["token"]["type"]) for kind, data in told.items()} == {
        "": ("ALLOWED", "RFID"),
        "?type=RFID": ("ALLOWED", "RFID"),
        "?type=APP_USER": ("BLOCKED", "APP_USER"),
    }
    assert cpo.post(f"{ASK}?type=OTHER").codes == (404, 2004)


@pytest.mark.row("TOK-04")
@pytest.mark.parametrize("kind", ["rfid", "CARD"])
@EVERY_WAY
def test_an_unknown_type_is_2001(cpo, emsp, kind, route):
    with nothing_changes():
        answered = cpo.post(f"{ASK}?type={kind}", **route)

    assert answered.codes == (200, 2001)
    assert answered.message == "type is one of RFID, APP_USER, AD_HOC_USER, OTHER"


@pytest.mark.row("TOK-04")
def test_a_uid_that_is_none_is_2001(cpo):
    with nothing_changes():
        assert cpo.post(f"sender/tokens/{'x' * 37}/authorize").codes == (200, 2001)


def test_only_a_provider_is_asked(cpo, emsp, stranger):
    """Another operator would let whomever it likes charge at the one that asks."""
    Party.objects.filter(key="FR*XYZ").update(roles=["CPO"])

    with nothing_changes():
        answered = cpo.post(ASK, **to("FR*XYZ"))

    assert answered.codes == (200, 2001)
    assert answered.message == "OCPI-to names FR*XYZ, which is no EMSP and has no tokens"
    assert stranger.calls == []


@pytest.mark.row("TOK-04", "HUB-36")
@EVERY_WAY
def test_the_provider_gets_path_query_and_body_as_they_came(cpo, emsp, route):
    emsp.put("receiver/tokens/DE/MSP/A%2FB%20C", examples.token(uid="A/B C"))
    bodies = []
    emsp.answers.append(lambda request: bodies.append(request.content))
    body = b'{ "location_id":"LOC1", "x_own": 1.50 }'

    cpo.post("sender/tokens/A%2FB%20C/authorize?type=RFID&x=%2F", body, **route)

    [call] = asked(emsp)
    assert (call.method, call.path) == ("POST", "/sender/tokens/A%2FB%20C/authorize?type=RFID&x=%2F")
    assert bodies == [body]


@pytest.mark.row("TOK-05")
@pytest.mark.parametrize("body", [b"", b"  ", b"null", b"{}", b" { } "])
@EVERY_WAY
def test_without_a_place_the_provider_is_asked_without_a_body(cpo, emsp, body, route):
    emsp.put(UID, examples.token())
    answers(emsp, info())
    bodies = []
    emsp.answers.insert(0, lambda request: bodies.append(request.content))

    assert cpo.post(ASK, body, **route).codes == (200, 1000)
    assert bodies == [b""]


@pytest.mark.row("TOK-05", "RSP-10")
@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"evse_uids": ["EVSE1"]}, "$.location_id"),
        ({"location_id": ""}, "$.location_id"),
        ({"location_id": None, "evse_uids": []}, "$.location_id"),
        ({"location_id": "LOC1", "evse_uids": "EVSE1"}, "$.evse_uids"),
        ({"location_id": "LOC1", "evse_uids": [7]}, "$.evse_uids[0]"),
        ([], "$"),
        ("LOC1", "$"),
    ],
)
@EVERY_WAY
def test_a_place_that_is_none_is_2001_naming_the_field(cpo, emsp, body, place, route):
    emsp.put(UID, examples.token())

    with nothing_changes():
        answered = cpo.post(ASK, body, **route)

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"{place}: ")
    assert emsp.calls == []


@pytest.mark.row("TOK-05", "RSP-05")
def test_a_body_that_is_no_json_is_400(cpo, emsp):
    with nothing_changes():
        assert cpo.post(ASK, b"{", **MSP).codes == (400, 2000)


@pytest.mark.parametrize("who", ["emsp", "other_emsp"])
@EVERY_WAY
def test_only_operators_ask(request, who, emsp, other_emsp, route):
    emsp.put(UID, examples.token(whitelist="ALWAYS"))

    with nothing_changes():
        answered = request.getfixturevalue(who).post(ASK, PLACE, **route)

    assert answered.codes == (200, 2001)
    assert answered.message.endswith("is no operator (CPO), and only operators authorize tokens")
    assert emsp.calls == other_emsp.calls == []


# ------------------------------------------------------------------------------------------- the provider's word
@pytest.mark.row("TOK-08")
@EVERY_WAY
def test_a_known_token_yields_the_whole_token(cpo, emsp, route):
    emsp.put(UID, examples.token())
    given = info(
        token=examples.token(visual_number="V1", x_own=1), info={"language": "de", "text": "Gute Fahrt"}
    )
    answers(emsp, given)

    data = cpo.post(ASK, PLACE, **route).data

    assert data == given
    assert codec.check(data, AuthorizationInfo).token.uid == "04A1B2C3D4"


@pytest.mark.row("TOK-08")
@EVERY_WAY
@pytest.mark.parametrize("lacking", [{}, {"token": None}], ids=["missing", "null"])
def test_a_token_that_the_provider_leaves_out_is_added_from_the_list(cpo, emsp, lacking, route, caplog):
    emsp.put(UID, examples.token(x_own="1", visual_number="V1"))
    answers(emsp, {"allowed": "ALLOWED", "authorization_reference": "AUTH1", "x_more": 1, **lacking})

    answered = cpo.post(ASK, PLACE, **route)

    assert answered.data == {
        "allowed": "ALLOWED",
        "authorization_reference": "AUTH1",
        "x_more": 1,
        "token": examples.token(x_own="1", visual_number="V1"),
    }
    assert legs(answered.headers) == ("DE*MSP", "NL*ABC")
    assert "DE*MSP authorized without the token, which the hub adds from its list" in caplog.text


def test_a_token_that_nobody_has_is_left_out(cpo, emsp):
    answers(emsp, {"allowed": "ALLOWED"})

    assert cpo.post(ASK, PLACE, **MSP).data == {"allowed": "ALLOWED"}


@pytest.mark.row("TOK-08")
@EVERY_WAY
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"token": examples.token()}, "without saying whether it is allowed"),
        ({"allowed": None, "token": examples.token()}, "without saying whether it is allowed"),
        ({"allowed": "YES", "token": examples.token()}, "with allowed 'YES'"),
        ({"allowed": "allowed", "token": examples.token()}, "with allowed 'allowed'"),
        ({"allowed": ["ALLOWED"]}, "with allowed \"['ALLOWED']\""),
        ("ALLOWED", "without saying whether it is allowed"),
        ([info()], "without saying whether it is allowed"),
        (None, "without saying whether it is allowed"),
    ],
)
def test_an_answer_that_does_not_say_whether_it_is_allowed_is_4000(cpo, emsp, data, words, route):
    emsp.put(UID, examples.token(whitelist="NEVER"))
    answers(emsp, data)

    answered = cpo.post(ASK, PLACE, **route)

    assert answered.codes == (200, 4000)
    assert answered.message == (
        f"DE*MSP answered {words}; it is one of ALLOWED, BLOCKED, EXPIRED, NO_CREDIT, NOT_ALLOWED"
    )
    assert answered.data is None
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")


@EVERY_WAY
@pytest.mark.parametrize(
    "fault",
    [
        {"token": {"uid": "04A1B2C3D4"}},
        {"location": "LOC1"},
        {"authorization_reference": "x" * 37},
        {"info": {"text": "no language"}},
    ],
)
def test_other_faults_of_an_answer_are_for_the_operator_to_judge(cpo, emsp, fault, route, caplog):
    emsp.put(UID, examples.token())
    answers(emsp, info(**fault))

    assert cpo.post(ASK, PLACE, **route).data == info(**fault)
    assert "it is relayed as it came" in caplog.text
    assert "04A1B2C3D4" not in caplog.text


@pytest.mark.row("TOK-09")
@EVERY_WAY
@pytest.mark.parametrize(
    "location", [{"location_id": "LOC1", "evse_uids": ["EVSE2"]}, {"location_id": "LOC1"}]
)
def test_the_place_is_the_one_that_the_provider_allows(cpo, emsp, location, route):
    emsp.put(UID, examples.token())
    answers(emsp, info(location=location))

    assert cpo.post(ASK, PLACE, **route).data["location"] == location


@pytest.mark.row("TOK-09")
def test_the_hubs_list_names_no_place_and_gives_no_reference(cpo, emsp):
    emsp.put(UID, examples.token(whitelist="ALWAYS"))

    assert cpo.post(ASK, PLACE).data == {"allowed": "ALLOWED", "token": examples.token(whitelist="ALWAYS")}


@pytest.mark.row("TOK-10")
@pytest.mark.parametrize("whitelist", ["ALWAYS", "NEVER"])
@pytest.mark.parametrize("status", ["INOPERATIVE", "BLOCKED", "CHARGING", "REMOVED"])
def test_opening_hours_and_the_status_of_an_evse_are_no_reasons_to_refuse(cpo, emsp, whitelist, status):
    closed = {"twentyfourseven": False, "exceptional_closings": [
        {"period_begin": "2020-01-01T00:00:00Z", "period_end": "2050-01-01T00:00:00Z"}
    ]}  # fmt: skip
    place = examples.location(opening_times=closed, evses=[examples.evse(status=status)])
    cpo.put("receiver/locations/NL/ABC/LOC1", place)
    emsp.put(UID, examples.token(whitelist=whitelist))
    answers(emsp, info())

    answered = cpo.post(ASK, {"location_id": "LOC1", "evse_uids": ["EVSE1"]})

    assert answered.data["allowed"] == "ALLOWED"


@pytest.mark.row("TOK-10")
def test_a_place_that_the_hub_does_not_know_is_none_either(cpo, emsp):
    emsp.put(UID, examples.token())
    answers(emsp, info())

    assert cpo.post(ASK, {"location_id": "NOWHERE"}).data["allowed"] == "ALLOWED"


@pytest.mark.row("TOK-11")
@EVERY_WAY
@pytest.mark.parametrize("allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_a_refused_token_is_a_success_with_its_reason(cpo, emsp, allowed, route):
    emsp.put(UID, examples.token())
    answers(emsp, info(allowed=allowed))

    answered = cpo.post(ASK, PLACE, **route)

    assert answered.codes == (200, 1000)
    assert answered.data["allowed"] == allowed


@pytest.mark.row("TOK-07", "RSP-11", "RSP-13")
@EVERY_WAY
def test_too_little_information_is_2002(cpo, emsp, route):
    emsp.put(UID, examples.token())
    answers(emsp, status_code=2002)

    answered = cpo.post(ASK, **route)

    assert answered.codes == (200, 2002)
    assert legs(answered.headers) == ("DE*MSP", "NL*ABC")


@pytest.mark.row("TOK-06", "RSP-11")
@EVERY_WAY
@pytest.mark.parametrize("http_status", [404, 200])
def test_a_token_that_its_provider_does_not_know_is_answered_as_he_does(cpo, emsp, http_status, route):
    emsp.put(UID, examples.token())
    answers(emsp, status_code=2004, http_status=http_status)

    answered = cpo.post(ASK, PLACE, **route)

    assert answered.codes == (http_status, 2004)
    assert answered.data is None
    assert legs(answered.headers) == ("DE*MSP", "NL*ABC")


@pytest.mark.row("TOK-06", "RSP-11")
@pytest.mark.parametrize("route", [{}, to("NL*HUB")], ids=["to nobody", "to the hub"])
def test_a_token_that_nobody_knows_is_404_and_2004_without_data(cpo, emsp, route):
    answered = cpo.post("sender/tokens/UNKNOWN1/authorize", PLACE, **route)

    assert answered.codes == (404, 2004)
    assert "data" not in answered.envelope
    assert answered.message == "no such token is known"
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")
    assert emsp.calls == []


# ------------------------------------------------------------------------------------ the table of whitelist types
TO_ITS_OWNER, FROM_THE_LIST = "provider", "hub"
REACHABLE = {
    "allows": lambda emsp: answers(emsp, info()),
    "refuses": lambda emsp: answers(emsp, info(allowed="NO_CREDIT")),
    "does not know it": lambda emsp: answers(emsp, status_code=2004, http_status=404),
    "needs the place": lambda emsp: answers(emsp, status_code=2002),
    "refuses the request": lambda emsp: answers(emsp, status_code=2001),
    "fails in words": lambda emsp: answers(emsp, status_code=3000),
    "fails by HTTP": lambda emsp: answers(emsp, status_code=3000, http_status=500),
    "says nothing of use": lambda emsp: answers(emsp, {"token": None}),
    "does not answer": lambda emsp: emsp.answers.append(fail(httpx.ReadTimeout)),
    "refuses connections": lambda emsp: emsp.answers.append(fail(httpx.ConnectError)),
    "does not know the hub": lambda emsp: answers(emsp, status_code=2000, http_status=401),
    "is offline": lambda emsp: Platform.objects.filter(pk=emsp.platform.pk).update(status=Status.OFFLINE),
    "has no authorize": without_authorize,
}
# What goes back of a provider that was asked: HTTP status, status code, allowed.
ITS_WORD = {
    "allows": (200, 1000, "ALLOWED"),
    "refuses": (200, 1000, "NO_CREDIT"),
    "does not know it": (404, 2004, None),
    "needs the place": (200, 2002, None),
    "refuses the request": (200, 2001, None),
    "fails in words": (200, 3000, None),
    "fails by HTTP": (200, 4000, None),
    "says nothing of use": (200, 4000, None),
    "does not answer": (200, 4002, None),
    "refuses connections": (200, 4003, None),
    "does not know the hub": (200, 4003, None),
    "is offline": (200, 4003, None),
    "has no authorize": (404, 2004, None),
}
DECIDES = {"allows", "refuses", "does not know it", "needs the place", "refuses the request"}
ASKED_IN_VAIN = set(REACHABLE) - DECIDES - {"has no authorize"}
NEVER_REACHED = {"is offline", "has no authorize"}


def expected(whitelist, valid, state, answered_for_offline):
    """What the operator hears, and how it is decided, by the table of docs/interpretations.md."""
    by_list = (200, 1000, "ALLOWED" if valid else "BLOCKED")
    stands_in = whitelist in ("ALWAYS", "ALLOWED") or (
        whitelist == "ALLOWED_OFFLINE" and answered_for_offline
    )
    if whitelist == "ALWAYS" or (stands_in and state == "has no authorize"):
        return *by_list, "LIST"
    if stands_in and state in ASKED_IN_VAIN:
        return *by_list, "FALLBACK"
    return *ITS_WORD[state], "NOBODY" if state == "has no authorize" else "ASKED"


@pytest.mark.row("TOK-11", "TOK-12", "TOK-13", "TOK-14", "TOK-15", "TOK-16", "TOK-17")
@pytest.mark.parametrize("state", REACHABLE)
@pytest.mark.parametrize(
    ("whitelist", "answered_for_offline"),
    [
        ("ALWAYS", False),
        ("ALLOWED", False),
        ("ALLOWED_OFFLINE", False),
        ("ALLOWED_OFFLINE", True),
        ("NEVER", True),
    ],
    ids=["ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "ALLOWED_OFFLINE, answered for", "NEVER"],
)
@pytest.mark.parametrize("valid", [True, False], ids=["valid", "invalid"])
@pytest.mark.parametrize("route", [{}, MSP], ids=["to nobody", "to its owner"])
def test_each_cell_of_the_table(cpo, emsp, whitelist, valid, state, answered_for_offline, route):
    Platform.objects.filter(pk=emsp.platform.pk).update(answered_for_offline=answered_for_offline)
    emsp.put(UID, examples.token(whitelist=whitelist, valid=valid))
    REACHABLE[state](emsp)
    *codes, allowed, decided = expected(whitelist, valid, state, answered_for_offline)

    answered = cpo.post(ASK, PLACE, **route)

    assert answered.codes == tuple(codes)
    assert (answered.data["allowed"] if answered.data else None) == allowed
    assert Authorization.objects.get().decided == decided
    assert bool(asked(emsp)) == (whitelist != "ALWAYS" and state not in NEVER_REACHED)
    from_provider = decided == "ASKED" and answered.status_code < 4000
    assert legs(answered.headers) == ("DE*MSP" if from_provider else "NL*HUB", "NL*ABC")


@pytest.mark.row("TOK-12")
def test_what_is_answered_from_the_list_is_the_token_as_its_owner_sent_it(cpo, emsp):
    sent = json.dumps(examples.token(whitelist="ALWAYS"), indent=3).encode().replace(b"{", b'{"x_own": 1.50,')
    emsp.put(UID, sent)

    assert b'"data":{"allowed":"ALLOWED","token":' + sent + b"}" in cpo.post(ASK).body


@pytest.mark.row("TOK-13")
def test_an_answer_from_the_list_says_why_the_provider_did_not_give_it(cpo, emsp):
    emsp.put(UID, examples.token(whitelist="ALLOWED"))
    emsp.answers.append(fail(httpx.ReadTimeout))

    answered = cpo.post(ASK, PLACE)

    assert (
        answered.message
        == "from the hub's list: DE*MSP did not answer in time, which its operator has to mend if it lasts"
    )
    assert answered.data == {"allowed": "ALLOWED", "token": examples.token(whitelist="ALLOWED")}


@pytest.mark.row("TOK-15")
@pytest.mark.parametrize("state", [state for state in REACHABLE if state != "allows"])
def test_a_token_that_is_never_on_a_list_is_never_allowed_by_one(cpo, emsp, state):
    Platform.objects.filter(pk=emsp.platform.pk).update(answered_for_offline=True)
    emsp.put(UID, examples.token(whitelist="NEVER"))
    REACHABLE[state](emsp)

    answered = cpo.post(ASK, PLACE)

    assert not answered.data or answered.data["allowed"] != "ALLOWED"


@pytest.mark.parametrize("whitelist", ["ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"])
@pytest.mark.parametrize(
    "state", [{"status": Status.SUSPENDED}, {"status": Status.PLANNED}, {"token_cipher": ""}]
)
@pytest.mark.parametrize("route", [{}, MSP], ids=["to nobody", "to its owner"])
def test_nobody_charges_on_the_list_of_a_provider_that_has_left(cpo, emsp, whitelist, state, route):
    emsp.put(UID, examples.token(whitelist=whitelist))
    Platform.objects.filter(pk=emsp.platform.pk).update(answered_for_offline=True, **state)

    answered = cpo.post(ASK, PLACE, **route)

    assert answered.codes == (200, 4003)
    assert answered.message == "DE*MSP is not connected to this hub"
    assert asked(emsp) == []


def test_a_provider_whose_party_is_gone_has_no_tokens(cpo, emsp):
    emsp.put(UID, examples.token(whitelist="ALWAYS"))
    emsp.platform.parties.all().delete()

    assert cpo.post(ASK, PLACE).codes == (404, 2004)


# ----------------------------------------------------------------------------------------------- which token
@pytest.mark.row("TOK-04")
def test_uids_compare_without_case(cpo, emsp):
    emsp.put(UID, examples.token(whitelist="ALWAYS"))

    assert cpo.post("sender/tokens/04a1b2c3d4/authorize").data["token"]["uid"] == "04A1B2C3D4"


@pytest.mark.parametrize("route", [{}, MSP], ids=["to nobody", "to its owner"])
def test_a_token_that_was_sent_to_the_operator_alone_is_known(cpo, emsp, route):
    emsp.put(UID, examples.token(whitelist="ALWAYS"), **to("NL*ABC"))

    assert cpo.post(ASK, **route).data["allowed"] == "ALLOWED"


@pytest.mark.parametrize("route", [{}, MSP], ids=["to nobody", "to its owner"])
def test_a_token_that_was_sent_to_another_operator_alone_is_not(cpo, emsp, rival, route):
    answers(emsp, status_code=2004, http_status=404)
    emsp.put(UID, examples.token(whitelist="ALWAYS"), **to("BE*DEF"))

    assert cpo.post(ASK, **route).codes == (404, 2004)


@pytest.mark.parametrize("newer", [{}, to("NL*ABC")], ids=["sent to all", "sent to the operator"])
@pytest.mark.parametrize("order", [1, -1])
def test_of_what_was_sent_to_all_and_to_the_operator_the_newer_counts(cpo, emsp, newer, order):
    older = to("NL*ABC") if newer == {} else {}
    sent = [
        (examples.token(whitelist="ALWAYS", valid=False), older),
        (examples.token(whitelist="ALWAYS", valid=True, last_updated=LATER), newer),
    ]
    for token, route in sent[::order]:
        emsp.put(UID, token, **route)

    assert cpo.post(ASK).data["allowed"] == "ALLOWED"


def test_with_a_provider_named_its_own_token_counts(cpo, emsp, other_emsp):
    emsp.put(UID, examples.token(whitelist="ALWAYS", valid=False))
    theirs = examples.token(whitelist="ALWAYS", country_code="AT", party_id="PRO")
    other_emsp.put("receiver/tokens/AT/PRO/04A1B2C3D4", theirs)

    assert cpo.post(ASK, **MSP).data["allowed"] == "BLOCKED"
    assert cpo.post(ASK, **to("AT*PRO")).data == {"allowed": "ALLOWED", "token": theirs}


@pytest.mark.row("HUB-21", "HUB-22", "HUB-24", "UID-03", "UID-04", "UID-05")
def test_the_headers_of_an_openly_asked_provider_name_operator_and_provider(cpo, emsp):
    emsp.put(UID, examples.token())
    answers(emsp, info())
    ids = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}

    answered = cpo.post(ASK, PLACE, **ids)

    [call] = asked(emsp)
    assert legs(call.headers) == ("NL*ABC", "DE*MSP")
    assert call.headers["X-Correlation-ID"] == "correlation-1"
    assert call.headers["X-Request-ID"] != "request-1"
    assert legs(answered.headers) == ("DE*MSP", "NL*ABC")
    assert {name: answered.headers[name] for name in ids} == ids


# --------------------------------------------------------------------------------------- unknown tokens (TOK-18)
@pytest.fixture
def flagged(emsp, other_emsp):
    """Both providers are asked about tokens that nobody has pushed."""
    Platform.objects.filter(pk__in=[emsp.platform.pk, other_emsp.platform.pk]).update(
        asked_about_unknown_tokens=True
    )
    return emsp, other_emsp


@pytest.mark.row("TOK-18", "HUB-22", "HUB-24")
def test_the_owner_of_a_token_that_was_never_pushed_is_found_by_asking(cpo, flagged):
    emsp, other_emsp = flagged
    theirs = examples.token(country_code="AT", party_id="PRO")
    answers(emsp, status_code=2004, http_status=404)
    answers(other_emsp, info(token=theirs))

    answered = cpo.post(ASK, PLACE)

    assert answered.codes == (200, 1000)
    assert answered.data == info(token=theirs)
    assert legs(answered.headers) == ("AT*PRO", "NL*ABC")
    [call] = asked(other_emsp)
    assert legs(call.headers) == ("NL*ABC", "AT*PRO")
    assert (call.body, call.path) == (PLACE, "/sender/tokens/04A1B2C3D4/authorize")
    assert Token.objects.count() == 0


@pytest.mark.row("TOK-18")
def test_with_a_provider_named_only_that_one_is_asked(cpo, flagged, stranger):
    emsp, other_emsp = flagged
    answers(emsp, info())

    assert cpo.post(ASK, PLACE, **MSP).data == info()
    assert (len(asked(emsp)), asked(other_emsp), asked(stranger)) == (1, [], [])


@pytest.mark.row("TOK-18", "TOK-17")
def test_a_named_provider_without_authorize_does_not_know_what_is_not_in_its_list(cpo, emsp):
    without_authorize(emsp)

    assert cpo.post(ASK, PLACE, **MSP).codes == (404, 2004)


@pytest.mark.row("TOK-06", "TOK-18")
def test_what_none_of_them_knows_is_404_and_2004_from_the_hub(cpo, flagged):
    for provider in flagged:
        answers(provider, status_code=2004, http_status=404)

    answered = cpo.post(ASK, PLACE)

    assert answered.codes == (404, 2004)
    assert "data" not in answered.envelope
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")
    assert [len(asked(provider)) for provider in flagged] == [1, 1]


# --------------------------------------------------------------------------------------------------- references
@EVERY_WAY
def test_the_reference_is_noted_for_session_and_cdr(cpo, emsp, route):
    emsp.put(UID, examples.token())
    answers(emsp, info(authorization_reference="AUTH-7"))

    cpo.post(ASK, PLACE, **route)

    assert list(Grant.objects.values("token_owner", "token_key", "operator", "reference", "given_by")) == [
        {"token_owner": "DE*MSP", "token_key": "04A1B2C3D4", "operator": "NL*ABC", "reference": "AUTH-7",
         "given_by": "authorize"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        info(allowed="BLOCKED"),
        info(authorization_reference=None),
        info(authorization_reference=""),
        info(authorization_reference="x" * 37),
        info(authorization_reference=7),
    ],
)
def test_what_cannot_come_back_in_a_session_is_not_noted(cpo, emsp, given):
    emsp.put(UID, examples.token())
    answers(emsp, given)

    assert cpo.post(ASK, PLACE).data == given
    assert Grant.objects.count() == 0
