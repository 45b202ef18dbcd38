"""The CPO's Tariffs, and what charges cost by them."""

from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.protocol import codec
from ocpi_hub.protocol.tariffs import Tariff
from simulator import network
from simulator.ocpi import Party, decode
from simulator.tariffs import costs, in_words, tariff, tariffs

NL, GB = Party("NL", "ABC"), Party("GB", "CGY")


def period(tariff_id: str, **volumes: str) -> dict[str, Any]:
    dimensions = [{"type": name, "volume": Decimal(volume)} for name, volume in volumes.items()]
    return {"tariff_id": tariff_id, "dimensions": dimensions}


def test_each_party_has_tariffs_that_are_valid_and_that_its_connectors_name():
    raws = list(tariffs([NL, GB]))
    named = {
        tariff_id
        for raw in network.locations((NL,), 100, "1")
        for evse in decode(raw)["evses"]
        for connector in evse["connectors"]
        for tariff_id in connector["tariff_ids"]
    }

    for raw in raws:
        codec.read(raw, Tariff)
    assert {decode(raw)["id"] for raw in raws} == named == {"NORMAL", "CHEAP", "FAST"}
    assert [decode(raw)["currency"] for raw in raws] == ["EUR"] * 3 + ["GBP"] * 3


@pytest.mark.parametrize(
    ("party", "periods", "expected"),
    [
        (NL, [period("NORMAL", ENERGY="10.000", TIME="1.00")], {"total": "3.40 4.11", "energy": "3.40 4.11"}),
        (NL, [period("NORMAL", ENERGY="0.015", TIME="0.01")], {"total": "0.01 0.01", "energy": "0.01 0.01"}),
        (NL, [period("NORMAL", ENERGY="0.014", TIME="0.01")], {"total": "0.00 0.01", "energy": "0.00 0.01"}),
        (
            NL,
            [period("FAST", ENERGY="20.5", TIME="0.25"), period("FAST", PARKING_TIME="0.10")],
            {"total": "13.70 16.57", "fixed": "1.00 1.21", "energy": "12.10 14.63", "parking": "0.60 0.73"},
        ),
        (
            NL,
            [period("NORMAL", ENERGY="5", TIME="1"), period("CHEAP", ENERGY="5", TIME="1")],
            {"total": "3.05 3.69", "energy": "3.05 3.69"},
        ),
        (GB, [period("FAST", ENERGY="1", TIME="0.01")], {"total": "1.59 1.91", "fixed": "1.00 1.20"}),
    ],
)
def test_a_charge_costs_what_its_tariffs_say_to_the_cent(party: Party, periods, expected: dict[str, str]):
    found = costs({name: tariff(party, name) for name in ("NORMAL", "CHEAP", "FAST")}, periods)

    for name, prices in expected.items():
        field = "total_cost" if name == "total" else f"total_{name}_cost"
        assert f"{found[field]['excl_vat']} {found[field]['incl_vat']}" == prices


def test_what_is_not_priced_is_not_in_the_costs():
    found = costs({"NORMAL": tariff(NL, "NORMAL")}, [period("NORMAL", ENERGY="1", TIME="0.1")])

    assert sorted(found) == ["total_cost", "total_energy_cost"]


def test_a_tariff_without_vat_costs_the_same_with_it():
    free = {"elements": [{"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}]}]}

    assert costs({"X": free}, [period("X", ENERGY="2.5")])["total_cost"] == {
        "excl_vat": Decimal("2.50"),
        "incl_vat": Decimal("2.50"),
    }


def test_a_tariff_in_words():
    assert in_words(tariff(NL, "FAST")) == (
        "1.00 EUR at the start, 0.59 EUR/kWh, 6.00 EUR/h when full; VAT 21 %"
    )
