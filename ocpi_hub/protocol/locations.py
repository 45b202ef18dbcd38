"""Locations (mod_locations.asciidoc)."""

from functools import cache
from typing import Annotated, Literal
from zoneinfo import available_timezones

from msgspec import Meta

from .types import (
    URL,
    CiString4,
    CiString36,
    CiString48,
    ClockTime,
    CountryAlpha3,
    CountryCode,
    DateTime,
    DisplayText,
    Int,
    Latitude,
    Longitude,
    Number,
    ObjectID,
    PartyID,
    Pixels,
    RuleBroken,
    Status,
    Text4,
    Text10,
    Text16,
    Text45,
    Text64,
    Text100,
    Text255,
    TokenType,
    Weekday,
    Wire,
    first_repeated,
)

Capability = Literal[
    "CHARGING_PROFILE_CAPABLE",
    "CHARGING_PREFERENCES_CAPABLE",
    "CHIP_CARD_SUPPORT",
    "CONTACTLESS_CARD_SUPPORT",
    "CREDIT_CARD_PAYABLE",
    "DEBIT_CARD_PAYABLE",
    "PED_TERMINAL",
    "REMOTE_START_STOP_CAPABLE",
    "RESERVABLE",
    "RFID_READER",
    "START_SESSION_CONNECTOR_REQUIRED",
    "TOKEN_GROUP_CAPABLE",
    "UNLOCK_CAPABLE",
]
ConnectorFormat = Literal["SOCKET", "CABLE"]
ConnectorType = Literal[
    "CHADEMO",
    "CHAOJI",
    "DOMESTIC_A",
    "DOMESTIC_B",
    "DOMESTIC_C",
    "DOMESTIC_D",
    "DOMESTIC_E",
    "DOMESTIC_F",
    "DOMESTIC_G",
    "DOMESTIC_H",
    "DOMESTIC_I",
    "DOMESTIC_J",
    "DOMESTIC_K",
    "DOMESTIC_L",
    "DOMESTIC_M",
    "DOMESTIC_N",
    "DOMESTIC_O",
    "GBT_AC",
    "GBT_DC",
    "IEC_60309_2_single_16",
    "IEC_60309_2_three_16",
    "IEC_60309_2_three_32",
    "IEC_60309_2_three_64",
    "IEC_62196_T1",
    "IEC_62196_T1_COMBO",
    "IEC_62196_T2",
    "IEC_62196_T2_COMBO",
    "IEC_62196_T3A",
    "IEC_62196_T3C",
    "NEMA_5_20",
    "NEMA_6_30",
    "NEMA_6_50",
    "NEMA_10_30",
    "NEMA_10_50",
    "NEMA_14_30",
    "NEMA_14_50",
    "PANTOGRAPH_BOTTOM_UP",
    "PANTOGRAPH_TOP_DOWN",
    "TESLA_R",
    "TESLA_S",
]
EnergySourceCategory = Literal[
    "NUCLEAR", "GENERAL_FOSSIL", "COAL", "GAS", "GENERAL_GREEN", "SOLAR", "WIND", "WATER"
]
EnvironmentalImpactCategory = Literal["NUCLEAR_WASTE", "CARBON_DIOXIDE"]
Facility = Literal[
    "HOTEL",
    "RESTAURANT",
    "CAFE",
    "MALL",
    "SUPERMARKET",
    "SPORT",
    "RECREATION_AREA",
    "NATURE",
    "MUSEUM",
    "BIKE_SHARING",
    "BUS_STOP",
    "TAXI_STAND",
    "TRAM_STOP",
    "METRO_STATION",
    "TRAIN_STATION",
    "AIRPORT",
    "PARKING_LOT",
    "CARPOOL_PARKING",
    "FUEL_STATION",
    "WIFI",
]
ImageCategory = Literal["CHARGER", "ENTRANCE", "LOCATION", "NETWORK", "OPERATOR", "OTHER", "OWNER"]
ParkingRestriction = Literal["EV_ONLY", "PLUGGED", "DISABLED", "CUSTOMERS", "MOTORCYCLES"]
ParkingType = Literal[
    "ALONG_MOTORWAY", "PARKING_GARAGE", "PARKING_LOT", "ON_DRIVEWAY", "ON_STREET", "UNDERGROUND_GARAGE"
]
PowerType = Literal["AC_1_PHASE", "AC_2_PHASE", "AC_2_PHASE_SPLIT", "AC_3_PHASE", "DC"]


class Image(Wire, kw_only=True):
    url: URL
    thumbnail: URL | None = None
    category: ImageCategory
    type: CiString4
    width: Pixels | None = None
    height: Pixels | None = None


class BusinessDetails(Wire, kw_only=True):
    name: Text100
    website: URL | None = None
    logo: Image | None = None


class GeoLocation(Wire, kw_only=True):
    latitude: Latitude
    longitude: Longitude


