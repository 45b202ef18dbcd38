"""Locations, with a table of EVSEs beside the documents (mod_locations.asciidoc)."""

from typing import Any

from django.db import connection, models
from django.db.models.functions import Upper

from ocpi_hub.exchange.objects.ownedobject import Child, OwnedObject, Vanished
from ocpi_hub.partners.models import Party
from ocpi_hub.protocol import locations as chapter
from ocpi_hub.protocol.codec import parse
from ocpi_hub.protocol.envelope import StatusCode

# Time zones of countries that have one, for feeds that name none; Windows' names for feeds that use those.
TIME_ZONES = {
    "AUT": "Europe/Vienna", "BEL": "Europe/Brussels", "BGR": "Europe/Sofia", "CHE": "Europe/Zurich",
    "CZE": "Europe/Prague", "DEU": "Europe/Berlin", "DNK": "Europe/Copenhagen", "EST": "Europe/Tallinn",
    "FIN": "Europe/Helsinki", "FRA": "Europe/Paris", "GBR": "Europe/London", "GRC": "Europe/Athens",
    "HRV": "Europe/Zagreb", "HUN": "Europe/Budapest", "IRL": "Europe/Dublin", "ITA": "Europe/Rome",
    "LTU": "Europe/Vilnius", "LUX": "Europe/Luxembourg", "LVA": "Europe/Riga", "NLD": "Europe/Amsterdam",
    "NOR": "Europe/Oslo", "POL": "Europe/Warsaw", "ROU": "Europe/Bucharest", "SVK": "Europe/Bratislava",
    "SVN": "Europe/Ljubljana", "SWE": "Europe/Stockholm",
}  # fmt: skip
WINDOWS_TIME_ZONES = {
    "W. Europe Standard Time": "Europe/Berlin", "Romance Standard Time": "Europe/Paris",
    "GMT Standard Time": "Europe/London", "Central Europe Standard Time": "Europe/Budapest",
    "Central European Standard Time": "Europe/Warsaw", "FLE Standard Time": "Europe/Kyiv",
    "GTB Standard Time": "Europe/Bucharest", "E. Europe Standard Time": "Europe/Chisinau",
}  # fmt: skip


class Location(OwnedObject):
    module = "locations"
    wire = chapter.Location
    owner_role = "CPO"
    audience_roles = ("EMSP", "NSP", "OTHER", "NAP")
    children = (Child("evses", "uid", chapter.EVSE), Child("connectors", "id", chapter.Connector))
    copied = ("publish", "name", "address", "city", "postal_code", "country")
    unknown = StatusCode.UNKNOWN_LOCATION
    repairs = (
        ("RENAME", "parking_type", "type", True),
        ("RENAME", "evses[].connectors[].max_voltage", "voltage", True),
        ("RENAME", "evses[].connectors[].max_amperage", "amperage", True),
        ("RENAME", "evses[].connectors[].tariff_ids", "tariff_id", True),
        ("VALUE", "evses[].status", {"*": "UNKNOWN"}, True),
        ("VALUE", "time_zone", WINDOWS_TIME_ZONES, True),
        # These two say something that the feed does not, so the operator switches them on.
        ("FILL", "publish", True, False),
        ("FILL", "time_zone", {"by": "country", "values": TIME_ZONES}, False),
    )

    publish = models.BooleanField(default=True)
    name = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001  # absent is not empty
    address = models.CharField(max_length=255, default="")
    city = models.CharField(max_length=45, default="", db_index=True)
    postal_code = models.CharField(max_length=10, null=True, blank=True)  # noqa: DJ001  # absent is not empty
    country = models.CharField(max_length=3, default="")

    class Meta(OwnedObject.Meta):
        pass

    @classmethod
    def has_usable_evse(cls) -> models.Exists:
        """For annotate(): whether it has an EVSE that is neither removed nor retired; without one it is expired."""
        usable = EVSE.objects.filter(location=models.OuterRef("pk"), retired_at=None).exclude(
            status="REMOVED"
        )
        return models.Exists(usable)

    @property
    def operator_name(self) -> str:
        """Who operates it; without an operator it is the business that its owner announced (LOC-20)."""
        if operator := parse(self.document.encode()).get("operator"):
            return str(operator["name"])
        owner = Party.objects.filter(key=self.owner_key).first()
        return str(owner.business_details.get(self.owner_role, {}).get("name", "")) if owner else ""

    @classmethod
    def gone(cls, document: dict[str, Any], vanished: Vanished, moment: str) -> bool:
        """A Location is never deleted; drivers are kept away from its chargers by their status (LOC-10)."""
        evses = [evse for evse in document.get("evses") or [] if evse["status"] not in (vanished, "REMOVED")]
        for evse in evses:
            evse.update(status=vanished.value, last_updated=moment)
        return bool(evses)

    @classmethod
    def project(cls, row_id: int, wire: Any, part: str | None) -> None:
        if part:
            _upsert_evses([(row_id, wire)])
        else:
            cls.project_many([(row_id, wire)])

    @classmethod
    def project_many(cls, rows: list[tuple[int, Any]]) -> None:
        """Keep the EVSE rows in step; an EVSE that the owner no longer sends is kept, as retired (P78)."""
        evses = [(row_id, evse) for row_id, wire in rows for evse in wire.evses or []]
        _upsert_evses(evses)
        with connection.cursor() as cursor:
            cursor.execute(
                _RETIRE_EVSES, {**_columns(evses), "all_locations": [row_id for row_id, _ in rows]}
            )


