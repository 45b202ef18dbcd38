"""CDR-01 to CDR-21: CDRs. What holds for every module is in test_every_module.py."""

import json
import logging
from copy import deepcopy
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdrs.models import CDR
from ocpi_hub.exchange.models import Delivery, RefusedObject
from ocpi_hub.exchange.objects import grants
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.protocol import cdrs as chapter
from ocpi_hub.protocol.codec import dump, parse
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.types import PartyRef
from tests import examples
from tests.conformance.calls import METHODS, nothing_changes, to
from tests.partners import Answered, Partner
from tests.protocol.strategies import valid

pytestmark = pytest.mark.django_db

CDRS = "receiver/cdrs"
CDR1 = "receiver/cdrs/NL/ABC/CDR1"
EARLIER, LATER = "2026-02-01T08:00:00Z", "2026-03-02T08:00:00Z"
CREDIT = examples.credit_cdr()["id"]


def of(country_code: str, party_id: str, **changes: Any) -> dict[str, Any]:
    """A CDR of a token of this provider."""
    token = examples.cdr()["cdr_token"] | {"country_code": country_code, "party_id": party_id}
    return examples.cdr(cdr_token=token, **changes)


def follow(partner: Partner, answered: Answered) -> Answered:
    """What is at the Location of an answer."""
    return partner.get("/ocpi" + answered.headers["Location"].partition("/ocpi")[2])


def bodies(partner: Partner) -> list[Any]:
    return [call.body for call in partner.received("POST")]


def findings(object_id: str = "CDR1") -> list[str]:
    return CDR.objects.get(object_id=object_id).findings


# ------------------------------------------------------------------------------------------------- the list
@pytest.mark.row("CDR-01")
def test_the_list_is_cut_by_when_they_were_made(cpo, emsp):
    made = [examples.cdr(id=f"C{day}", last_updated=f"2026-03-0{day}T08:00:00Z") for day in (1, 2, 3)]
    for cdr in made:
        cpo.post(CDRS, cdr)

    assert emsp.get("sender/cdrs").data == made
    found = emsp.get("sender/cdrs?date_from=2026-03-02T08:00:00Z&date_to=2026-03-03T08:00:00Z")
    assert found.data == made[1:2]
    assert emsp.crawl("sender/cdrs?limit=1") == made


@pytest.mark.row("CDR-02", "TRN-14")
def test_a_provider_sees_and_is_sent_its_own_only(cpo, emsp, other_emsp, stranger, deliver):
    """Also where two operators gave one id, and where a copy went to one party directly."""
    mine, others = examples.cdr(), of("AT", "PRO", id="CDR2")
    rivals = of("AT", "PRO") | {"country_code": "FR", "party_id": "XYZ"}
    cpo.post(CDRS, mine)
    cpo.post(CDRS, others)
    stranger.post(CDRS, rivals)
    direct = examples.cdr(id="CDR3")
    cpo.post(CDRS, direct, **to("AT*PRO"))
    deliver()

    assert bodies(emsp) == [mine]
    assert sorted(bodies(other_emsp), key=str) == sorted([others, rivals, direct], key=str)
    assert bodies(stranger) == []
    assert emsp.get("sender/cdrs").data == [mine]
    assert emsp.get("sender/cdrs").headers["X-Total-Count"] == "1"
    assert other_emsp.get("sender/cdrs").data == [others, rivals, direct]
    assert stranger.get("sender/cdrs").data == []
    assert cpo.get("sender/cdrs").data == []
    assert emsp.get("sender/cdrs/CDR1").http_status == 404


@pytest.mark.row("CDR-02")
@pytest.mark.parametrize("addressed", [{}, to("NL*HUB")], ids=["nobody", "hub"])
def test_for_a_provider_that_the_hub_does_not_know_it_is_4001_and_not_kept(cpo, emsp, addressed):
    with nothing_changes():
        answered = cpo.post(CDRS, of("FR", "AAA"), **addressed)

    assert answered.codes == (200, 4001)
    assert "Location" not in answered.headers