class AdditionalGeoLocation(GeoLocation, kw_only=True):
    name: DisplayText | None = None


class EnergySource(Wire, kw_only=True):
    source: EnergySourceCategory
    percentage: Number

    def __post_init__(self) -> None:
        if not 0 <= self.percentage <= 100:
            raise RuleBroken("percentage", "not between 0 and 100")


class EnvironmentalImpact(Wire, kw_only=True):
    category: EnvironmentalImpactCategory
    amount: Number


class EnergyMix(Wire, kw_only=True):
    is_green_energy: bool
    energy_sources: list[EnergySource] | None = None
    environ_impact: list[EnvironmentalImpact] | None = None
    supplier_name: Text64 | None = None
    energy_product_name: Text64 | None = None


class RegularHours(Wire, kw_only=True):
    weekday: Weekday
    period_begin: ClockTime
    period_end: ClockTime

    def __post_init__(self) -> None:
        if self.period_end <= self.period_begin:
            raise RuleBroken("period_end", "not later than period_begin")


class ExceptionalPeriod(Wire, kw_only=True):
    period_begin: DateTime
    period_end: DateTime


class Hours(Wire, kw_only=True):
    twentyfourseven: bool
    regular_hours: list[RegularHours] | None = None
    exceptional_openings: list[ExceptionalPeriod] | None = None
    exceptional_closings: list[ExceptionalPeriod] | None = None

    def __post_init__(self) -> None:
        if self.twentyfourseven and self.regular_hours:
            raise RuleBroken("regular_hours", "only allowed when twentyfourseven is false")
        if not self.twentyfourseven and not self.regular_hours:
            raise RuleBroken("regular_hours", "needed when twentyfourseven is false")


class PublishTokenType(Wire, kw_only=True):
    uid: ObjectID | None = None
    type: TokenType | None = None
    visual_number: Text64 | None = None
    issuer: Text64 | None = None
    group_id: CiString36 | None = None

    def __post_init__(self) -> None:
        if not (self.uid or self.visual_number or self.group_id):
            raise RuleBroken("uid", "one of uid, visual_number and group_id is needed")
        if self.uid and not self.type:
            raise RuleBroken("type", "needed with uid")
        if self.visual_number and not self.issuer:
            raise RuleBroken("issuer", "needed with visual_number")


class StatusSchedule(Wire, kw_only=True):
    period_begin: DateTime
    period_end: DateTime | None = None
    status: Status


class Connector(Wire, kw_only=True):
    id: ObjectID
    standard: ConnectorType
    format: ConnectorFormat
    power_type: PowerType
    max_voltage: Int
    max_amperage: Int
    max_electric_power: Int | None = None
    tariff_ids: list[ObjectID] | None = None
    terms_and_conditions: URL | None = None
    last_updated: DateTime


class EVSE(Wire, kw_only=True):
    uid: ObjectID
    evse_id: CiString48 | None = None
    status: Status
    status_schedule: list[StatusSchedule] | None = None
    capabilities: list[Capability] | None = None
    connectors: Annotated[list[Connector], Meta(min_length=1)]
    floor_level: Text4 | None = None
    coordinates: GeoLocation | None = None
    physical_reference: Text16 | None = None
    directions: list[DisplayText] | None = None
    parking_restrictions: list[ParkingRestriction] | None = None
    images: list[Image] | None = None
    last_updated: DateTime

    def __post_init__(self) -> None:
        index = first_repeated([connector.id for connector in self.connectors])
        if index is not None:
            raise RuleBroken(f"connectors[{index}].id", "used by another connector of this EVSE")


class Location(Wire, kw_only=True):
    country_code: CountryCode
    party_id: PartyID
    id: ObjectID
    publish: bool
    publish_allowed_to: list[PublishTokenType] | None = None
    name: Text255 | None = None
    address: Text255
    city: Text45
    postal_code: Text10 | None = None
    state: Text45 | None = None
    country: CountryAlpha3
    coordinates: GeoLocation
    related_locations: list[AdditionalGeoLocation] | None = None
    parking_type: ParkingType | None = None
    evses: list[EVSE] | None = None
    directions: list[DisplayText] | None = None
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: list[Facility] | None = None
    time_zone: Text255
    opening_times: Hours | None = None
    charging_when_closed: bool | None = None
    images: list[Image] | None = None
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

    def __post_init__(self) -> None:
        if self.publish and self.publish_allowed_to:
            raise RuleBroken("publish_allowed_to", "only allowed when publish is false")
        if self.time_zone not in time_zones():
            raise RuleBroken("time_zone", "not a time zone name of IANA, such as Europe/Amsterdam")
        index = first_repeated([evse.uid for evse in self.evses or ()])
        if index is not None:
            raise RuleBroken(f"evses[{index}].uid", "used by another EVSE of this Location")


@cache
def time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
