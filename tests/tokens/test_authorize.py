"""Authorize: the decisions by themselves, what is asked of several providers, and what stays for the operator."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.conf import settings as configured
from django.utils import timezone

from ocpi_hub.exchange.exceptions import HubError, NotAnswered, NotConnected
from ocpi_hub.exchange.housekeeping import partitions
from ocpi_hub.exchange.models import Grant
from ocpi_hub.partners.models import Platform, Status
from ocpi_hub.protocol.client import Answer
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON
from ocpi_hub.protocol.envelope import envelope
from ocpi_hub.protocol.types import PartyRef
from tests import examples
from tests.conformance.calls import to
from tests.conformance.test_authorize import answers, asked
from tests.conformance.test_relay import fail
from tests.partners import register
from tokens import authorize
from tokens.models import Authorization, Token, shortened
from tokens.replies import Meaning, read

UID = "receiver/tokens/DE/MSP/04A1B2C3D4"
ASK = "sender/tokens/04A1B2C3D4/authorize"
OF_PRO = examples.token(country_code="AT", party_id="PRO")
MSP, PRO = PartyRef("DE", "MSP"), PartyRef("AT", "PRO")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


# ------------------------------------------------------------------------------------------------- pure decisions
@pytest.mark.parametrize(
    ("whitelist", "by_default", "answered_for_offline"),
    [
        ("ALWAYS", True, True),
        ("ALLOWED", True, True),
        ("ALLOWED_OFFLINE", False, True),
        ("NEVER", False, False),
    ],
)
def test_the_list_stands_in_where_the_whitelist_lets_the_hub(whitelist, by_default, answered_for_offline):
    assert authorize.may_stand_in(whitelist, False) is by_default
    assert authorize.may_stand_in(whitelist, True) is answered_for_offline


@pytest.mark.parametrize("body", [b"", b" \n", b"null", b"{}", b"{ }"])
def test_a_body_that_says_nothing_is_none(body):
    assert authorize.references(body) is None


def test_a_place_goes_on_as_it_came():
    assert authorize.references(b'{"location_id": "LOC1" }') == b'{"location_id": "LOC1" }'


@pytest.mark.parametrize(
    ("body", "error"), [(b"[]", InvalidObject), (b'{"evse_uids":[]}', InvalidObject), (b"{", MalformedJSON)]
)
def test_what_is_no_place_is_refused(body, error):
    with pytest.raises(error):
        authorize.references(body)


def listed(owner="DE", valid=True, updated=0, created=0, audience=""):
    return Token(
        owner_key=f"{owner}*MSP", valid=valid, audience=audience,
        last_updated=NOON + timedelta(hours=updated), created_at=NOON + timedelta(hours=created),
    )  # fmt: skip


@pytest.mark.parametrize(
    "tokens",
    [
        [listed("DE"), listed("AT", created=1)],
        [listed("DE", created=1), listed("AT", valid=False)],
        [listed("DE", valid=False), listed("AT", valid=False, created=1)],
        [listed("DE"), listed("AT", updated=5, created=1)],
        [
            listed("DE", updated=1),
            listed("AT", valid=True, audience="NL*ABC"),
            listed("AT", valid=False, updated=1),
        ],
    ],
    ids=[
        "the longest known",
        "the valid",
        "the longest known invalid",
        "the hub's time",
        "what each said last",
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_of_several_owners_a_valid_token_then_the_longest_known_is_meant(tokens, order):
    assert authorize.choose(tokens[::order]).owner_key == "DE*MSP"


@pytest.mark.parametrize("order", [1, -1])
def test_of_one_owner_the_newest_counts_and_of_two_as_new_that_for_the_operator(order):
    old, new, own = listed(updated=0), listed(updated=1, valid=False), listed(updated=1, audience="NL*ABC")

    assert authorize.choose([old, new][::order]) is new
    assert authorize.choose([old, new, own][::order]) is own


# ---------------------------------------------------------------------------------------- what an answer says
def told(data=None, status_code=1000, http_status=200):
    body = envelope(status_code) if data is None else envelope(status_code, data)
    return Answer(http_status, httpx.Headers(), body, 0.1)


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (told(examples.authorization_info()), Meaning.ALLOWED),
        (told(examples.authorization_info(), status_code=1999, http_status=201), Meaning.ALLOWED),
        (told(examples.authorization_info(allowed="EXPIRED")), Meaning.REFUSED),
        (told(examples.authorization_info(), http_status=404), Meaning.UNKNOWN),
        (told(status_code=2002), Meaning.TOO_LITTLE),
        (told(status_code=2002, http_status=400), Meaning.TOO_LITTLE),
        (told(status_code=2004, http_status=404), Meaning.UNKNOWN),
        (told(status_code=2004), Meaning.UNKNOWN),
        (told(status_code=2001), Meaning.UNKNOWN),
        (told(status_code=2000, http_status=404), Meaning.UNKNOWN),
        (told(status_code=3000), Meaning.FAILED),
        (told(status_code=3999, http_status=404), Meaning.FAILED),
        (told(status_code=4003), Meaning.FAILED),
    ],
)
def test_what_an_answer_means(answer, meaning):
    assert read(answer, MSP, "04A1B2C3D4").meaning is meaning


def test_what_is_nested_too_deeply_says_nothing():
    deep = b'{"status_code":1000,"data":{"allowed":"ALLOWED","x":' + b"[" * 40 + b"]" * 40 + b"}}"

    with pytest.raises(HubError):
        read(Answer(200, httpx.Headers(), deep, 0.1), MSP, "04A1B2C3D4")


def reply(meaning):
    if isinstance(meaning, Exception):
        return meaning
    allowed = {Meaning.ALLOWED: "ALLOWED", Meaning.REFUSED: "BLOCKED"}.get(meaning)
    code = {Meaning.TOO_LITTLE: 2002, Meaning.UNKNOWN: 2004, Meaning.FAILED: 3000}.get(meaning, 1000)
    return read(
        told(examples.authorization_info(allowed=allowed) if allowed else None, code), MSP, "04A1B2C3D4"
    )


LATE, AWAY, BROKEN = NotAnswered("late"), NotConnected("away"), HubError("broken")


@pytest.mark.parametrize(
    ("replies", "status_code", "goes_back"),
    [
        ([Meaning.UNKNOWN, Meaning.ALLOWED], 1000, 1),
        ([Meaning.REFUSED, Meaning.ALLOWED], 1000, 1),
        ([Meaning.TOO_LITTLE, Meaning.REFUSED], 1000, 1),
        ([Meaning.REFUSED, Meaning.REFUSED], 1000, 0),
        ([LATE, Meaning.TOO_LITTLE, Meaning.UNKNOWN], 2002, 1),
        ([Meaning.UNKNOWN, Meaning.UNKNOWN], 2004, None),
        ([LATE, AWAY, BROKEN, Meaning.FAILED, Meaning.UNKNOWN], 2004, None),
        ([AWAY, LATE, Meaning.FAILED], 4002, None),
        ([BROKEN, AWAY], 4003, None),
        ([BROKEN, Meaning.FAILED], 4000, None),
        ([Meaning.FAILED], 4000, None),
    ],
)  # fmt: skip
def test_the_most_telling_of_several_answers_goes_back(replies, status_code, goes_back):
    refs = [PartyRef("DE", f"P{number}") for number in range(len(replies))]

    outcome = authorize.most_telling(refs, [reply(meaning) for meaning in replies])

    assert outcome.status_code == status_code
    assert outcome.asked == (None if goes_back is None else refs[goes_back])
    assert (outcome.error is None) == (goes_back is not None)


def test_why_others_did_not_answer_is_told_beside():
    outcome = authorize.most_telling([MSP, PRO], [LATE, reply(Meaning.ALLOWED)])

    assert (outcome.info.allowed, outcome.problem) == ("ALLOWED", "DE*MSP: late")


# --------------------------------------------------------------------------------------------- how long, and whom
def given_seconds(partner):
    given = []
    partner.answers.append(lambda request: given.append(request.extensions["timeout"]["read"]))
    return given


@pytest.mark.parametrize(("own", "seconds"), [(None, 3.0), (9, 9.0), (0, 3.0)])
@pytest.mark.parametrize("pushed", [True, False])
def test_a_provider_has_its_own_time_or_the_hubs(cpo, emsp, own, seconds, pushed):
    Platform.objects.filter(pk=emsp.platform.pk).update(authorize_timeout=own)
    if pushed:
        emsp.put(UID, examples.token())
    given = given_seconds(emsp)

    cpo.post(ASK, **({} if pushed else to("DE*MSP")))

    assert given == [seconds]


def test_several_have_no_more_than_is_left_of_the_common_time(cpo, emsp, settings):
    Platform.objects.filter(pk=emsp.platform.pk).update(asked_about_unknown_tokens=True, authorize_timeout=60)
    given = given_seconds(emsp)

    cpo.post(ASK)

    assert given == [pytest.approx(configured.HUB_AUTHORIZE_DEADLINE, abs=1)]
    assert given[0] <= 5


def test_who_is_not_flagged_is_not_asked(cpo, emsp, other_emsp, stranger):
    Platform.objects.filter(pk=other_emsp.platform.pk).update(asked_about_unknown_tokens=True)
    answers(other_emsp, examples.authorization_info(token=OF_PRO))

    assert cpo.post(ASK).codes == (200, 1000)
    assert (asked(emsp), len(asked(other_emsp)), asked(stranger)) == ([], 1, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"status": Status.OFFLINE, "offline_since": NOON},
        {"status": Status.SUSPENDED},
        {"status": Status.PLANNED},
        {"token_cipher": ""},
    ],
)
def test_who_is_not_connected_is_not_asked(cpo, emsp, changes):
    Platform.objects.filter(pk=emsp.platform.pk).update(asked_about_unknown_tokens=True, **changes)

    assert cpo.post(ASK).codes == (404, 2004)
    assert asked(emsp) == []


def test_who_has_no_authorize_or_is_no_provider_is_not_asked(cpo, emsp, rival):
    Platform.objects.update(asked_about_unknown_tokens=True)
    emsp.platform.endpoints.filter(module="tokens", role="SENDER").delete()

    assert cpo.post(ASK).codes == (404, 2004)
    assert asked(emsp) == asked(rival) == asked(cpo) == []


def test_each_provider_of_a_platform_is_asked_in_its_own_name(cpo, network):
    two = register(network, "TWO", "DE-ONE-EMSP", "DE-TWO-EMSP", "DE-THR-NSP")
    Platform.objects.filter(pk=two.platform.pk).update(asked_about_unknown_tokens=True)
    answers(two, status_code=2004, http_status=404)

    assert cpo.post(ASK).codes == (404, 2004)
    assert sorted(call.headers["OCPI-to-party-id"] for call in asked(two)) == ["ONE", "TWO"]


def test_a_known_token_is_never_asked_around(cpo, flagged):
    emsp, other_emsp = flagged
    emsp.put(UID, examples.token(whitelist="NEVER"))
    answers(emsp, status_code=2004, http_status=404)

    assert cpo.post(ASK).codes == (404, 2004)
    assert (len(asked(emsp)), asked(other_emsp)) == (1, [])


def test_a_refused_token_beats_an_unknown_one(cpo, flagged):
    emsp, other_emsp = flagged
    answers(emsp, status_code=2004, http_status=404)
    answers(other_emsp, examples.authorization_info(allowed="EXPIRED", token=OF_PRO))

    assert cpo.post(ASK).data["allowed"] == "EXPIRED"


@pytest.mark.parametrize(("error", "code"), [(httpx.ReadTimeout, 4002), (httpx.ConnectError, 4003)])
def test_when_none_of_those_asked_can_be_heard_it_is_not_unknown(cpo, flagged, error, code):
    for provider in flagged:
        provider.answers.append(fail(error))

    answered = cpo.post(ASK)

    assert answered.codes == (200, code)
    assert Authorization.objects.get().problem.count(";") == 1


def test_an_answer_without_a_word_counts_as_a_failure_of_that_provider(cpo, flagged):
    emsp, other_emsp = flagged
    answers(emsp, {"allowed": "MAYBE"})
    answers(other_emsp, examples.authorization_info(token=OF_PRO))

    assert cpo.post(ASK).data["allowed"] == "ALLOWED"


def test_two_providers_with_one_uid_are_told_to_the_operator_of_the_hub(cpo, emsp, other_emsp, caplog):
    emsp.put(UID, examples.token(whitelist="ALWAYS", valid=False))
    theirs = examples.token(whitelist="ALWAYS", country_code="AT", party_id="PRO")
    other_emsp.put("receiver/tokens/AT/PRO/04A1B2C3D4", theirs)

    answered = cpo.post(ASK)

    assert answered.data == {"allowed": "ALLOWED", "token": theirs}
    [line] = [record.getMessage() for record in caplog.records if record.name == "tokens.authorize"]
    assert line == (
        "token …C3D4 (RFID) is of AT*PRO, DE*MSP at once; that of AT*PRO is taken,"
        " and one of them should change its uid"
    )
    assert Authorization.objects.get().token_owner == "AT*PRO"


def test_of_those_the_one_who_has_left_does_not_count(cpo, emsp, other_emsp):
    emsp.put(UID, examples.token(whitelist="ALWAYS"))
    theirs = examples.token(whitelist="ALWAYS", valid=False, country_code="AT", party_id="PRO")
    other_emsp.put("receiver/tokens/AT/PRO/04A1B2C3D4", theirs)
    Platform.objects.filter(pk=emsp.platform.pk).update(status=Status.SUSPENDED)

    assert cpo.post(ASK).data["allowed"] == "BLOCKED"


@pytest.mark.parametrize("changes", [{"country_code": "AT", "party_id": "PRO"}, {"uid": "04FFFFFFFF"}])
@pytest.mark.parametrize("sound", [True, False])
def test_a_provider_authorizes_the_token_that_was_asked_about_and_no_other(cpo, emsp, sound, changes):
    """Else the driver's charge would be billed to whomever the answer names."""
    emsp.put(UID, examples.token(whitelist="NEVER"))
    token = examples.token(**changes)
    if not sound:
        del token["issuer"]
    answers(emsp, examples.authorization_info(token=token))

    answered = cpo.post(ASK)

    assert answered.codes == (200, 4000)
    assert answered.message.startswith("DE*MSP answered about another token than it was asked about: its ")
    assert "data" not in answered.envelope
    assert Grant.objects.count() == 0


