"""What the hub knows beside a CDR: Sessions, EVSEs, references and credits, without a query for each."""

import pytest
from django.utils import timezone

from cdrs.models import CDR
from ocpi_hub.exchange.objects import grants
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.protocol.codec import parse
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.types import PartyRef
from tests import examples
from tests.conformance.calls import nothing_changes, to

pytestmark = pytest.mark.django_db

SENTINEL = "1970-01-01T00:00:00Z"
MSP, ABC = PartyRef("DE", "MSP"), PartyRef("NL", "ABC")


def posted(cpo, made=None, **headers):
    """The findings of a CDR after it was posted."""
    made = made or examples.cdr()
    assert cpo.post("receiver/cdrs", made, **headers).status_code == 1000
    return CDR.objects.get(key=made["id"].upper()).findings


def theirs(**changes):
    return {"country_code": "BE", "party_id": "DEF"} | changes


# ----------------------------------------------------------------------------------------------- sessions
def test_it_is_compared_with_its_session(cpo, emsp):
    cpo.put("receiver/sessions/NL/ABC/session1", examples.session(id="session1", location_id="LOC2"))

    assert posted(cpo) == ["cdr_location.id is LOC1, and Session SESSION1 has LOC2."]


def test_another_operators_session_of_that_id_is_another_one(cpo, rival, emsp):
    rival.put("receiver/sessions/BE/DEF/SESSION1", examples.session(**theirs(location_id="LOC2")))

    assert posted(cpo) == []


def test_a_session_of_another_provider_is_told_and_nothing_of_it_but_whose_it_is(cpo, emsp, other_emsp):
    token = examples.session()["cdr_token"] | {"country_code": "AT", "party_id": "PRO", "uid": "SECRET"}
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(cdr_token=token))

    assert posted(cpo) == ["Session SESSION1 is for AT*PRO, and this CDR of it for DE*MSP."]


def test_the_copy_of_its_own_provider_counts_first(cpo, emsp, other_emsp):
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(currency="SEK"), **to("AT*PRO"))
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(), **to("DE*MSP"))

    assert posted(cpo) == []


# -------------------------------------------------------------------------------------------------- EVSEs
ELSEWHERE = "EVSE EVSE1 (NL*ABC*E0001*1) is one of BE*DEF as far as the hub knows, and the CDR is of NL*ABC."


@pytest.mark.row("CDR-19")
def test_a_location_that_nobody_published_is_not_odd(cpo, rival, emsp):
    rival.put(
        "receiver/locations/BE/DEF/LOC2",
        examples.location(**theirs(id="LOC2", evses=[examples.evse(evse_id="BE*DEF*E1")])),
    )

    assert posted(cpo) == []


def test_an_evse_that_the_hub_knows_elsewhere_by_its_id_is_told(cpo, rival, emsp):
    evse = examples.evse(uid="77", evse_id="nl*abc*e0001*1")
    rival.put("receiver/locations/BE/DEF/LOC2", examples.location(**theirs(id="LOC2", evses=[evse])))

    assert posted(cpo) == [ELSEWHERE]


def test_so_is_one_that_it_knows_elsewhere_by_location_and_uid(cpo, rival, emsp):
    evse = examples.evse(evse_id=None)
    rival.put("receiver/locations/BE/DEF/loc1", examples.location(**theirs(id="loc1", evses=[evse])))

    assert posted(cpo) == [ELSEWHERE]


