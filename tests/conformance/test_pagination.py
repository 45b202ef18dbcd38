"""PAG rows: the hub's lists, and the lists of partners that it reads."""

from collections.abc import Iterable
from itertools import chain, pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from locations.models import Location
from ocpi_hub.exchange.models import Pull
from ocpi_hub.exchange.pulls import sync
from tests import examples
from tests.conformance.calls import nothing_changes
from tests.partners import Partner
from tests.partners import enveloped as answer

pytestmark = pytest.mark.django_db

LIST = "sender/locations"


@pytest.fixture
def seven(cpo: Partner) -> list[dict[str, Any]]:
    """Locations of seven days, the newest pushed first."""
    made = [
        examples.location(id=f"LOC{n}", last_updated=f"2026-03-{8 - n:02}T12:00:00Z") for n in range(1, 8)
    ]
    for location in made:
        cpo.put(f"receiver/locations/NL/ABC/{location['id']}", location)
    return made


def ids(locations: Iterable[dict[str, Any]]) -> list[str]:
    return [location["id"] for location in locations]


# -------------------------------------------------------------------------------------------- as a server
@pytest.mark.row("PAG-01", "LOC-01")
@pytest.mark.parametrize("module", ["locations", "tokens"])
def test_every_list_has_the_headers_of_a_page(cpo, emsp, module, settings):
    settings.HUB_PAGE_LIMIT = 1
    for n in range(2):
        cpo.put(f"receiver/locations/NL/ABC/LOC{n}", examples.location(id=f"LOC{n}"))
        emsp.put(f"receiver/tokens/DE/MSP/T{n}", examples.token(uid=f"T{n}"))

    answered = (emsp if module == "locations" else cpo).get(f"sender/{module}")

    assert (answered.headers["X-Total-Count"], answered.headers["X-Limit"]) == ("2", "1")
    assert answered.headers["Link"].startswith(
        f"<http://127.0.0.1:8000/ocpi/2.2.1/sender/{module}?offset=1&limit=1&"
    )


@pytest.mark.row("PAG-02", "PAG-03", "LOC-01")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "1234567"),
        ("date_from=2026-03-05T12:00:00Z", "123"),
        ("date_to=2026-03-05T12:00:00Z", "4567"),
        ("date_from=2026-03-03T12:00:00Z&date_to=2026-03-05T12:00:00Z", "45"),
        ("date_from=2026-03-03T12:00:00.001Z", "1234"),
        ("date_from=2026-03-05T12:00:00Z&date_to=2026-03-05T12:00:00Z", ""),
        ("date_from=", "1234567"),
        ("offset=0", "1234567"),
        ("offset=5", "67"),
        ("offset=7", ""),
        ("offset=999999", ""),
        ("limit=3", "123"),
        ("limit=3&offset=5", "67"),
        ("limit=7", "1234567"),
        ("unknown=1&TO=2", "1234567"),
    ],
)
def test_each_parameter_alone_and_together(emsp, seven, query, found):
    answered = emsp.get(f"{LIST}?{query}")

    assert answered.codes == (200, 1000)
    assert "".join(ids(answered.data)).replace("LOC", "") == found