def test_whoever_pushes_the_uid_of_anothers_card_is_not_asked_in_its_place(cpo, emsp, other_emsp):
    emsp.put(UID, examples.token(whitelist="NEVER"))
    other_emsp.put("receiver/tokens/AT/PRO/04A1B2C3D4", OF_PRO | {"whitelist": "NEVER"})
    answers(emsp, examples.authorization_info())

    assert cpo.post(ASK).data == examples.authorization_info()
    assert (len(asked(emsp)), asked(other_emsp)) == (1, [])


def test_a_platform_may_operate_and_provide(stranger):
    theirs = examples.token(whitelist="NEVER", country_code="FR", party_id="XYZ")
    stranger.put("receiver/tokens/FR/XYZ/04A1B2C3D4", theirs)
    answers(stranger, examples.authorization_info(token=theirs))

    assert stranger.post(ASK).data["allowed"] == "ALLOWED"


# ----------------------------------------------------------------------------------------------------- what stays
def row():
    kept = Authorization.objects.values().get()
    assert 0 <= kept.pop("milliseconds") < 5000
    assert timezone.now() - kept.pop("at") < timedelta(minutes=1)
    return {
        name: value for name, value in kept.items() if name not in ("id", "correlation_id") and value != ""
    }


ALWAYS_THERE = {"operator": "NL*ABC", "token_uid": "04A1B2C3D4", "token_type": "RFID"}