# ------------------------------------------------------------------------------------------------- the POST
@pytest.mark.row("CDR-03")
def test_the_receiver_has_post_at_its_endpoint_and_get_at_each_cdr(cpo, emsp):
    at_endpoint = {method: cpo.request(method, CDRS, examples.cdr()).codes for method in METHODS}
    at_cdr = {method: cpo.request(method, CDR1, examples.cdr()).codes for method in METHODS}

    assert at_endpoint == {
        "GET": (404, 2000),
        "POST": (201, 1000),
        "PUT": (405, 2000),
        "PATCH": (405, 2000),
        "DELETE": (405, 2000),
    }
    assert at_cdr == {
        "GET": (200, 1000),
        "POST": (404, 2000),
        "PUT": (405, 2000),
        "PATCH": (405, 2000),
        "DELETE": (405, 2000),
    }


@pytest.mark.row("CDR-03", "CDR-04", "CDR-05")
@pytest.mark.parametrize("addressed", [{}, to("NL*HUB"), to("DE*MSP")], ids=["nobody", "hub", "provider"])
def test_a_cdr_is_posted_and_found_at_its_location(cpo, emsp, deliver, addressed):
    made = examples.cdr(x_more={"list": [1, 2.50, None]})

    answered = cpo.post(CDRS, made, **addressed)
    deliver()

    # Its provider answers 200 when it is asked directly.
    assert answered.codes == ((200, 1000) if addressed == to("DE*MSP") else (201, 1000))
    assert answered.headers["Location"].startswith("http")
    assert "data" not in answered.envelope
    assert follow(cpo, answered).data == made
    assert bodies(emsp) == [made]
    [call] = emsp.received("POST")
    assert call.path == "/receiver/cdrs"
    assert (call.headers["OCPI-from-party-id"], call.headers["OCPI-to-party-id"]) == ("ABC", "MSP")


@pytest.mark.row("CDR-04", "CDR-05")
@pytest.mark.parametrize("cdr_id", ["#" * 36, "a/b c%2F?", "..", "x" * 36])
def test_a_location_is_short_enough_whatever_the_id(cpo, emsp, settings, cdr_id):
    settings.HUB_BASE_URL = "https://roaming.hub-of-a-long-name.example"

    answered = cpo.post(CDRS, examples.cdr(id=cdr_id))

    location = answered.headers["Location"]
    encoded = "%2E%2E" if cdr_id == ".." else quote(cdr_id, safe="")
    assert location == f"https://roaming.hub-of-a-long-name.example/ocpi/2.2.1/receiver/cdrs/NL/ABC/{encoded}"
    assert len(location) <= 255
    assert follow(cpo, answered).data["id"] == cdr_id


@pytest.mark.row("CDR-04")
@pytest.mark.parametrize("cdr_id", [" CDR1", "CDR1 "])
def test_an_id_that_its_location_could_not_hold_is_2001(cpo, emsp, cdr_id):
    with nothing_changes():
        answered = cpo.post(CDRS, examples.cdr(id=cdr_id))

    assert answered.codes == (200, 2001)
    assert answered.message == "$.id: begins or ends with a blank"


@pytest.mark.row("CDR-05")
def test_get_gives_the_document_byte_for_byte(cpo, emsp):
    body = json.dumps(examples.cdr(x=1), indent=1).encode()
    body = body.replace(b'"x": 1', b'"x":  1.50E+2, "\\u00e4": "\\/ \xf0\x9f\x9a\x97"')

    answered = cpo.post(CDRS, body)

    assert b'{"data":' + body + b"," in follow(cpo, answered).body


@pytest.mark.row("CDR-06", "CDR-02")
def test_its_location_opens_to_its_operator_only(cpo, emsp, rival, stranger):
    answered = cpo.post(CDRS, examples.cdr())

    assert follow(cpo, answered).codes == (200, 1000)
    for other in (emsp, rival, stranger):
        refused = follow(other, answered)
        assert refused.codes == (404, 2001)
        assert "data" not in refused.envelope


# ------------------------------------------------------------------------------------------- never changed
@pytest.mark.row("CDR-07")
@pytest.mark.parametrize(
    "again",
    [
        examples.cdr(),
        examples.cdr(last_updated=LATER),
        examples.cdr(id="cdr1") | {"id": "CDR1"},
        dict(reversed(examples.cdr().items())),
        examples.cdr(total_energy=20.0, remark=None),
    ],
)
def test_the_same_again_is_200_with_the_same_location_and_goes_nowhere(cpo, emsp, deliver, again):
    first = cpo.post(CDRS, examples.cdr())
    deliver()

    with nothing_changes():
        second = cpo.post(CDRS, again)

    assert second.codes == (200, 1000)
    assert second.message == "the hub has exactly this already"
    assert second.headers["Location"] == first.headers["Location"]
    assert deliver() == 0
    assert len(bodies(emsp)) == 1


