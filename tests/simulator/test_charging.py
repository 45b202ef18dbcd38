"""A charge from plug to CDR, step by step."""

import json
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.protocol import codec
from ocpi_hub.protocol.cdrs import CDR
from ocpi_hub.protocol.sessions import Session
from simulator import cars, ocpi
from simulator.cars import Stay
from simulator.charging import Charge, Taken
from simulator.cpo import CPO
from simulator.places import Place, power
from simulator.tariffs import components
from tests.simulator.conftest import AFTER, CARD, control, pass_time, push_all
from tests.simulator.fake_hub import FakeHub, envelope

REFERENCE = "ref-1"


@pytest.fixture
def cpo(charging_cpo: CPO) -> CPO:
    return charging_cpo


def slow(cpo: CPO) -> Place:
    return next(
        place for place in cpo.places.free(50) if place.connector["tariff_ids"] == ["NORMAL", "CHEAP"]
    )


def fast(cpo: CPO) -> Place:
    return next(place for place in cpo.places.free(50) if place.connector["tariff_ids"] == ["FAST"])


def start(cpo: CPO, place: Place, stay: Stay | None = None, **more: Any) -> Charge:
    return cpo.charging.start(place, CARD, "AUTH_REQUEST", REFERENCE, stay, **more)


def finish(cpo: CPO) -> None:
    for _ in range(100):
        push_all(cpo)
        if not pass_time(cpo):
            push_all(cpo)
            return


def sent(hub: FakeHub, module: str) -> list[tuple[str, str, Any]]:
    found = []
    for method, path, body in hub.pushes:
        name, _, rest = path.partition("/")
        if name == module:
            found.append((method, rest, ocpi.decode(body)))
    return found


def test_a_charge_is_told_by_put_by_patches_and_by_a_last_patch(cpo: CPO, hub: FakeHub):
    place = slow(cpo)
    charge = start(cpo, place, Stay(Decimal("5.500"), Decimal("11.0")))
    finish(cpo)

    (put, path, first), *patches = sent(hub, "sessions")
    assert (put, path) == ("PUT", f"NL/ABC/{charge.session['id']}")
    assert first["status"] == "ACTIVE"
    assert first["kwh"] == 0
    assert first["charging_periods"] == []
    assert (first["auth_method"], first["authorization_reference"]) == ("AUTH_REQUEST", REFERENCE)
    assert first["cdr_token"] == {name: CARD[name] for name in first["cdr_token"]}
    assert (first["location_id"], first["evse_uid"], first["connector_id"]) == place.ids
    assert {method for method, _, _ in patches} == {"PATCH"}
    assert [len(patch["charging_periods"]) for _, _, patch in patches] == [1] * len(patches)
    assert [str(patch["kwh"]) for _, _, patch in patches] == [
        *("0.990", "1.980", "2.970", "3.960", "4.950", "5.500"),
    ]
    assert [patch.get("status") for _, _, patch in patches] == [None] * 5 + ["COMPLETED"]
    times = [body["last_updated"] for _, _, body in sent(hub, "sessions")]
    assert times == sorted(set(times))


def test_the_sums_of_the_periods_are_the_totals_and_the_times_follow_each_other(cpo: CPO, hub: FakeHub):
    start(cpo, slow(cpo), Stay(Decimal("5.500"), Decimal("11.0"), idle=Decimal("0.25")))
    finish(cpo)

    cdr = cpo.owned["cdrs"].at(0).document
    periods = cdr["charging_periods"]
    volumes = [{one["type"]: one["volume"] for one in period["dimensions"]} for period in periods]
    assert sum(one.get("ENERGY", 0) for one in volumes) == cdr["total_energy"] == Decimal("5.500")
    assert sum(one.get("TIME", 0) for one in volumes) == Decimal("0.50")
    assert volumes[-1] == {"PARKING_TIME": Decimal("0.25")}
    assert (cdr["total_time"], cdr["total_parking_time"]) == (Decimal("0.75"), Decimal("0.25"))
    moment = ocpi.parse_time(cdr["start_date_time"])
    for period, hours in zip(periods, volumes, strict=True):
        assert ocpi.parse_time(period["start_date_time"]) == moment
        moment += timedelta(hours=1) * float(hours.get("TIME", 0) + hours.get("PARKING_TIME", 0))
    assert ocpi.parse_time(cdr["end_date_time"]) == moment <= ocpi.now()


