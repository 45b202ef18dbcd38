"""What holds for every object of the wire, over every object of the wire."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpi_hub.protocol.codec import InvalidObject, check, dump, parse
from ocpi_hub.protocol.credentials import Credentials
from ocpi_hub.protocol.locations import EVSE, Connector, Hours, Location, PublishTokenType
from ocpi_hub.protocol.tokens import AuthorizationInfo, LocationReferences, Token
from ocpi_hub.protocol.types import DisplayText
from ocpi_hub.protocol.versions import Version, VersionDetails

from .strategies import mutants, valid

STRUCTS = [
    DisplayText,
    Location,
    EVSE,
    Connector,
    Hours,
    PublishTokenType,
    Token,
    LocationReferences,
    AuthorizationInfo,
    Credentials,
    Version,
    VersionDetails,
]
# Locations are large; hypothesis otherwise complains about the time that takes, not about the code.
large = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
each_struct = pytest.mark.parametrize("struct", STRUCTS)


@pytest.mark.row("TYP-09")
@each_struct
@large
@given(data=st.data())
def test_a_valid_object_comes_back_as_it_went(struct: type, data: st.DataObject) -> None:
    raw = data.draw(valid(struct))

    assert parse(dump(check(raw, struct))) == raw


@pytest.mark.row("TYP-09", "TRN-21")
@each_struct
@large
@given(data=st.data())
def test_an_object_with_one_fault_is_refused_with_its_place(struct: type, data: st.DataObject) -> None:
    raw, place = data.draw(mutants(struct))

    with pytest.raises(InvalidObject) as refused:
        check(raw, struct)

    assert refused.value.place == place
    assert "`" not in refused.value.problem
    assert "Expected" not in refused.value.problem


@pytest.mark.row("TRN-20")
@each_struct
@settings(large, max_examples=10)
@given(data=st.data())
def test_null_is_absent_and_unknown_fields_are_tolerated(struct: type, data: st.DataObject) -> None:
    raw = data.draw(valid(struct))
    nothing: dict[str, Any] = dict.fromkeys(field.encode_name for field in msgspec.structs.fields(struct))
    before = dump(raw)

    checked: Any = check(raw, struct)

    assert check({**nothing, **raw}, struct) == checked
    assert check({**raw, "nltnm_extra": [{"deep": None}]}, struct) == checked
    assert dump(raw) == before