@pytest.mark.row("CDR-07")
def test_other_content_is_2001_and_kept_for_the_operator_alone(cpo, emsp, deliver, caplog):
    cpo.post(CDRS, examples.cdr())
    deliver()
    changed = examples.cdr(total_cost={"excl_vat": 99}, last_updated=LATER)

    with nothing_changes(), caplog.at_level(logging.WARNING, "cdrs.views"):
        answers = [cpo.post(CDRS, changed), cpo.post(CDRS, changed)]

    assert {answered.codes for answered in answers} == {(200, 2001)}
    assert answers[0].message.startswith("$: differs from what came as NL/ABC/CDR1 at ")
    assert "Location" not in answers[0].headers
    assert deliver() == 0
    assert cpo.get(CDR1).data == examples.cdr()
    assert emsp.get("sender/cdrs").data == [examples.cdr()]
    row = RefusedObject.objects.get()
    assert (row.platform, row.module, row.object_key, row.times) == (
        cpo.platform, "cdrs", "NL*ABC/CDR1, posted", 2,
    )  # fmt: skip
    assert json.loads(row.document) == changed
    assert row.reason.startswith("differs from what came as NL/ABC/CDR1")
    assert caplog.messages[0].startswith("cdrs/NL/ABC/CDR1 differs from what came as NL/ABC/CDR1")


@pytest.mark.row("CDR-07")
def test_what_was_posted_with_other_content_stays_noted_when_a_pull_brings_the_first(cpo, emsp):
    cpo.post(CDRS, examples.cdr())
    cpo.post(CDRS, examples.cdr(total_energy=21))
    cpo.lists["cdrs"] = [examples.cdr()]

    [report] = sync.pull_platform(cpo.platform.pk, "cdrs", full=True)

    assert (report.pull.unchanged, report.pull.refused) == (1, 0)
    assert RefusedObject.objects.count() == 1


@pytest.mark.row("CDR-07", "CDR-02")
def test_it_does_not_come_again_for_another_provider(cpo, emsp, other_emsp, deliver):
    cpo.post(CDRS, examples.cdr())

    with nothing_changes():
        assert cpo.post(CDRS, of("AT", "PRO")).codes == (200, 2001)

    deliver()
    assert other_emsp.calls == []


@pytest.mark.row("CDR-08")
def test_two_operators_may_have_one_id(cpo, rival, emsp, deliver):
    theirs = examples.cdr(country_code="BE", party_id="DEF", total_energy=21)

    first, second = cpo.post(CDRS, examples.cdr()), rival.post(CDRS, theirs)
    deliver()

    assert (first.codes, second.codes) == ((201, 1000), (201, 1000))
    assert first.headers["Location"] != second.headers["Location"]
    assert follow(cpo, first).data == examples.cdr()
    assert follow(rival, second).data == theirs
    assert bodies(emsp) == emsp.get("sender/cdrs").data == [examples.cdr(), theirs]


@pytest.mark.row("CDR-09")
def test_an_id_has_36_characters_and_that_of_a_credit_39(cpo, emsp):
    assert cpo.post(CDRS, examples.cdr(id="x" * 36)).codes == (201, 1000)
    credit = examples.credit_cdr(id="x" * 39, credit_reference_id="x" * 36)
    answered = cpo.post(CDRS, credit)
    assert answered.codes == (201, 1000)
    assert follow(cpo, answered).data == credit

    with nothing_changes():
        too_long = cpo.post(CDRS, examples.cdr(id="y" * 37))
        much_too_long = cpo.post(CDRS, examples.credit_cdr(id="y" * 40))

    assert too_long.codes == much_too_long.codes == (200, 2001)
    assert too_long.message == "$.id: longer than 36 characters, and credit is not true"
    assert much_too_long.message == "$.id: longer than 39 characters"