def test_a_row_says_who_asked_about_what_and_who_allowed_it(cpo, emsp):
    emsp.put(UID, examples.token())
    answers(emsp, examples.authorization_info())

    cpo.post(ASK, **{"X-Correlation-ID": "correlation-1"})

    assert Authorization.objects.get().correlation_id == "correlation-1"
    assert row() == ALWAYS_THERE | {
        "token_owner": "DE*MSP", "provider": "DE*MSP", "decided": "ASKED", "allowed": "ALLOWED",
        "status_code": 1000, "reference": "AUTH1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("whitelist", "expected"),
    [
        ("ALWAYS", {"decided": "LIST", "allowed": "ALLOWED", "status_code": 1000}),
        ("ALLOWED", {"decided": "FALLBACK", "allowed": "ALLOWED", "status_code": 1000, "provider": "DE*MSP",
                     "problem": "DE*MSP did not answer in time, which its operator has to mend if it lasts"}),
        ("NEVER", {"decided": "ASKED", "status_code": 4002, "provider": "DE*MSP",
                   "problem": "DE*MSP did not answer in time, which its operator has to mend if it lasts"}),
    ],
)  # fmt: skip
def test_a_row_says_what_the_list_decided_and_why(cpo, emsp, whitelist, expected):
    emsp.put(UID, examples.token(whitelist=whitelist))
    emsp.answers.append(fail(httpx.ReadTimeout))

    cpo.post(ASK)

    assert row() == ALWAYS_THERE | {"token_owner": "DE*MSP"} | expected