def test_one_that_it_knows_at_both_is_not(cpo, rival, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    rival.put("receiver/locations/BE/DEF/LOC1", examples.location(**theirs()))

    assert posted(cpo) == []


def test_without_the_module_locations_no_evse_is_known(cpo, rival, emsp, settings):
    rival.put("receiver/locations/BE/DEF/LOC1", examples.location(**theirs()))
    settings.OCPI_MODULES = ["cdrs"]

    assert posted(cpo) == []


# --------------------------------------------------------------------------------------------- references
@pytest.mark.row("CDR-16")
def test_the_reference_is_compared_with_what_was_given_before_its_end(cpo, emsp):
    grants.note(MSP, "04A1B2C3D4", ABC, "AUTH1", "authorize")
    now = format_time(timezone.now())
    early = examples.cdr(id="EARLY", authorization_reference="AUTH0", end_date_time="2026-03-01T08:00:00Z")
    late = examples.cdr(id="LATE", authorization_reference="AUTH0", end_date_time=now, total_time=1)
    told = "authorization_reference is AUTH0, and the last one that DE*MSP gave is AUTH1."

    assert told not in posted(cpo, early)
    assert told in posted(cpo, late)


@pytest.mark.row("CDR-16", "CDR-18")
def test_where_the_end_is_not_known_what_was_given_before_the_cdr_counts(cpo, emsp):
    grants.note(MSP, "04A1B2C3D4", ABC, "AUTH1", "authorize")
    now = format_time(timezone.now())
    made = examples.cdr(authorization_reference="AUTH0", end_date_time=SENTINEL, last_updated=now)

    assert "authorization_reference is AUTH0, and the last one that DE*MSP gave is AUTH1." in posted(
        cpo, made
    )


# ------------------------------------------------------------------------------------------------ credits
def test_credits_are_looked_up_by_their_original_whatever_its_spelling(cpo, emsp):
    cpo.post("receiver/cdrs", examples.cdr(id="cdr1"))

    assert posted(cpo, examples.credit_cdr()) == []
    assert posted(cpo, examples.credit_cdr(id="CDR1-C2", credit_reference_id="Cdr1")) == [
        f"CDR Cdr1 was credited before, by {examples.credit_cdr()['id']}."
    ]


def test_a_credit_that_went_to_one_party_directly_is_no_earlier_one(cpo, emsp, other_emsp):
    cpo.post("receiver/cdrs", examples.cdr())
    cpo.post("receiver/cdrs", examples.credit_cdr(), **to("AT*PRO"))
    cpo.post("receiver/cdrs", examples.credit_cdr())

    assert [row.findings for row in CDR.objects.filter(credit=True)] == [[], []]


def test_another_operators_cdr_of_that_id_is_not_its_original(cpo, rival, emsp):
    rival.post("receiver/cdrs", examples.cdr(**theirs()))

    assert posted(cpo, examples.credit_cdr()) == ["It credits CDR CDR1, which the hub does not know."]


@pytest.mark.row("CDR-11")
def test_a_credit_is_looked_at_beside_an_original_in_the_same_page(cpo, emsp):
    cpo.lists["cdrs"] = [
        examples.cdr(),
        examples.credit_cdr(id="C1", total_cost={"excl_vat": -10}),
        examples.credit_cdr(id="C2", total_cost={"excl_vat": -26}),
    ]

    sync.pull_platform(cpo.platform.pk, "cdrs", full=True)

    assert {row.object_id: row.findings for row in CDR.objects.all()} == {
        "CDR1": [],
        "C1": ["It credits a part: 10 of the 25 EUR without VAT that CDR CDR1 has."],
        "C2": [
            "CDR CDR1 was credited before, by C1.",
            "It credits more than there was: 26 of the 25 EUR without VAT that CDR CDR1 has.",
        ],
    }


@pytest.mark.row("CDR-11")
def test_a_pulled_credit_of_more_than_there_was_is_refused(cpo, emsp):
    cpo.post("receiver/cdrs", examples.cdr())
    cpo.lists["cdrs"] = [examples.credit_cdr(total_cost={"excl_vat": -26})]

    with nothing_changes(besides=(sync.Pull,)):
        [report] = sync.pull_platform(cpo.platform.pk, "cdrs", full=True)

    assert report.refusals == [
        {
            "id": f"NL*ABC/{examples.credit_cdr()['id']}",
            "reason": "$.total_cost.excl_vat: -26 is more than CDR CDR1 has, which is 25",
        }
    ]


# ---------------------------------------------------------------------------------------------------- 1970
@pytest.mark.row("CDR-18")
@pytest.mark.parametrize("agreed", [False, True])
def test_whether_1970_is_agreed_is_asked_of_its_owners_platform(cpo, emsp, agreed):
    cpo.platform.unknown_times_as_1970 = agreed
    cpo.platform.save()

    assert bool(posted(cpo, examples.cdr(start_date_time=SENTINEL))) is not agreed


def test_a_page_is_looked_through_with_as_few_queries_as_one_cdr(cpo, emsp, django_assert_max_num_queries):
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())
    made = [examples.cdr(id=f"C{number}", start_date_time=SENTINEL) for number in range(50)]
    made += [examples.credit_cdr(id=f"X{number}", credit_reference_id=f"C{number}") for number in range(50)]
    cpo.lists["cdrs"] = made

    with django_assert_max_num_queries(120):
        [report] = sync.pull_platform(cpo.platform.pk, "cdrs", full=True)

    assert report.pull.new == 100
    assert parse(CDR.objects.get(key="C7").document.encode())["id"] == "C7"