def test_the_cdr_repeats_session_tariff_and_location_and_goes_by_post_once(cpo: CPO, hub: FakeHub):
    place = fast(cpo)
    charge = start(cpo, place, Stay(Decimal("20.000"), Decimal("100.0"), idle=Decimal("0.10")))
    finish(cpo)

    ((method, path, posted),) = sent(hub, "cdrs")
    item = cpo.owned["cdrs"].at(0)
    session = cpo.owned["sessions"].at(0).document
    assert (method, path) == ("POST", "")
    assert hub.pushes[-1][2].encode() == item.raw
    for name in (
        "country_code",
        "party_id",
        "cdr_token",
        "auth_method",
        "authorization_reference",
        "currency",
    ):
        assert posted[name] == session[name], name
    for name in ("start_date_time", "end_date_time", "charging_periods", "total_cost"):
        assert posted[name] == session[name], name
    assert posted["session_id"] == session["id"] == charge.session["id"]
    assert posted["tariffs"] == [cpo.owned["tariffs"].get("NL/ABC/FAST").document]
    assert posted["cdr_location"]["address"] == place.location["address"]
    assert posted["cdr_location"]["evse_id"] == place.evse["evse_id"]
    assert posted["cdr_location"]["connector_power_type"] == "DC"
    assert ocpi.parse_time(posted["end_date_time"]) <= ocpi.now()
    assert posted["total_fixed_cost"] == {"excl_vat": 1, "incl_vat": Decimal("1.21")}
    assert posted["total_parking_cost"] == {"excl_vat": Decimal("0.60"), "incl_vat": Decimal("0.73")}
    assert posted["total_energy_cost"]["excl_vat"] == Decimal("11.80")
    assert posted["total_cost"]["excl_vat"] == Decimal("13.40")


def test_sessions_and_cdrs_of_any_car_are_valid_and_cost_what_their_tariff_says(cpo: CPO, hub: FakeHub):
    chance = random.Random(3)
    for number in range(60):
        place = cpo.places.any()
        start(cpo, place, cars.stay(chance, number % 24, place.kw))
        if number % 3 == 0:
            pass_time(cpo)
            cpo.charging.stop(next(iter(cpo.charging.running.values())))
        if number % 10 == 9:
            finish(cpo)

    assert len(cpo.owned["cdrs"]) == len(cpo.owned["sessions"]) == 60
    for item in cpo.owned["sessions"].items():
        assert codec.read(item.raw, Session).status == "COMPLETED"
    for item in cpo.owned["cdrs"].items():
        codec.read(item.raw, CDR)
        cdr = item.document
        assert cdr["total_cost"] == recomputed(cdr)
        prices = [cdr[name] for name in cdr if name.startswith("total_") and name.endswith("_cost")]
        for name in ("excl_vat", "incl_vat"):
            assert 2 * cdr["total_cost"][name] == sum(price[name] for price in prices)


def recomputed(cdr: dict[str, Any]) -> dict[str, Decimal]:
    """From the totals instead of the periods: the CDRs of this test know one Tariff each."""
    (tariff,) = cdr["tariffs"]
    volumes = {
        "FLAT": 1,
        "ENERGY": cdr["total_energy"],
        "TIME": cdr["total_time"] - cdr["total_parking_time"],
        "PARKING_TIME": cdr["total_parking_time"],
    }
    excl = incl = Decimal(0)
    for kind, component in components(tariff).items():
        cost = volumes[kind] * component["price"]
        excl += (cost + Decimal("1e-9")).quantize(Decimal("0.01"))
        incl += (cost * (100 + component["vat"]) / 100 + Decimal("1e-9")).quantize(Decimal("0.01"))
    return {"excl_vat": excl, "incl_vat": incl}


def test_the_evse_is_charging_meanwhile_and_nobody_else_can_start_there(cpo: CPO, hub: FakeHub):
    place = slow(cpo)
    start(cpo, place)
    push_all(cpo)

    assert cpo.places.find(*place.ids).evse["status"] == "CHARGING"
    with pytest.raises(Taken, match="EVSE_OCCUPIED"):
        start(cpo, place)
    assert len(cpo.charging.running) == 1
    finish(cpo)
    assert cpo.places.find(*place.ids).evse["status"] == "AVAILABLE"
    statuses = [body["status"] for _, path, body in sent(hub, "locations")]
    assert statuses == ["CHARGING", "AVAILABLE"]
    assert cpo.charging.running == {}


def test_an_evse_that_is_out_of_order_refuses_and_stays_as_it_is(cpo: CPO):
    place = slow(cpo)
    cpo.set_status(place.spot, "OUTOFORDER")
    broken = cpo.places.find(*place.ids)

    with pytest.raises(Taken, match="EVSE_INOPERATIVE"):
        start(cpo, broken)
    assert cpo.places.find(*place.ids).evse["status"] == "OUTOFORDER"
    assert len(cpo.owned["sessions"]) == 0


def test_the_status_of_an_evse_in_use_does_not_change_by_itself(cpo: CPO):
    while (place := cpo.places.any()) and len(cpo.charging.running) < 40:
        start(cpo, place)
    before = {charge.place.spot for charge in cpo.charging.running.values()}

    for _ in range(300):
        cpo.change()

    for key, uid in before:
        evses = {evse["uid"]: evse["status"] for evse in cpo.own.get(key).document["evses"]}
        assert evses[uid] == "CHARGING"


def test_pending_becomes_active_a_moment_later_with_another_start(cpo: CPO, hub: FakeHub):
    start(cpo, slow(cpo), pending=True)
    push_all(cpo)
    pass_time(cpo)
    push_all(cpo)

    bodies = [body for _, _, body in sent(hub, "sessions")]
    assert [body["status"] for body in bodies] == ["PENDING", "ACTIVE"]
    assert "start_date_time" in bodies[1]