def test_a_row_says_that_nobody_knew(cpo, flagged):
    emsp, other_emsp = flagged
    answers(emsp, status_code=2004, http_status=404)
    other_emsp.answers.append(fail(httpx.ReadTimeout))

    cpo.post(f"{ASK}?type=APP_USER")

    assert row() == ALWAYS_THERE | {
        "token_type": "APP_USER", "decided": "NOBODY", "status_code": 2004,
        "problem": "AT*PRO: AT*PRO did not answer in time, which its operator has to mend if it lasts",
    }  # fmt: skip


def test_a_row_of_several_asked_names_whose_answer_went_back_and_whose_token_it_is(cpo, flagged):
    emsp, other_emsp = flagged
    answers(emsp, status_code=2004, http_status=404)
    answers(other_emsp, examples.authorization_info(token=OF_PRO))

    cpo.post(ASK)

    assert row() == ALWAYS_THERE | {
        "token_owner": "AT*PRO", "provider": "AT*PRO", "decided": "BROADCAST", "allowed": "ALLOWED",
        "status_code": 1000, "reference": "AUTH1",
    }  # fmt: skip


def test_rows_go_with_the_messages_of_their_time(cpo, emsp, settings):
    settings.HUB_AUTHORIZATION_DAYS = 10
    for days in (9, 11):
        cpo.post(ASK)
        Authorization.objects.filter(pk=Authorization.objects.first().pk).update(
            at=timezone.now() - timedelta(days=days), status_code=days
        )

    partitions.delete_finished()

    assert list(Authorization.objects.values_list("status_code", flat=True)) == [9]


