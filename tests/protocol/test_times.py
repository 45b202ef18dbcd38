from datetime import UTC, datetime, timedelta, timezone

import pytest

from ocpi_hub.protocol.envelope import format_time, parse_time, utcnow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.row("TYP-03", "TYP-05")
@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2026-01-01T12:00:00Z"),
        (NOON.replace(microsecond=123_999), "2026-01-01T12:00:00.123Z"),
        (NOON.replace(microsecond=999), "2026-01-01T12:00:00Z"),
        (NOON.replace(tzinfo=None), "2026-01-01T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-01-01T12:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_written_in_utc_with_at_most_milliseconds(moment: datetime, text: str) -> None:
    assert format_time(moment) == text


@pytest.mark.row("TYP-03", "TYP-05")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T12:00:00Z", NOON),
        ("2026-01-01T12:00:00", NOON),
        ("2026-01-01t12:00:00z", NOON),
        ("2026-01-01T12:00:00+00:00", NOON),
        ("2026-01-01T12:00:00-00:00", NOON),
        ("2026-01-01T14:00:00+02:00", NOON),
        ("2026-01-01T12:00:00.5Z", NOON.replace(microsecond=500_000)),
        ("2026-01-01T12:00:00.123456789Z", NOON.replace(microsecond=123_456)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_any_rfc_3339_time_is_read(text: str, moment: datetime) -> None:
    parsed = parse_time(text)

    assert parsed == moment
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01 12:00:00Z",
        "2026-01-01T12:00Z",
        "2026-01-01T12:00:00+02",
        "2026-01-01T12:00:00+0200",
        "20260101T120000Z",
        "2026-W01-1T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T12:60:00Z",
        "2026-01-01T12:00:00+24:00",
        "2026-01-01T12:00:00.Z",
        "2026-01-01T12:00:00Z\n",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:60Z",
        "1970-1-1T00:00:00Z",
        "٢026-01-01T12:00:00Z",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_time(text)


def test_now_is_in_utc() -> None:
    assert utcnow().tzinfo is UTC