# ------------------------------------------------------------------------------------------------- credits
@pytest.mark.row("CDR-10", "CDR-11", "CDR-12")
def test_a_cdr_is_credited_and_a_corrected_one_follows(cpo, emsp, deliver):
    corrected = examples.cdr(id="CDR2", total_energy=10, charging_periods=[
        {"start_date_time": "2026-03-01T07:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 10}]}
    ])  # fmt: skip
    all_three = [examples.cdr(), examples.credit_cdr(), corrected]

    assert [cpo.post(CDRS, cdr).codes for cdr in all_three] == [(201, 1000)] * 3
    deliver()

    assert bodies(emsp) == emsp.get("sender/cdrs").data == all_three
    assert [row.findings for row in CDR.objects.order_by("id")] == [[], [], []]


@pytest.mark.row("CDR-10", "CDR-11")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"credit_reference_id": None}, "$.credit_reference_id: needed when credit is true"),
        ({"credit": None}, "$.credit_reference_id: only allowed when credit is true"),
        ({"total_cost": {"excl_vat": 25}}, "$.total_cost.excl_vat: positive, although credit is true"),
        (
            {"total_cost": {"excl_vat": -25.5}},
            "$.total_cost.excl_vat: -25.5 is more than CDR CDR1 has, which is 25",
        ),
    ],
)
def test_what_is_no_credit_of_it_is_2001(cpo, emsp, changes, message):
    cpo.post(CDRS, examples.cdr())

    with nothing_changes():
        answered = cpo.post(CDRS, examples.credit_cdr(**changes))

    assert answered.codes == (200, 2001)
    assert answered.message == message


@pytest.mark.row("CDR-11")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"total_cost": {"excl_vat": -10}},
            "It credits a part: 10 of the 25 EUR without VAT that CDR CDR1 has.",
        ),
        ({"credit_reference_id": "CDR9"}, "It credits CDR CDR9, which the hub does not know."),
        ({"currency": "SEK"}, "It repeats CDR CDR1, but with other values in currency."),
    ],
)
def test_an_unusual_credit_is_taken_with_a_remark(cpo, emsp, changes, sentence):
    cpo.post(CDRS, examples.cdr())

    assert cpo.post(CDRS, examples.credit_cdr(**changes)).codes == (201, 1000)

    assert findings(CREDIT) == [sentence]


@pytest.mark.row("CDR-11")
def test_a_credit_stays_the_same_when_its_original_comes_after_it(cpo, emsp):
    """What was taken is found again, even if it could not come now."""
    credit = examples.credit_cdr(total_cost={"excl_vat": -99})
    cpo.post(CDRS, credit)
    cpo.post(CDRS, examples.cdr())

    assert cpo.post(CDRS, credit).codes == (200, 1000)
    assert cpo.post(CDRS, credit | {"id": "ANOTHER"}).codes == (200, 2001)


@pytest.mark.row("CDR-11")
def test_a_credit_of_too_much_is_relayed_and_not_kept(cpo, emsp):
    cpo.post(CDRS, examples.cdr())

    with nothing_changes():
        answered = cpo.post(CDRS, examples.credit_cdr(total_cost={"excl_vat": -99}), **to("DE*MSP"))

    assert answered.codes == (200, 1000)
    assert len(bodies(emsp)) == 1


# ------------------------------------------------------------------------------------------------ findings
@pytest.mark.row("CDR-13")
def test_a_cdr_without_session_is_taken_with_a_remark(cpo, emsp, deliver):
    made = {name: value for name, value in examples.cdr().items() if name != "session_id"}

    assert cpo.post(CDRS, made).codes == (201, 1000)
    deliver()

    assert bodies(emsp) == [made]
    assert findings() == [
        "session_id is missing, which it may be for an unused reservation or without Sessions only."
    ]


@pytest.mark.row("CDR-14")
def test_what_changes_later_does_not_change_what_was_billed(cpo, emsp, deliver):
    cpo.post(CDRS, examples.cdr())
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(address="Other Street 1", last_updated=LATER))
    cpo.put("receiver/tariffs/NL/ABC/TARIFF1", examples.tariff(currency="SEK", last_updated=LATER))
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token(contract_id="OTHER", last_updated=LATER))
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(kwh=99, last_updated=LATER))
    deliver()

    assert cpo.get(CDR1).data == examples.cdr()
    assert emsp.get("sender/cdrs").data == [examples.cdr()]
    assert bodies(emsp) == [examples.cdr()]