def test_a_stop_ends_it_with_what_has_passed_since_the_last_period(cpo: CPO):
    charge = start(cpo, slow(cpo), Stay(Decimal("11.000"), Decimal("11.0")))
    pass_time(cpo)
    charge.ticked -= 0.2  # at 600 times our speed that is two minutes
    cpo.charging.stop(charge)
    cpo.charging.stop(charge)
    finish(cpo)

    cdr = cpo.owned["cdrs"].at(0).document
    times = [period["dimensions"][1]["volume"] for period in cdr["charging_periods"]]
    assert times == [Decimal("0.17"), Decimal("0.03")]
    assert cdr["total_energy"] == Decimal("2.200")
    assert cpo.charging.completed == 1
    assert len(cpo.owned["cdrs"]) == 1


def test_a_stop_at_once_still_leaves_a_period(cpo: CPO):
    charge = start(cpo, slow(cpo), pending=True)
    cpo.charging.stop(charge)
    finish(cpo)

    cdr = cpo.owned["cdrs"].at(0).document
    assert len(cdr["charging_periods"]) == 1
    assert cdr["total_time"] == Decimal("0.01")


def test_the_cdr_waits_for_the_last_word_of_its_session(cpo: CPO, hub: FakeHub):
    charge = start(cpo, slow(cpo))
    push_all(cpo)
    hub.push_answers = [envelope(status=503, code=3000)] * 2
    cpo.charging.stop(charge)
    push_all(cpo)
    pass_time(cpo)

    assert len(cpo.owned["cdrs"]) == 0
    for _ in range(4):
        for queue in cpo.queues.values():
            queue.work(AFTER * 2)
        pass_time(cpo)
    finish(cpo)
    assert [method for method, _, _ in sent(hub, "cdrs")] == ["POST"]
    assert hub.pushes[-1][1] == "cdrs/"


def test_a_cdr_that_does_not_arrive_is_posted_again_as_it_is(cpo: CPO, hub: FakeHub):
    cpo.charging.stop(start(cpo, slow(cpo)))
    push_all(cpo)
    hub.push_answers = [envelope(status=503, code=3000), envelope(Location="https://hub.example/cdrs/9")]
    pass_time(cpo)
    for clock in (AFTER, 2 * AFTER):
        cpo.queues["cdrs"].work(clock)

    (first, second) = [body for _, path, body in hub.pushes if path == "cdrs/"]
    assert first == second
    (url,) = control(cpo, "GET", "cdrs").values()
    assert url == "https://hub.example/cdrs/9"
    assert cpo.status()["cdrs_without_location"] == 0


def test_a_cdr_that_is_taken_without_a_location_is_counted(cpo: CPO):
    cpo.charging.stop(start(cpo, slow(cpo)))
    finish(cpo)

    assert cpo.status()["cdrs_without_location"] == 1
    assert cpo.status()["pushes_by_module"]["cdrs"]["sent"] == 1


def test_a_day_of_its_own_dates_what_is_charged_in_it(cpo: CPO):
    control(cpo, "POST", "clock", {"speed": 3600, "at": "2026-01-01T08:00:00Z"})

    charge = start(cpo, slow(cpo))

    assert charge.session["start_date_time"].startswith("2026-01-01T08:0")
    assert charge.speed == 3600
    control(cpo, "POST", "clock", {})
    assert cpo.charging.clock.speed == 600


@pytest.mark.parametrize(
    ("connector", "kw"),
    [
        ({"power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 16}, "11.04"),
        ({"power_type": "AC_1_PHASE", "max_voltage": 230, "max_amperage": 32}, "7.36"),
        ({"power_type": "DC", "max_voltage": 920, "max_amperage": 500, "max_electric_power": 300000}, "300"),
        ({"power_type": "DC", "max_voltage": "920", "max_amperage": 0}, "3"),
        ({"power_type": "DC", "max_voltage": 1000, "max_amperage": 10, "max_electric_power": 10**9}, "400"),
    ],
)
def test_the_power_of_a_connector(connector: dict[str, Any], kw: str):
    assert power(connector) == Decimal(kw)


def test_what_a_broken_feed_says_is_no_place_to_charge(cpo: CPO):
    sound = slow(cpo).location
    faults = (
        {"coordinates": None},
        {"address": None},
        {"evses": None},
        {"evses": [{"uid": 5, "status": "AVAILABLE", "connectors": sound["evses"][0]["connectors"]}]},
        {"evses": [{"uid": "E", "status": "AVAILABLE", "connectors": [{"id": 1}]}]},
        {"evses": [{"uid": "E", "status": "AVAILABLE", "connectors": None}]},
        {"country_code": None},
    )
    cpo.own = cpo.places.locations = type(cpo.own)(cpo.owns[0], None)
    cpo.own.load(json.dumps({**sound, **fault, "id": f"L{n}"}).encode() for n, fault in enumerate(faults))

    assert cpo.places.free(50) == []
    assert cpo.places.any() is None
    assert control(cpo, "POST", "charge", {"uid": CARD["uid"]})["problem"] == "No EVSE is free"
