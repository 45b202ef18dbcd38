"""Charging profiles at the CPO, and what its drivers prefer."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from ocpi_hub.protocol import codec
from ocpi_hub.protocol.charging_profiles import ActiveChargingProfile, ActiveChargingProfileResult
from simulator import ocpi
from simulator.cars import Stay
from simulator.charging import Charge
from simulator.cpo import CPO
from simulator.server import Answer
from tests.simulator.conftest import CARD, ask, code, data, pass_time
from tests.simulator.fake_hub import FakeHub

URL = "https://hub.example/any/2.2.1/results/1?x=%26"
AT = "/ocpi/2.2.1/receiver/chargingprofiles"
FROM = {"OCPI-from-country-code": "DE", "OCPI-from-party-id": "SCP"}
PROFILE = {
    "charging_rate_unit": "W",
    "charging_profile_period": [{"start_period": 0, "limit": 5000}, {"start_period": 1800, "limit": 2000.5}],
}


@pytest.fixture
def cpo(charging_cpo: CPO) -> CPO:
    return charging_cpo


@pytest.fixture
def charge(cpo: CPO) -> Charge:
    place = next(one for one in cpo.places.free(50) if one.kw > 10 and one.kw < 30)
    return cpo.charging.start(place, CARD, "COMMAND", None, Stay(Decimal("11.000"), Decimal("11.0")))


def profile(cpo: CPO, method: str, session: str, body: Any = b"", **query: Any) -> Answer:
    text = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
    return ask(cpo, method, f"{AT}/{session}?{text}", body, **FROM)


def set_profile(cpo: CPO, session: str, document: Any = PROFILE) -> Answer:
    return profile(cpo, "PUT", session, {"charging_profile": document, "response_url": URL})


def results(hub: FakeHub) -> list[Any]:
    return [body for _, path, body in hub.asked if path == "results/1"]


def updates(hub: FakeHub) -> list[tuple[str, str, Any]]:
    return [one for one in hub.asked if one[1].startswith("pull/chargingprofiles/")]


def test_without_a_profile_the_active_one_is_what_the_evse_gives(cpo: CPO, charge: Charge, hub: FakeHub):
    answer = profile(cpo, "GET", charge.session["id"], duration=900, response_url=URL)
    pass_time(cpo)

    assert data(answer) == {"result": "ACCEPTED", "timeout": 30}
    assert str(hub.requests[-1].url) == URL
    (result,) = results(hub)
    codec.read(ocpi.encode(result), ActiveChargingProfileResult)
    assert result["profile"]["charging_profile"] == {
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": float(charge.place.kw * 1000)}],
        "duration": 900,
    }
    assert updates(hub) == []


def test_a_profile_slows_the_charge_down_and_its_setter_hears_how_it_goes_on(
    cpo: CPO, charge: Charge, hub: FakeHub
):
    answer = set_profile(cpo, charge.session["id"])
    charge_step = charge.step
    cpo.results.platform.schedule.work(cpo.schedule.heap[0][0])
    cpo.schedule.work(cpo.schedule.heap[0][0])

    assert data(answer)["result"] == "ACCEPTED"
    assert results(hub) == [{"result": "ACCEPTED"}]
    ((method, path, body),) = updates(hub)
    assert (method, path) == ("PUT", f"pull/chargingprofiles/{charge.session['id']}")
    codec.read(ocpi.encode(body), ActiveChargingProfile)
    assert body["charging_profile"]["charging_profile_period"] == [
        {"start_period": 0, "limit": 5000.0},
        {"start_period": 1800, "limit": 2000.5},
    ]
    headers = hub.requests[-1].headers
    assert (headers["OCPI-to-party-id"], headers["OCPI-from-party-id"]) == ("SCP", "ABC")
    pass_time(cpo)
    energy = charge.session["charging_periods"][0]["dimensions"][0]["volume"]
    assert energy == (5 * charge_step).quantize(Decimal("0.001"))


def test_a_later_period_of_a_profile_counts_when_its_time_has_come(cpo: CPO, charge: Charge):
    set_profile(cpo, charge.session["id"])
    cpo.schedule.work(cpo.schedule.heap[0][0])

    assert charge.kw == 5
    charge.elapsed += Decimal("0.5")
    assert charge.kw == Decimal("2.0005")


def test_amperes_count_on_every_phase(cpo: CPO, charge: Charge):
    charge.place.connector["power_type"] = "AC_3_PHASE"
    periods = [{"start_period": 0, "limit": 10}]
    set_profile(cpo, charge.session["id"], {"charging_rate_unit": "A", "charging_profile_period": periods})
    cpo.schedule.work(cpo.schedule.heap[0][0])

    assert charge.kw == Decimal("6.9")


def test_a_profile_that_is_cleared_is_gone_and_told(cpo: CPO, charge: Charge, hub: FakeHub):
    session = charge.session["id"]
    set_profile(cpo, session)
    cpo.schedule.work(cpo.schedule.heap[0][0])
    profile(cpo, "DELETE", session, response_url=URL)
    for _ in range(3):
        cpo.schedule.work(cpo.schedule.heap[0][0])

    assert results(hub) == [{"result": "ACCEPTED"}] * 2
    assert charge.profile is None
    limits = [body["charging_profile"]["charging_profile_period"][0]["limit"] for _, _, body in updates(hub)]
    assert limits[-1] == float(charge.place.kw * 1000)


def test_clearing_what_was_never_set_is_unknown(cpo: CPO, charge: Charge, hub: FakeHub):
    profile(cpo, "DELETE", charge.session["id"], response_url=URL)
    pass_time(cpo)

    assert results(hub) == [{"result": "UNKNOWN"}]
    assert updates(hub) == []


def test_unknown_and_ended_sessions(cpo: CPO, charge: Charge, hub: FakeHub):
    assert data(profile(cpo, "GET", "NONE", duration=60, response_url=URL))["result"] == "UNKNOWN_SESSION"
    cpo.charging.stop(charge)
    assert data(set_profile(cpo, charge.session["id"]))["result"] == "REJECTED"
    pass_time(cpo)
    assert results(hub) == []


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("GET", {"duration": 60}, b""),
        ("GET", {"response_url": URL}, b""),
        ("GET", {"response_url": URL, "duration": "long"}, b""),
        ("DELETE", {}, b""),
        ("PUT", {}, {"charging_profile": PROFILE}),
        ("PUT", {}, {"response_url": URL}),
        ("PUT", {}, {"response_url": URL, "charging_profile": {}}),
        (
            "PUT",
            {},
            {
                "response_url": URL,
                "charging_profile": {**PROFILE, "charging_profile_period": [{"limit": 1}]},
            },
        ),
    ],
)
def test_what_is_missing_is_2001(cpo: CPO, charge: Charge, method: str, query, body):
    assert code(profile(cpo, method, charge.session["id"], body, **query)) == 2001
    assert charge.profile is None


def test_faults_reach_results_of_profiles_too(cpo: CPO, charge: Charge, hub: FakeHub):
    fault = {"result": "enveloped", "module": "chargingprofiles"}
    ask(cpo, "POST", "/simulator/faults", fault)
    set_profile(cpo, charge.session["id"])
    pass_time(cpo)

    assert results(hub)[0]["data"] == {"result": "ACCEPTED"}


# -- preferences


def prefer(cpo: CPO, session: str, **wanted: Any) -> Answer:
    return ask(cpo, "PUT", f"/ocpi/2.2.1/sender/sessions/{session}/charging_preferences", wanted)


def test_the_answer_to_preferences_is_a_bare_word(cpo: CPO, charge: Charge):
    session = charge.session["id"]
    departure = {"departure_time": "2030-01-01T00:00:00Z"}

    words = [
        data(prefer(cpo, session, profile_type="FAST")),
        data(prefer(cpo, session, profile_type="CHEAP")),
        data(prefer(cpo, session, profile_type="CHEAP", **departure)),
        data(prefer(cpo, session, profile_type="CHEAP", **departure, energy_need=20)),
    ]

    assert words == [
        "PROFILE_TYPE_NOT_SUPPORTED",
        "DEPARTURE_REQUIRED",
        "ENERGY_NEED_REQUIRED",
        "ACCEPTED",
    ]


def test_from_then_on_the_other_tariff_counts(cpo: CPO, charge: Charge):
    pass_time(cpo)
    prefer(
        cpo, charge.session["id"], profile_type="CHEAP", departure_time="2030-01-01T00:00:00Z", energy_need=9
    )
    for _ in range(30):
        pass_time(cpo)
        for queue in cpo.queues.values():
            queue.work(1e9)

    cdr = cpo.owned["cdrs"].at(0).document
    ids = [period["tariff_id"] for period in cdr["charging_periods"]]
    assert ids[0] == "NORMAL"
    assert set(ids[1:]) == {"CHEAP"}
    assert [tariff["id"] for tariff in cdr["tariffs"]] == ["NORMAL", "CHEAP"]
    energy = [period["dimensions"][0]["volume"] for period in cdr["charging_periods"]]
    exact = energy[0] * Decimal("0.34") + sum(energy[1:]) * Decimal("0.27")
    assert abs(cdr["total_cost"]["excl_vat"] - exact) <= Decimal("0.005")


def test_preferences_that_cannot_be(cpo: CPO, charge: Charge):
    session = charge.session["id"]

    assert code(prefer(cpo, session)) == 2001
    assert code(prefer(cpo, session, profile_type="SOON")) == 2001
    unknown = prefer(cpo, "NONE", profile_type="REGULAR")
    assert (unknown.status, code(unknown)) == (404, 2001)
    assert ask(cpo, "GET", f"/ocpi/2.2.1/sender/sessions/{session}/charging_preferences").status == 405
    charge.place.evse["capabilities"] = []
    incapable = prefer(cpo, session, profile_type="REGULAR")
    assert (incapable.status, code(incapable)) == (404, 2001)
    cpo.charging.stop(charge)
    assert data(prefer(cpo, session, profile_type="REGULAR")) == "NOT_POSSIBLE"