@pytest.mark.row("CDR-15")
def test_dimensions_of_sessions_go_on_unchanged_with_a_remark(cpo, emsp, deliver):
    made = examples.cdr()
    made["charging_periods"][0]["dimensions"].append({"type": "POWER", "volume": 11})

    assert cpo.post(CDRS, made).codes == (201, 1000)
    deliver()

    assert bodies(emsp) == [made]
    assert findings() == ["The charging periods hold POWER, which Sessions may have and CDRs may not."]


@pytest.mark.row("CDR-16")
def test_the_reference_that_was_given_last_comes_back(cpo, emsp, deliver):
    grants.note(PartyRef("DE", "MSP"), "04A1B2C3D4", PartyRef("NL", "ABC"), "AUTH1", "authorize")
    now = format_time(timezone.now())
    for number, reference in enumerate(["AUTH1", "AUTH0"]):
        cpo.post(CDRS, examples.cdr(id=f"C{number}", authorization_reference=reference, end_date_time=now))
    deliver()

    assert [body["authorization_reference"] for body in bodies(emsp)] == ["AUTH1", "AUTH0"]
    said = "authorization_reference is AUTH0, and the last one that DE*MSP gave is AUTH1."
    assert [said in findings(f"C{number}") for number in (0, 1)] == [False, True]


# ---------------------------------------------------------------------------------------------------- 1970
PRINTED, PROPER = "1970-1-1T00:00:00Z", "1970-01-01T00:00:00Z"


@pytest.mark.row("CDR-18")
@pytest.mark.parametrize("field", ["start_date_time", "end_date_time"])
def test_an_unknown_time_as_the_specification_prints_it_needs_an_agreement(cpo, emsp, field):
    with nothing_changes():
        answered = cpo.post(CDRS, examples.cdr(**{field: PRINTED}))

    assert answered.codes == (200, 2001)
    assert answered.message == f"$.{field}: not a timestamp such as 2026-01-01T00:00:00Z"


@pytest.mark.row("CDR-18")
def test_with_an_agreement_it_is_kept_and_sent_as_a_proper_time(cpo, emsp, deliver):
    cpo.platform.unknown_times_as_1970 = True
    cpo.platform.save()
    made = examples.cdr(
        start_date_time=PRINTED, end_date_time=PRINTED, remark=f'"start_date_time": "{PRINTED}"'
    )
    made["charging_periods"][0]["start_date_time"] = PRINTED
    proper = deepcopy(made) | {"start_date_time": PROPER, "end_date_time": PROPER}
    proper["charging_periods"][0]["start_date_time"] = PROPER

    answered = cpo.post(CDRS, made)
    deliver()

    assert answered.codes == (201, 1000)
    assert follow(cpo, answered).data == proper
    assert bodies(emsp) == emsp.get("sender/cdrs").data == [proper]
    assert findings() == []
    assert cpo.post(CDRS, made).codes == (200, 1000)


@pytest.mark.row("CDR-18")
def test_so_it_is_in_a_pull(cpo, emsp):
    cpo.lists["cdrs"] = [examples.cdr(start_date_time=PRINTED)]
    [refused] = sync.pull_platform(cpo.platform.pk, "cdrs", full=True)
    cpo.platform.unknown_times_as_1970 = True
    cpo.platform.save()
    [taken] = sync.pull_platform(cpo.platform.pk, "cdrs", full=True)

    assert (refused.pull.refused, taken.pull.new) == (1, 1)
    assert cpo.get(CDR1).data == examples.cdr(start_date_time=PROPER)


@pytest.mark.row("CDR-18")
def test_a_proper_time_of_1970_without_agreement_is_taken_with_a_remark(cpo, emsp):
    assert cpo.post(CDRS, examples.cdr(end_date_time=PROPER)).codes == (201, 1000)

    assert findings() == [
        "end_date_time is 1970-01-01 00:00 UTC, and 1970 stands for an unknown time only where that is agreed."
    ]


@pytest.mark.row("CDR-19")
def test_a_location_that_was_never_published_is_no_remark(cpo, emsp):
    assert cpo.post(CDRS, examples.cdr()).codes == (201, 1000)

    assert findings() == []


# --------------------------------------------------------------------------------------------- signed data
def signed(text: str) -> dict[str, Any]:
    value = {"nature": "End", "plain_data": text[::-1], "signed_data": text}
    return {"encoding_method": "OCMF", "public_key": "aBcD+/=", "signed_values": [value]}


