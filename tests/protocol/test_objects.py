"""What holds for every object of the wire, over every object of the wire."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpi_hub.protocol.cdrs import CDR
from ocpi_hub.protocol.charging_profiles import (
    ActiveChargingProfile,
    ActiveChargingProfileResult,
    ChargingProfileResponse,
    ChargingProfileResult,
    ClearProfileResult,
    SetChargingProfile,
)
from ocpi_hub.protocol.codec import InvalidObject, check, dump, parse
from ocpi_hub.protocol.commands import COMMANDS, CommandResponse, CommandResult
from ocpi_hub.protocol.credentials import Credentials
from ocpi_hub.protocol.envelope import Envelope
from ocpi_hub.protocol.hub_client_info import ClientInfo
from ocpi_hub.protocol.locations import EVSE, Connector, Hours, Location, PublishTokenType
from ocpi_hub.protocol.sessions import ChargingPreferences, Session
from ocpi_hub.protocol.tariffs import Tariff
from ocpi_hub.protocol.tokens import AuthorizationInfo, LocationReferences, Token
from ocpi_hub.protocol.types import DisplayText, Price, Wire
from ocpi_hub.protocol.versions import Version, VersionDetails

from .faults import mutants
from .strategies import valid

STRUCTS = [
    DisplayText,
    Price,
    Location,
    EVSE,
    Connector,
    Hours,
    PublishTokenType,
    Token,
    LocationReferences,
    AuthorizationInfo,
    Session,
    ChargingPreferences,
    CDR,
    Tariff,
    *COMMANDS.values(),
    CommandResponse,
    CommandResult,
    SetChargingProfile,
    ActiveChargingProfile,
    ChargingProfileResponse,
    ActiveChargingProfileResult,
    ChargingProfileResult,
    ClearProfileResult,
    ClientInfo,
    Credentials,
    Version,
    VersionDetails,
]
# Locations and CDRs are large; hypothesis otherwise complains about the time that takes, not about the code.
large = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
each_struct = pytest.mark.parametrize("struct", STRUCTS)


def parts(parent: type = Wire) -> Iterator[type]:
    """Every Struct of the protocol, those inside others too; only an envelope may hold anything."""
    for struct in parent.__subclasses__():
        if struct.__module__.startswith("ocpi_hub.protocol.") and struct is not Envelope:
            yield struct
        yield from parts(struct)


each_part = pytest.mark.parametrize("struct", sorted(parts(), key=lambda struct: struct.__name__))


@pytest.mark.row("TYP-09")
@each_struct
@large
@given(data=st.data())
def test_a_valid_object_comes_back_as_it_went(struct: type, data: st.DataObject) -> None:
    raw = data.draw(valid(struct))

    assert parse(dump(check(raw, struct))) == raw


@pytest.mark.row("TYP-09")
@each_part
@settings(large, max_examples=10)
@given(data=st.data())
def test_an_object_of_required_fields_alone_comes_back_as_it_went(struct: type, data: st.DataObject) -> None:
    raw = data.draw(valid(struct, "required fields"))

    assert parse(dump(check(raw, struct))) == raw


@pytest.mark.row("TYP-09")
@each_part
@settings(large, max_examples=10)
@given(data=st.data())
def test_an_object_of_every_field_comes_back_without_those_that_are_not_its_own(
    struct: type, data: st.DataObject
) -> None:
    raw = data.draw(valid(struct, "every field"))

    assert set(raw) == {field.encode_name for field in msgspec.structs.fields(struct)}
    assert parse(dump(check(with_unknown_fields(raw), struct))) == raw


def with_unknown_fields(raw: Any) -> Any:
    """The document with a field that nobody knows in each of its objects."""
    if isinstance(raw, dict):
        return {name: with_unknown_fields(value) for name, value in raw.items()} | {"nltnm_extra": [{}, None]}
    return [with_unknown_fields(item) for item in raw] if isinstance(raw, list) else raw


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