@pytest.mark.row("PAG-02")
@pytest.mark.parametrize(
    "query",
    [
        "date_from=yesterday", "date_to=2026-02-30T00:00:00Z", "date_from=2026-03-05", "date_from=1772712000",
        "limit=0", "limit=-1", "limit=ten", "limit=1.5", "limit=%00", "limit=1e3", "limit=" + "9" * 30,
        "offset=-1", "offset=x", "offset=" + "9" * 30, "cursor=x", "cursor=1", "cursor=1-2-3",
        "cursor=" + "9" * 30 + "-1", "date_from=%FF",
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_read_are_2001(emsp, seven, query):
    answered = emsp.get(f"{LIST}?{query}")

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(query.partition("=")[0])
    assert "data" not in answered.envelope


@pytest.mark.row("PAG-03")
def test_adjacent_windows_neither_overlap_nor_leave_gaps(emsp, seven):
    borders = [f"2026-03-{day:02}T12:00:00Z" for day in range(1, 9)]
    windows = [
        emsp.crawl(f"{LIST}?date_from={start}&date_to={end}&limit=1") for start, end in pairwise(borders)
    ]

    assert sorted(ids(chain(*windows))) == sorted(ids(seven))


@pytest.mark.row("PAG-04")
def test_dates_are_those_of_the_last_change(cpo, emsp, seven):
    cpo.patch("receiver/locations/NL/ABC/LOC7", {"name": "changed", "last_updated": "2026-05-01T00:00:00Z"})

    assert ids(emsp.get(f"{LIST}?date_from=2026-05-01T00:00:00Z").data) == ["LOC7"]


@pytest.mark.row("PAG-05", "PAG-11")
@pytest.mark.parametrize(
    ("limit", "size", "shown"),
    [("", 5, "5"), ("3", 3, "3"), ("5", 5, "5"), ("6", 5, "5"), ("100000", 5, "5")],
)
def test_a_page_has_no_more_than_was_asked_for_nor_than_the_cap(emsp, seven, settings, limit, size, shown):
    settings.HUB_PAGE_LIMIT = 5

    answered = emsp.get(f"{LIST}?limit={limit}")

    assert len(answered.data) == size
    assert answered.headers["X-Limit"] == shown
    assert parse_qs(urlsplit(answered.next_path).query)["limit"] == [shown]


@pytest.mark.row("PAG-11")
def test_the_limit_is_shown_though_fewer_objects_are_there(emsp, seven):
    assert emsp.get(LIST).headers["X-Limit"] == "100"
    assert len(emsp.get(LIST).data) == 7


@pytest.mark.row("PAG-06", "PAG-07")
def test_objects_come_in_the_order_in_which_they_were_created(cpo, emsp, seven):
    first = emsp.crawl(f"{LIST}?limit=2")
    cpo.patch("receiver/locations/NL/ABC/LOC1", {"last_updated": "2026-06-01T00:00:00Z"})
    cpo.put(
        "receiver/locations/NL/ABC/LOC4", examples.location(id="LOC4", last_updated="2026-06-02T00:00:00Z")
    )

    assert ids(first) == ids(seven)
    assert ids(emsp.crawl(f"{LIST}?limit=2")) == ids(seven)
    assert ids(emsp.crawl(f"{LIST}?limit=3")) == ids(seven)


@pytest.mark.row("PAG-08")
@pytest.mark.parametrize(("limit", "pages"), [(1, 7), (2, 4), (3, 3), (6, 2), (7, 1), (8, 1)])
def test_all_pages_but_the_last_have_a_link(emsp, seven, limit, pages):
    path, links = f"{LIST}?limit={limit}", 0
    while path := emsp.get(path).next_path:
        links += 1

    assert links == pages - 1


@pytest.mark.row("PAG-09")
def test_the_link_repeats_every_filter(emsp, seven):
    path = f"{LIST}?date_from=2026-03-02T12:00:00Z&date_to=2026-03-09T00:00:00.5&limit=2"
    offsets = []
    while path := emsp.get(path).next_path:
        query = parse_qs(urlsplit(path).query)
        offsets.append(query["offset"])
        assert query["date_from"] == ["2026-03-02T12:00:00Z"]
        assert query["date_to"] == ["2026-03-09T00:00:00.5"]
        assert query["limit"] == ["2"]

    assert offsets == [["2"], ["4"]]


@pytest.mark.row("PAG-08", "PAG-09")
def test_who_counts_offsets_without_the_link_is_served_as_well(emsp, seven):
    pages = [emsp.get(f"{LIST}?limit=3&offset={offset}").data for offset in (0, 3, 6)]

    assert pages == [seven[:3], seven[3:6], seven[6:]]


@pytest.mark.row("PAG-10")
def test_the_total_is_what_this_caller_may_see(cpo, emsp, rival, stranger, seven):
    for party in ("BE/DEF", "FR/XYZ"):
        owner = rival if party == "BE/DEF" else stranger
        country_code, party_id = party.split("/")
        theirs = examples.location(
            country_code=country_code, party_id=party_id, last_updated="2026-03-07T12:00:00Z"
        )
        owner.put(f"receiver/locations/{party}/LOC1", theirs)

    totals = {
        (partner.party, query): (
            answered.headers["X-Total-Count"],
            len(partner.crawl(f"{LIST}?limit=2&{query}")),
        )
        for partner in (cpo, emsp, rival, stranger)
        for query in ("", "date_from=2026-03-07T12:00:00Z")
        if (answered := partner.get(f"{LIST}?limit=2&offset=1&{query}"))
    }

    assert totals == {
        ("NL*ABC", ""): ("0", 0),
        ("NL*ABC", "date_from=2026-03-07T12:00:00Z"): ("0", 0),
        ("DE*MSP", ""): ("9", 9),
        ("DE*MSP", "date_from=2026-03-07T12:00:00Z"): ("3", 3),
        ("BE*DEF", ""): ("0", 0),
        ("BE*DEF", "date_from=2026-03-07T12:00:00Z"): ("0", 0),
        ("FR*XYZ", ""): ("8", 8),
        ("FR*XYZ", "date_from=2026-03-07T12:00:00Z"): ("2", 2),
    }


@pytest.mark.row("PAG-15")
@pytest.mark.parametrize("module", ["locations", "tokens"])
def test_an_empty_list_is_a_success(emsp, cpo, seven, module):
    answered = (emsp if module == "locations" else cpo).get(f"sender/{module}?date_from=2099-01-01T00:00:00Z")

    assert answered.codes == (200, 1000)
    assert answered.data == []
    assert answered.headers["X-Total-Count"] == "0"
    assert "Link" not in answered.headers


# -------------------------------------------------------------------------------------------- as a client
def pulled(partner: Partner, **options: Any) -> Pull:
    [report] = sync.pull_platform(partner.platform.pk, "locations", **options)
    return report.pull


def queries(partner: Partner) -> list[dict[str, str]]:
    return [dict(httpx.URL(call.url).params) for call in partner.calls]


@pytest.mark.row("PAG-12")
def test_the_hub_follows_the_links_it_is_given_to_the_end(cpo, emsp):
    links = {
        None: "https://abc.example/elsewhere/page-2?secret=a%20b&x=",
        "page-2": "https://abc.example/elsewhere/page-3#fragment",
        "page-3": None,
    }

    def pages(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2] if "page" in request.url.path else None
        link = {"Link": f'<{links[name]}>; rel="next"'} if links[name] else {}
        return answer([examples.location(id=f"IN-{name}")], **link)

    cpo.answers.append(pages)

    pull = pulled(cpo, full=True)

    assert (pull.state, pull.pages, pull.new) == ("DONE", 3, 3)
    assert [call.path for call in cpo.calls][1:] == ["/elsewhere/page-2?secret=a%20b&x=", "/elsewhere/page-3"]
    assert ids(emsp.get(LIST).data) == ["IN-None", "IN-page-2", "IN-page-3"]


@pytest.mark.row("PAG-12")
def test_a_link_that_leads_in_a_circle_ends_the_pull(cpo):
    cpo.answers.append(
        lambda request: answer([examples.location()], Link='<https://abc.example/again>; rel="next"')
    )

    pull = pulled(cpo, full=True)

    assert (pull.state, pull.pages) == ("FAILED", 2)
    assert pull.error == "page 3: the Link leads back to a page that was read already"


@pytest.mark.row("PAG-13")
def test_a_page_is_read_again_one_lower_when_the_list_became_shorter(cpo, emsp):
    """An object may have slipped over the edge of a page that was read already."""
    cpo.page_size = 2
    cpo.lists["locations"] = [examples.location(id=f"LOC{n}") for n in range(6)]

    def shrink(request: httpx.Request) -> None:
        if request.url.params.get("offset") == "2" and len(cpo.lists["locations"]) == 6:
            del cpo.lists["locations"][0]

    cpo.answers.append(shrink)

    pull = pulled(cpo, full=True)

    assert pull.state == "DONE"
    assert [query.get("offset", "0") for query in queries(cpo)] == ["0", "2", "1", "3"]
    assert ids(emsp.get(LIST).data) == [f"LOC{n}" for n in range(6)]


@pytest.mark.row("PAG-14")
def test_what_a_full_pull_no_longer_lists_is_marked_and_kept(cpo, emsp):
    cpo.lists["locations"] = [examples.location(id="STAYS"), examples.location(id="GOES")]
    pulled(cpo, full=True)
    cpo.lists["locations"].pop()

    pulled(cpo)
    assert Location.objects.exclude(missing_since=None).count() == 0
    pulled(cpo, full=True)

    gone = Location.objects.exclude(missing_since=None).get()
    assert gone.object_id == "GOES"
    assert sorted(ids(emsp.get(LIST).data)) == ["GOES", "STAYS"]
    cpo.lists["locations"].append(examples.location(id="GOES"))
    pulled(cpo, full=True)
    assert Location.objects.exclude(missing_since=None).count() == 0


@pytest.mark.row("PAG-14")
def test_a_full_pull_that_broke_off_marks_nothing(cpo):
    cpo.page_size = 1
    cpo.lists["locations"] = [examples.location(id="A"), examples.location(id="B")]
    pulled(cpo, full=True)
    cpo.answers.append(
        lambda request: httpx.Response(500) if request.url.params.get("offset") == "1" else None
    )

    with nothing_changes(besides=(Pull, Location)):
        pull = pulled(cpo, full=True)

    assert pull.state == "FAILED"
    assert Location.objects.exclude(missing_since=None).count() == 0


@pytest.mark.row("PAG-03", "TRN-17")
def test_later_pulls_ask_from_some_time_before_the_last_one_began(cpo, settings):
    cpo.lists["locations"] = [examples.location()]
    first = pulled(cpo)
    second = pulled(cpo)

    assert (first.full, second.full) == (True, False)
    assert "date_from" not in queries(cpo)[0]
    assert first.started_at.timestamp() - second.date_from.timestamp() == settings.HUB_PULL_OVERLAP
    assert (second.received, second.new, second.unchanged) == (1, 0, 1)