@pytest.mark.row("CDR-20")
@pytest.mark.parametrize(
    "text",
    [
        "aB" * 2_500,
        ('\\"/ä€😀 ' * 1_000)[:5_000],
        'OCMF|{"FV":"1.0","RD":[{"RV":1.50}]}|{"SD":"3045aF"}',
        "<?xml version='1.0'?><a b=\"&amp;\"/>",
        "  blanks at both ends  ",
        "1" * 5_000,
    ],
    ids=["5,000 characters", "escapes", "OCMF", "XML", "blanks", "digits"],
)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_signed_data_go_through_byte_for_byte(cpo, emsp, deliver, text, ensure_ascii):
    made = examples.cdr(signed_data=signed(text))
    sent: list[bytes] = []
    refusals = [httpx.Response(503)]

    def look(request: httpx.Request) -> httpx.Response | None:
        sent.append(request.content)
        return refusals.pop() if refusals else None

    emsp.answers.append(look)
    body = json.dumps(made, ensure_ascii=ensure_ascii).encode()

    answered = cpo.post(CDRS, body)
    deliver()
    Delivery.objects.update(next_attempt_at=timezone.now())
    deliver()

    assert answered.codes == (201, 1000)
    # The first try, and the one after it, which sends what is stored.
    assert sent == [body, body]
    assert body in emsp.get("sender/cdrs").body
    assert body in follow(cpo, answered).body


@pytest.mark.row("CDR-20")
def test_signed_data_of_more_than_5000_characters_are_refused(cpo, emsp):
    with nothing_changes():
        answered = cpo.post(CDRS, examples.cdr(signed_data=signed("x" * 5_001)))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.signed_data.signed_values[0].")
    assert answered.message.endswith("longer than 5000 characters")


# ------------------------------------------------------------------------------------------------- amounts
@pytest.mark.row("CDR-21")
def test_discharged_energy_is_taken_with_a_remark(cpo, emsp, deliver):
    made = examples.cdr(total_energy=-20)
    made["charging_periods"][0]["dimensions"] = [{"type": "ENERGY", "volume": -20}]

    assert cpo.post(CDRS, made).codes == (201, 1000)
    deliver()

    assert bodies(emsp) == [made]
    assert findings() == ["total_energy is -20 kWh: energy flowed back into the grid, or its sign is wrong."]


@pytest.mark.row("TYP-07")
@pytest.mark.parametrize(
    ("name", "price", "problem"),
    [
        ("total_cost", {"incl_vat": 30}, "required field is missing"),
        ("total_energy_cost", {"incl_vat": 24}, "required field is missing"),
        ("total_fixed_cost", {"excl_vat": None}, "required, so null is not allowed"),
    ],
)
def test_a_price_without_vat_cannot_be_left_out(cpo, emsp, name, price, problem):
    with nothing_changes():
        answered = cpo.post(CDRS, examples.cdr(**{name: price}))

    assert answered.codes == (200, 2001)
    assert answered.message == f"$.{name}.excl_vat: {problem}"


# -------------------------------------------------------------------------------------------- as a property
EXTRA = {"nltnm_extra": {"list": [1, {"deep": None}], "text": "ä"}}


@pytest.mark.row("CDR-05", "CDR-20")
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
    ],
)
@given(data=st.data(), extent=st.sampled_from(["every field", "any fields"]))
def test_any_cdr_comes_back_and_reaches_its_provider_as_it_was_sent(cpo, emsp, deliver, data, extent):
    made = data.draw(valid(chapter.CDR, extent)) | EXTRA
    made |= {"country_code": "NL", "party_id": "ABC", "id": f"P{CDR.objects.count()}"}
    made["cdr_token"] |= {"country_code": "DE", "party_id": "MSP"} | EXTRA
    made["charging_periods"][0] |= EXTRA
    sent: list[bytes] = []
    emsp.answers[:] = [lambda request: sent.append(request.content)]
    body = dump(made)

    answered = cpo.post(CDRS, body)
    deliver()

    assert answered.codes == (201, 1000), answered.message
    assert parse(follow(cpo, answered).body)["data"] == made
    assert sent == [body]
    assert body in emsp.get(f"sender/cdrs?offset={CDR.objects.count() - 1}").body