@pytest.mark.parametrize(
    ("uid", "end"), [("04A1B2C3D4", "…C3D4"), ("12345", "…2345"), ("1234", "…"), ("", "…")]
)
def test_of_a_uid_lists_and_logs_show_the_end_only(uid, end):
    assert shortened(uid) == end
    assert str(Authorization(operator="NL*ABC", token_uid=uid, allowed="ALLOWED")) == (
        f"NL*ABC asked about {end}: ALLOWED"
    )


@pytest.mark.parametrize("whitelist", ["ALWAYS", "ALLOWED", "NEVER", None])
@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ConnectError, httpx.ReadError])
def test_no_log_names_a_uid(cpo, flagged, whitelist, error, caplog):
    caplog.set_level("DEBUG")
    if whitelist:
        flagged[0].put(UID, examples.token(whitelist=whitelist))
    for provider in flagged:
        provider.answers.append(fail(error))
    caplog.clear()

    cpo.post(ASK, {"location_id": "LOC1"})

    lines = [line for line in caplog.text.splitlines() if "django.db.backends" not in line]
    assert not [line for line in lines if "04A1B2C3D4" in line.upper()]


def test_nor_what_a_provider_says_about_it(cpo, emsp, caplog):
    said = {"status_code": 3000, "status_message": "no 04a1b2c3d4 in /cards/04A1B2C3D4"}
    emsp.answers.append(lambda request: httpx.Response(500, json=said))

    assert cpo.post(ASK, **to("DE*MSP")).codes == (200, 4000)
    assert "a request to DE*MSP came to nothing: HTTP 500, 3000: no *** in /cards/***" in caplog.text
