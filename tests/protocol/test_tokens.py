import pytest

from ocpi_hub.protocol.codec import InvalidObject, check
from ocpi_hub.protocol.tokens import AuthorizationInfo, LocationReferences, Token

from .documents import token


def test_the_smallest_token_is_accepted() -> None:
    assert check(token(), Token).uid == "04A1B2C3"


@pytest.mark.row("TOK-08")
def test_an_authorization_holds_a_whole_token() -> None:
    whole = token()
    del whole["contract_id"]

    check({"allowed": "ALLOWED", "token": token()}, AuthorizationInfo)
    with pytest.raises(InvalidObject) as refused:
        check({"allowed": "ALLOWED", "token": whole}, AuthorizationInfo)

    assert str(refused.value) == "$.token.contract_id: required field is missing"


def test_no_evses_mean_the_whole_location() -> None:
    assert check({"location_id": "LOC1", "evse_uids": []}, LocationReferences).evse_uids == []
    assert check({"location_id": "LOC1"}, LocationReferences).evse_uids is None


@pytest.mark.parametrize(("field", "value"), [("type", "rfid"), ("whitelist", "SOMETIMES"), ("uid", "")])
def test_a_wrong_field_is_named(field: str, value: str) -> None:
    with pytest.raises(InvalidObject) as refused:
        check(token(**{field: value}), Token)

    assert refused.value.place == f"$.{field}"