class EVSE(models.Model):
    """A projection of the EVSEs inside the Location documents, for search, status and reports."""

    location = models.ForeignKey(Location, models.CASCADE, related_name="evse_rows")
    uid = models.CharField(max_length=36)
    key = models.GeneratedField(
        expression=Upper("uid"), output_field=models.CharField(max_length=36), db_persist=True
    )
    evse_id = models.CharField(max_length=48, null=True, blank=True)  # noqa: DJ001  # absent is not empty
    status = models.CharField(max_length=11, db_index=True)
    connectors = models.PositiveIntegerField(default=0)
    last_updated = models.DateTimeField()
    status_since = models.DateTimeField(help_text="last_updated of the change to this status")
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="since when its Location comes without it"
    )

    class Meta:
        ordering = ["location", "id"]
        verbose_name = "EVSE"
        verbose_name_plural = "EVSEs"
        constraints = [
            models.UniqueConstraint(fields=["location", "key"], name="one_evse_per_location_and_uid")
        ]
        indexes = [models.Index(Upper("evse_id"), name="evse_id_upper")]

    def __str__(self) -> str:
        return self.evse_id or self.uid


_UPSERT_EVSES = """
INSERT INTO locations_evse (location_id, uid, evse_id, status, connectors, last_updated, status_since)
SELECT evse.location, evse.uid, evse.evse_id, evse.status, evse.connectors, evse.last_updated, evse.last_updated
FROM unnest(%(locations)s::bigint[], %(uids)s::text[], %(evse_ids)s::text[], %(statuses)s::text[],
            %(connectors)s::int[], %(times)s::timestamptz[])
    AS evse(location, uid, evse_id, status, connectors, last_updated)
ON CONFLICT (location_id, key) DO UPDATE SET
    uid = excluded.uid, evse_id = excluded.evse_id, status = excluded.status, connectors = excluded.connectors,
    last_updated = excluded.last_updated, retired_at = NULL,
    status_since = CASE WHEN locations_evse.status = excluded.status
                        THEN locations_evse.status_since ELSE excluded.last_updated END
WHERE (locations_evse.uid, locations_evse.evse_id, locations_evse.status, locations_evse.connectors,
       locations_evse.last_updated, locations_evse.retired_at)
    IS DISTINCT FROM (excluded.uid, excluded.evse_id, excluded.status, excluded.connectors,
                      excluded.last_updated, NULL)
"""

_RETIRE_EVSES = """
UPDATE locations_evse SET retired_at = now()
WHERE location_id = ANY(%(all_locations)s) AND retired_at IS NULL AND NOT EXISTS (
    SELECT FROM unnest(%(locations)s::bigint[], %(uids)s::text[]) AS sent(location, uid)
    WHERE sent.location = location_id AND upper(sent.uid) = key)
"""


def _upsert_evses(evses: list[tuple[int, chapter.EVSE]]) -> None:
    if evses:
        with connection.cursor() as cursor:
            cursor.execute(_UPSERT_EVSES, _columns(evses))


def _columns(evses: list[tuple[int, chapter.EVSE]]) -> dict[str, Any]:
    return {
        "locations": [row_id for row_id, _ in evses],
        "uids": [evse.uid for _, evse in evses],
        "evse_ids": [evse.evse_id for _, evse in evses],
        "statuses": [evse.status for _, evse in evses],
        "connectors": [len(evse.connectors) for _, evse in evses],
        "times": [evse.last_updated for _, evse in evses],
    }
