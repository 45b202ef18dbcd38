from typing import Any

import pytest

from ocpi_hub.protocol.codec import check, dump, parse
from ocpi_hub.protocol.hub_client_info import ClientInfo
from tests.examples import client_info

from .refusals import problem, without


def test_client_info_comes_back_as_it_went() -> None:
    assert parse(dump(check(client_info(), ClientInfo))) == client_info()


@pytest.mark.row("HCI-03")
@pytest.mark.parametrize("field", ["party_id", "country_code", "role", "status", "last_updated"])
def test_every_field_of_client_info_is_needed(field: str) -> None:
    assert problem(without(client_info(), field), ClientInfo) == f"$.{field}: required field is missing"


@pytest.mark.row("HCI-07")
@pytest.mark.parametrize("status", ["CONNECTED", "OFFLINE", "PLANNED", "SUSPENDED"])
def test_a_client_is_in_one_of_four_states(status: str) -> None:
    assert check(client_info(status=status), ClientInfo).status == status


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("status", "ONLINE", "'ONLINE' is not one of CONNECTED, OFFLINE, PLANNED, SUSPENDED"),
        ("role", "EMP", "'EMP' is not one of CPO, EMSP, HUB, NAP, NSP, OTHER, SCSP"),
        ("party_id", "MSPX", "longer than 3 characters"),
        ("country_code", "DEU", "longer than 2 characters"),
    ],
)
def test_a_wrong_field_of_client_info_is_named(field: str, value: Any, error: str) -> None:
    assert problem(client_info(**{field: value}), ClientInfo) == f"$.{field}: {error}"
