"""Pulling a partner's list: pages, what is stored, what is refused, where the next one starts."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from locations.models import Location
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Message, Pull, PullPlan, RefusedObject
from ocpi_hub.exchange.objects import upserts
from ocpi_hub.exchange.pulls import crawls, partnerlists, pullplans, sync
from ocpi_hub.partners.models import Platform
from tests import examples
from tests.partners import enveloped, register
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_modules")]

NEWER, OLDER = "2026-03-01T09:00:00Z", "2026-03-01T07:00:00Z"
COUNTS = ("pages", "received", "new", "changed", "unchanged", "stale", "repaired", "refused")


def pull(partner, module="locations", **options):
    (report,) = sync.pull_platform(partner.platform.pk, module, **options)
    return report


def counts(report):
    """What is not zero."""
    return {name: getattr(report.pull, name) for name in COUNTS if getattr(report.pull, name)}


def locations(count, **changes):
    return [examples.location(id=f"LOC{number}", **changes) for number in range(count)]


def stored():
    return sorted(Location.objects.values_list("object_id", flat=True))


def queries(partner):
    return [dict(httpx.URL(call.url).params) for call in partner.calls]


# -------------------------------------------------------------------------------------------------- pages
def test_pages_are_followed_by_link(cpo):
    cpo.lists["locations"], cpo.page_size = locations(5), 2
    report = pull(cpo)

    assert report.pull.state == "DONE"
    assert counts(report) == {"pages": 3, "received": 5, "new": 5}
    assert queries(cpo) == [
        {"limit": "200"},
        {"limit": "2", "offset": "2"},
        {"limit": "2", "offset": "4"},
    ]
    assert len(stored()) == 5


def test_a_list_without_objects_is_one_page(cpo):
    cpo.lists["locations"] = []

    assert counts(pull(cpo)) == {"pages": 1}


def test_the_list_is_asked_for_by_the_hub_in_the_name_of_the_party(cpo):
    cpo.lists["locations"] = []
    pull(cpo)

    headers = cpo.calls[0].headers
    assert (headers["OCPI-to-country-code"], headers["OCPI-to-party-id"]) == ("NL", "ABC")
    assert (headers["OCPI-from-country-code"], headers["OCPI-from-party-id"]) == ("NL", "HUB")


def test_pages_of_one_pull_have_one_correlation_id(cpo):
    cpo.lists["locations"], cpo.page_size = locations(3), 1
    pull(cpo)

    assert len({call.headers["X-Correlation-ID"] for call in cpo.calls}) == 1
    assert len({call.headers["X-Request-ID"] for call in cpo.calls}) == 3
    assert {row.correlation_id for row in Message.objects.all()} == {cpo.calls[0].headers["X-Correlation-ID"]}


@pytest.mark.parametrize(
    ("endpoint", "called"),
    [
        ("https://abc.example/l", "https://abc.example/l?limit=200"),
        ("https://abc.example/l/", "https://abc.example/l/?limit=200"),
        ("https://abc.example/l?key=a%20b", "https://abc.example/l?key=a+b&limit=200"),
        ("https://abc.example/l?limit=5&x=", "https://abc.example/l?x=&limit=200"),
    ],
)
def test_an_endpoint_may_have_a_query_of_its_own(cpo, endpoint, called):
    cpo.platform.endpoints.filter(module="locations", role="SENDER").update(url=endpoint)
    cpo.answers.append(lambda request: enveloped([]))
    pull(cpo)

    assert [call.url for call in cpo.calls] == [called]


def paged(*answers):
    """Answers of a list one after the other: (objects, headers)."""
    left = list(answers)

    def reply(request):
        objects, headers = left.pop(0)
        return enveloped(objects, **headers)

    return reply


def link(url):
    return {"Link": f'<{url}>; rel="next"'}


def test_a_relative_link_counts_from_the_page_that_names_it(cpo):
    cpo.answers.append(paged((locations(1), link("?cursor=a+b&limit=1")), ([], {})))
    pull(cpo)

    assert cpo.calls[1].url == "https://abc.example/sender/locations?cursor=a+b&limit=1"


UNANNOUNCED = "which is no server that the partner has announced"
NO_SERVER = "its Link leads to no server: it is neither http nor https"


@pytest.mark.parametrize(
    ("elsewhere", "why"),
    [
        ("https://other.example/2", f"its Link leads to other.example, {UNANNOUNCED}"),
        ("https://abc.example:444/2", f"its Link leads to abc.example:444, {UNANNOUNCED}"),
        ("https://u:p@abc.example/2", "its Link has a user or a password in it, and the hub sends none"),
        ("file:///etc/passwd", NO_SERVER),
        ("ftp://abc.example/2", NO_SERVER),
    ],
)
def test_a_link_to_a_server_that_the_partner_has_not_announced_ends_the_pull_without_our_token(
    cpo, stranger, elsewhere, why
):
    cpo.answers.append(paged((locations(1), link(elsewhere)), ([], {})))
    report = pull(cpo)

    assert report.pull.state == "FAILED"
    assert report.pull.error == f"page 1: {why}"
    assert (report.pull.new, report.pull.next_url) == (1, "")
    assert len(cpo.calls) == 1


@pytest.mark.parametrize(
    "header", ["https://abc.example/l?offset=1; rel=next", f"<https://abc.example/{'x' * 5_000}>; rel=next"]
)
def test_a_link_that_cannot_be_read_is_not_the_end_of_a_list(cpo, header):
    cpo.lists["locations"] = locations(3)
    pull(cpo, full=True)
    cpo.answers.append(lambda request: enveloped(locations(2), Link=header))
    report = pull(cpo, full=True)

    assert (report.pull.state, report.pull.error) == ("FAILED", "page 1: its Link cannot be read")
    assert not Location.objects.exclude(missing_since=None).exists()


def test_a_partner_that_names_itself_by_http_is_asked_by_https_as_before(cpo):
    cpo.answers.append(paged((locations(1), link("http://abc.example:8080/l?offset=1")), ([], {})))
    pull(cpo)

    assert cpo.calls[1].url == "https://abc.example/l?offset=1"


def test_a_list_of_nothing_but_empty_pages_ends(cpo, monkeypatch):
    monkeypatch.setattr(sync, "MOST_EMPTY", 3)
    numbers = iter(range(1, 99))
    cpo.answers.append(lambda request: enveloped([], **link(f"?offset={next(numbers)}")))
    report = pull(cpo)

    assert report.pull.error == "page 3: the list goes on and on without an object"
    assert len(cpo.calls) == 3


@pytest.mark.parametrize("header", ['<https://abc.example/x>; rel="prev"', "", "nonsense"])
def test_a_link_that_is_not_the_next_page_ends_the_list(cpo, header):
    cpo.answers.append(paged((locations(1), {"Link": header, "X-Limit": "0"})))

    assert counts(pull(cpo)) == {"pages": 1, "received": 1, "new": 1}


def test_a_link_that_leads_back_stops_the_pull_and_keeps_what_was_stored(cpo):
    first = "https://abc.example/sender/locations?limit=200"
    cpo.answers.append(paged((locations(1), link("?offset=1")), ([], link(first))))
    report = pull(cpo)

    assert (report.pull.state, report.pull.error) == (
        "FAILED",
        "page 3: the Link leads back to a page that was read already",
    )
    assert stored() == ["LOC0"]


def test_a_link_that_is_no_url_stops_the_pull_with_a_reason(cpo):
    cpo.answers.append(paged((locations(1), link("http://[x"))))
    report = pull(cpo)

    assert (report.pull.state, report.pull.error) == ("FAILED", "page 1: its Link is no URL")


def total(number, **more):
    return {"X-Total-Count": str(number), **more}


def test_when_the_list_got_shorter_the_page_is_read_again_from_one_lower(cpo):
    objects = locations(4)
    cpo.answers.append(
        paged(
            (objects[:2], total(4, **link("?offset=2&limit=2"))),
            (objects[3:], total(3)),
            (objects[2:], total(3)),
        )
    )
    report = pull(cpo)

    assert [query.get("offset") for query in queries(cpo)] == [None, "2", "1"]
    assert counts(report) == {"pages": 2, "received": 4, "new": 4}


@pytest.mark.parametrize("following", ["?cursor=x", "?offset=0", "?offset=x"])
def test_a_page_without_an_offset_is_not_read_again(cpo, following):
    cpo.answers.append(paged((locations(1), total(2, **link(following))), ([], total(1))))
    report = pull(cpo)

    assert report.pull.state == "DONE"
    assert len(cpo.calls) == 2


def test_a_list_that_shrinks_all_the_time_comes_to_an_end(cpo, monkeypatch):
    monkeypatch.setattr(partnerlists, "MOST_REPEATS", 3)
    left = [100]

    def shrinking(request):
        left[0] -= 1
        return enveloped([], **total(left[0], **(link("?offset=50&limit=1") if len(cpo.calls) == 1 else {})))

    cpo.answers.append(shrinking)

    assert pull(cpo).pull.state == "DONE"
    assert len(cpo.calls) == 1 + 1 + 3


# ------------------------------------------------------------------------------------------------ failures
def test_a_page_that_fails_stops_the_pull_and_keeps_what_was_stored(cpo):
    cpo.lists["locations"], cpo.page_size = locations(4), 2
    cpo.answers.append(
        lambda request: (
            enveloped(status_code=3000, http_status=500) if "offset=2" in str(request.url) else None
        )
    )
    report = pull(cpo, full=True)

    assert (report.pull.state, report.pull.error) == ("FAILED", "page 2: HTTP 500, 3000: no message")
    assert counts(report) == {"pages": 1, "received": 2, "new": 2}
    assert report.pull.finished_at is not None
    assert stored() == ["LOC0", "LOC1"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (lambda request: httpx.Response(200, text="<html>"), "page 1: HTTP 200 without an OCPI envelope"),
        (lambda request: httpx.Response(200, json=[]), "page 1: HTTP 200 without an OCPI envelope"),
        (lambda request: enveloped({"id": 1}), "page 1: the answer holds no list"),
        (lambda request: enveloped(), "page 1: the answer holds no list"),
        (lambda request: enveloped([], status_code=2001), "page 1: HTTP 200, 2001: no message"),
        (
            lambda request: httpx.Response(
                200, json={"status_code": 2000, "status_message": "who is token-of-abc?", "timestamp": NEWER}
            ),
            "page 1: HTTP 200, 2000: who is ***?",
        ),
        (
            lambda request: (_ for _ in ()).throw(httpx.ReadTimeout("slow")),
            "page 1: abc.example: no complete answer in time",
        ),
    ],
)
def test_the_reason_of_a_failed_pull_can_be_read(cpo, reply, error):
    cpo.answers.append(reply)
    report = pull(cpo)

    assert (report.pull.state, report.pull.error) == ("FAILED", error)
    assert Pull.objects.get().error == error


def test_a_fault_of_the_hub_is_noted_and_raised(cpo, monkeypatch):
    cpo.lists["locations"] = locations(1)
    monkeypatch.setattr(upserts, "save_many", lambda *args, **kwargs: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        pull(cpo)

    row = Pull.objects.get()
    assert (row.state, row.error) == ("FAILED", "a fault of the hub: ZeroDivisionError")
    assert row.finished_at is not None


def test_an_unreadable_token_of_ours_is_a_readable_reason(cpo, settings):
    settings.HUB_KEYS = ["bm90LXRoZS1rZXktaXQtd2FzLXdyaXR0ZW4td2l0aCE="]
    report = pull(cpo)

    assert report.pull.error == "our token for this partner: no key in HUB_KEYS reads this token"


def test_missing_objects_are_not_noted_when_the_list_was_not_read_to_its_end(cpo):
    cpo.lists["locations"] = locations(2)
    pull(cpo, full=True)
    cpo.answers.append(paged((locations(1), link("http://[x"))))
    pull(cpo, full=True)

    assert Location.objects.exclude(missing_since=None).count() == 0


# ------------------------------------------------------------------------------------------ what is stored
def test_new_and_changed_objects_are_published_and_unchanged_ones_are_not(cpo):
    cpo.lists["locations"] = locations(3)
    pull(cpo)
    Message.objects.all().delete()
    cpo.lists["locations"] = [
        examples.location(id="LOC0"),
        examples.location(id="LOC1", last_updated=NEWER),
        examples.location(id="LOC2", last_updated=NEWER, name="Station"),
        examples.location(id="LOC3"),
    ]
    report = pull(cpo)

    assert counts(report) == {"pages": 1, "received": 4, "new": 1, "changed": 1, "unchanged": 2}
    rows = Message.objects.order_by("id").values_list("key", "method", "body", "source")
    assert list(rows) == [
        ("NL/ABC/LOC2", "PUT", None, cpo.platform.pk),
        ("NL/ABC/LOC3", "PUT", None, cpo.platform.pk),
    ]


@pytest.mark.parametrize(
    "again",
    [
        {"last_updated": NEWER},
        {"name": None},
        {"images": []},
        {"evses": [examples.evse(last_updated=NEWER)]},
        {"evses": [examples.evse(images=[], floor_level=None)]},
    ],
)
def test_an_object_that_says_the_same_is_unchanged(cpo, again):
    cpo.lists["locations"] = locations(1)
    pull(cpo)
    before = Location.objects.values().get()
    cpo.lists["locations"] = [examples.location(id="LOC0", **again)]

    assert counts(pull(cpo)) == {"pages": 1, "received": 1, "unchanged": 1}
    assert Location.objects.values().get() == before
    assert Message.objects.count() == 1


def test_an_object_that_was_pushed_is_known_when_it_is_pulled(cpo):
    cpo.put("receiver/locations/NL/ABC/LOC0", examples.location(id="LOC0"))
    cpo.lists["locations"] = [dict(reversed(examples.location(id="LOC0").items()))]

    assert counts(pull(cpo)) == {"pages": 1, "received": 1, "unchanged": 1}
    assert Location.objects.get().digest != ""


def test_an_object_that_is_older_than_ours_is_counted_and_left_out(cpo):
    cpo.put("receiver/locations/NL/ABC/LOC0", examples.location(id="LOC0"))
    cpo.lists["locations"] = [examples.location(id="LOC0", last_updated=OLDER, name="before")]

    assert counts(pull(cpo)) == {"pages": 1, "received": 1, "stale": 1}
    assert Location.objects.get().name is None
    assert Message.objects.count() == 1


def test_an_object_that_changed_between_reading_and_storing_is_not_overwritten(cpo, monkeypatch):
    cpo.put("receiver/locations/NL/ABC/LOC0", examples.location(id="LOC0"))
    monkeypatch.setattr(sync._Run, "_present", lambda run, items: {})
    cpo.lists["locations"] = [examples.location(id="LOC0", last_updated=OLDER, name="before")]

    assert counts(pull(cpo)) == {"pages": 1, "received": 1, "stale": 1}


def test_of_one_object_twice_in_a_page_the_last_counts(cpo):
    cpo.lists["locations"] = [examples.location(), examples.location(id="loc1", name="last")]

    assert counts(pull(cpo)) == {"pages": 1, "received": 2, "new": 1}
    assert Location.objects.get().name == "last"


def test_of_one_object_twice_in_a_page_the_newer_counts_though_it_stands_first(cpo):
    cpo.lists["locations"] = [
        examples.location(name="newer", last_updated=NEWER),
        examples.location(name="older", last_updated=OLDER),
    ]

    assert counts(pull(cpo)) == {"pages": 1, "received": 2, "new": 1, "stale": 1}
    assert Location.objects.get().name == "newer"


def test_documents_are_kept_as_they_came_but_for_their_times(cpo):
    text = json.dumps(examples.location(id="LOC0"), indent=3).replace("230", "2.3E+2")
    other = json.dumps(examples.location(id="LOC1", last_updated="2026-03-01T10:00:00+01:00"))
    cpo.answers.append(
        lambda request: httpx.Response(
            200, text=f'{{"status_code":1000,"timestamp":"{NEWER}","data":[{other},{text}]}}'
        )
    )
    report = pull(cpo)

    assert report.pull.new + report.pull.refused == 2
    assert json.loads(Location.objects.get(key="LOC1").document)["last_updated"] == NEWER


def test_tokens_of_one_uid_and_two_types_are_two(emsp):
    emsp.lists["tokens"] = [examples.token(), examples.token(type="APP_USER")]

    assert counts(pull(emsp, "tokens")) == {"pages": 1, "received": 2, "new": 2}
    assert sorted(Token.objects.values_list("type", flat=True)) == ["APP_USER", "RFID"]


# ------------------------------------------------------------------------------------------------- refused
def test_one_bad_object_is_refused_alone_and_listed(cpo):
    bad = examples.location(id="BAD", publish="yes")
    cpo.lists["locations"] = [examples.location(id="LOC0"), bad, examples.location(id="LOC2")]
    report = pull(cpo)

    assert counts(report) == {"pages": 1, "received": 3, "new": 2, "refused": 1}
    assert report.pull.state == "DONE"
    assert report.refusals == [
        {"id": "NL*ABC/BAD", "reason": "$.publish: neither true nor false, but text; leave out the quotes"}
    ]
    row = RefusedObject.objects.get()
    assert (row.platform, row.module, row.object_key, row.times) == (
        cpo.platform,
        "locations",
        "NL*ABC/BAD",
        1,
    )
    assert json.loads(row.document) == bad


@pytest.mark.parametrize(
    "value",
    [b"NaN", b'"two\nlines"', b'"cut \\ud83d"'],
    ids=["no number", "a line break", "half a character"],
)
def test_what_is_no_json_in_one_object_spoils_no_other(cpo, value):
    listed = json.dumps([*locations(2), examples.location(id="BROKEN", note=0)]).encode()
    body = b'{"data": %b, "status_code": 1000, "timestamp": "2026-03-01T08:00:00Z"}'
    content = body % listed.replace(b'"note": 0', b'"note": ' + value)
    cpo.answers.append(lambda request: httpx.Response(200, content=content))
    report = pull(cpo)

    assert report.pull.state == "DONE"
    assert counts(report) == {"pages": 1, "received": 3, "new": 2, "refused": 1}
    assert stored() == ["LOC0", "LOC1"]
    assert RefusedObject.objects.get().object_key == "NL*ABC/BROKEN"


@pytest.mark.parametrize(
    "content",
    [
        b'{"data": [{"a": NaN}], "status_code": 3000}',
        b'{"data": [{"a": NaN}], "status_code": "1000"}',
        b'{"data": [{"a": NaN}]}',
        b'{"data": {"a": NaN}, "status_code": 1000}',
        b'{"data": [{"a": NaN}, "status_code": 1000}',
        b'{"data": [{"a": NaN} {"a": 1}], "status_code": 1000}',
        b'[{"a": NaN}]',
        b"{",
        b"",
        b"[" * 100_000,
    ],
)
def test_what_is_no_list_even_so_ends_the_pull(cpo, content):
    cpo.answers.append(lambda request: httpx.Response(200, content=content))
    report = pull(cpo)

    assert (report.pull.state, report.pull.error) == ("FAILED", "page 1: HTTP 200 without an OCPI envelope")
    assert counts(report) == {}


def test_a_list_behind_a_byte_order_mark_is_read(cpo):
    body = enveloped(locations(2)).content
    cpo.answers.append(lambda request: httpx.Response(200, content=b"\xef\xbb\xbf" + body))

    assert counts(pull(cpo)) == {"pages": 1, "received": 2, "new": 2}


def test_an_object_that_is_refused_again_is_one_row(cpo):
    cpo.lists["locations"] = [examples.location(id="BAD", publish="yes")]
    pull(cpo)
    cpo.lists["locations"] = [examples.location(id="BAD", country="X")]
    pull(cpo)

    row = RefusedObject.objects.get()
    assert row.times == 2
    assert row.reason == "$.country: not a country code of three letters"


@pytest.mark.parametrize("owner", ["given", "null", "left out"])
def test_a_refused_object_is_forgotten_when_it_comes_whole(cpo, owner):
    bad = examples.location(id="BAD", publish="yes")
    if owner == "null":
        bad |= {"party_id": None, "country_code": None}
    if owner == "left out":
        del bad["party_id"], bad["country_code"]
    cpo.lists["locations"] = [bad]
    pull(cpo)
    assert RefusedObject.objects.count() == 1
    cpo.lists["locations"] = [bad | {"publish": True}]
    report = pull(cpo)

    assert report.pull.new == 1
    assert RefusedObject.objects.count() == 0


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ("text", "not an object"),
        (None, "not an object"),
        ({}, "without an id"),
        ({"id": None}, "without an id"),
        ({"id": "LOC1"}, "LOC1"),
        ({"id": 5, "party_id": "ABC"}, "*ABC/5"),
        ({"id": ["x"]}, "['x']"),
    ],
)
def test_what_is_no_location_is_refused_by_the_name_it_has(cpo, bad, name):
    cpo.platform.repair_rules.all().delete()
    cpo.lists["locations"] = [bad]
    report = pull(cpo)

    assert [refusal["id"] for refusal in report.refusals] == [name]


def test_text_that_no_column_holds_is_refused_like_any_other(cpo):
    body = f'{{"status_code":1000,"timestamp":"{NEWER}","data":[{{"id":"a\\u0000b"}},{{"id":"c"]]}}'
    cpo.answers.append(lambda request: httpx.Response(200, text=body.replace('"c"]', '"c"}')))
    report = pull(cpo)

    assert report.pull.refused == 2
    assert report.refusals[0]["reason"] == "$.id: holds the character U+0000"


def test_objects_of_foreign_owners_are_refused(cpo):
    cpo.lists["locations"] = [examples.location(party_id="XYZ"), examples.location()]
    report = pull(cpo)

    assert counts(report) == {"pages": 1, "received": 2, "new": 1, "refused": 1}
    assert report.refusals == [
        {"id": "NL*XYZ/LOC1", "reason": "$.party_id: NL*XYZ is no CPO of this platform"}
    ]


def test_a_party_of_the_platform_in_another_role_is_a_foreign_owner(network):
    partner = register(network, "TWO", "NL-ABC-CPO", "NL-TWO-EMSP")
    partner.lists["locations"] = [examples.location(party_id="TWO")]

    assert pull(partner).refusals[0]["reason"] == "$.party_id: NL*TWO is no CPO of this platform"


# ------------------------------------------------------------------------------------------------- missing
def test_a_full_pull_marks_what_is_missing_and_clears_what_is_back(cpo):
    cpo.lists["locations"] = locations(2)
    pull(cpo, full=True)
    cpo.lists["locations"] = locations(1)
    report = pull(cpo, full=True)

    assert Location.objects.get(key="LOC1").missing_since == report.pull.started_at
    assert Location.objects.get(key="LOC0").missing_since is None
    assert Message.objects.count() == 2

    pull(cpo, full=True)
    assert Location.objects.get(key="LOC1").missing_since == report.pull.started_at

    cpo.lists["locations"] = locations(2)
    assert counts(pull(cpo, full=True)) == {"pages": 1, "received": 2, "unchanged": 2}
    assert Location.objects.get(key="LOC1").missing_since is None


@pytest.mark.parametrize(
    "changes", [{"name": "back", "last_updated": NEWER}, {"name": "back", "last_updated": OLDER}]
)
def test_a_missing_object_that_is_back_changed_or_older_is_not_missing(cpo, changes):
    cpo.lists["locations"] = locations(2)
    pull(cpo, full=True)
    cpo.lists["locations"] = locations(1)
    pull(cpo, full=True)
    assert Location.objects.get(key="LOC1").missing_since is not None
    cpo.lists["locations"].append(examples.location(id="LOC1", **changes))
    pull(cpo, full=True)

    assert Location.objects.get(key="LOC1").missing_since is None


def test_a_push_of_a_part_brings_a_missing_object_back(cpo):
    cpo.lists["locations"] = locations(2)
    pull(cpo, full=True)
    cpo.lists["locations"] = locations(1)
    pull(cpo, full=True)
    assert Location.objects.get(key="LOC1").missing_since is not None
    cpo.patch("receiver/locations/NL/ABC/LOC1/EVSE1", {"status": "CHARGING", "last_updated": NEWER})

    assert Location.objects.get(key="LOC1").missing_since is None


def test_an_incremental_pull_marks_nothing(cpo):
    cpo.lists["locations"] = locations(1)
    pull(cpo, full=True)
    cpo.lists["locations"] = []
    report = pull(cpo)

    assert report.pull.full is False
    assert Location.objects.get().missing_since is None


def test_what_others_delivered_or_own_is_not_missing(network, cpo, stranger):
    stranger.lists["locations"] = [examples.location(country_code="FR", party_id="XYZ")]
    pull(stranger, full=True)
    cpo.lists["locations"] = []
    pull(cpo, full=True)

    assert Location.objects.get().missing_since is None


def test_what_was_pushed_while_the_pull_ran_is_not_missing(cpo):
    cpo.lists["locations"] = locations(1)
    pull(cpo, full=True)

    def push_meanwhile(request):
        Location.objects.update(changed_at=timezone.now() + timedelta(seconds=1))
        return enveloped([])

    cpo.answers.append(push_meanwhile)
    pull(cpo, full=True)

    assert Location.objects.get().missing_since is None


# ------------------------------------------------------------------------------------- where a pull starts
def test_the_first_pull_is_full_and_the_next_starts_an_overlap_before_the_last(cpo, settings):
    settings.HUB_PULL_OVERLAP = 600
    cpo.lists["locations"] = []
    first = pull(cpo).pull
    second = pull(cpo).pull

    assert (first.full, first.date_from) == (True, None)
    assert (second.full, second.date_from) == (False, first.started_at - timedelta(seconds=600))
    assert set(queries(cpo)[1]) == {"limit", "date_from"}


@pytest.mark.parametrize(
    ("since", "start"),
    [
        (None, datetime(2026, 3, 1, 11, tzinfo=UTC)),
        (datetime(2026, 3, 1, 6, tzinfo=UTC), datetime(2026, 3, 1, 5, tzinfo=UTC)),
        (datetime(2026, 3, 1, 20, tzinfo=UTC), datetime(2026, 3, 1, 11, tzinfo=UTC)),
    ],
)
def test_a_pull_since_a_moment_starts_no_later_than_the_last_one_allows(cpo, settings, since, start):
    settings.HUB_PULL_OVERLAP = 3600
    began = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for state, moment in (
        ("DONE", began),
        ("FAILED", began + timedelta(hours=9)),
        ("DONE", began - timedelta(days=1)),
    ):
        Pull.objects.create(
            platform=cpo.platform, module="locations", party="NL*ABC", full=True, state=state,
            started_at=moment, touched_at=moment,
        )  # fmt: skip

    assert sync.date_from(cpo.platform, "locations", cpo.platform.parties.get(), since) == start


@pytest.mark.parametrize("different", [{"module": "tokens"}, {"party": "NL*XYZ"}])
def test_pulls_of_other_lists_do_not_count(cpo, different):
    row = {"module": "locations", "party": "NL*ABC"} | different
    Pull.objects.create(
        platform=cpo.platform,
        full=True,
        state="DONE",
        started_at=timezone.now(),
        touched_at=timezone.now(),
        **row,
    )

    assert sync.date_from(cpo.platform, "locations", cpo.platform.parties.get(), None) is None


# -------------------------------------------------------------------------------------------- two at once
def running(cpo, touched_at, **more):
    return Pull.objects.create(
        platform=cpo.platform, module="locations", party="NL*ABC", full=True,
        started_at=touched_at, touched_at=touched_at, **more,
    )  # fmt: skip


def test_two_pulls_of_one_list_do_not_run_at_once(cpo):
    first = running(cpo, timezone.now())
    report = pull(cpo)

    assert (report.pull.state, report.pull.error) == ("FAILED", "the same list is being pulled already")
    assert cpo.calls == []
    assert list(Pull.objects.all()) == [first]


def test_an_abandoned_pull_is_taken_over(cpo):
    cpo.lists["locations"] = locations(1)
    first = running(cpo, timezone.now() - crawls.ABANDONED_AFTER - timedelta(seconds=1))
    report = pull(cpo)

    assert (report.pull.pk, report.pull.state, report.pull.resumed) == (first.pk, "DONE", 1)
    assert stored() == ["LOC0"]


def test_a_pull_that_was_taken_over_stops_and_stores_nothing_more(cpo):
    cpo.lists["locations"], cpo.page_size = locations(2), 1

    def take_over(request):
        if "offset" in str(request.url):
            Pull.objects.update(state="FAILED", error="the process that ran it ended")
            running(cpo, timezone.now())

    cpo.answers.append(take_over)
    report = pull(cpo)

    assert report.pull.error == "page 2: it took so long that another pull took over"
    assert stored() == ["LOC0"]
    assert Pull.objects.filter(state="RUNNING").count() == 1


# ------------------------------------------------------------------------------------------ many parties
def test_a_platform_of_several_parties_is_asked_once_for_each(network):
    partner = register(network, "BIG", "BE-ONE-CPO", "BE-TWO-CPO", "BE-TRE-EMSP")

    def own(request):
        party = request.headers["OCPI-to-party-id"]
        return enveloped([examples.location(country_code="BE", party_id=party)])

    partner.answers.append(own)
    reports = sync.pull_platform(partner.platform.pk, "locations")

    assert [report.pull.party for report in reports] == ["BE*ONE", "BE*TWO"]
    assert [counts(report)["new"] for report in reports] == [1, 1]


def test_a_partner_that_answers_for_all_its_parties_at_once_is_asked_once(network):
    partner = register(network, "BIG", "BE-ONE-CPO", "BE-TWO-CPO")
    partner.lists["locations"] = [
        examples.location(country_code="BE", party_id=party) for party in ("ONE", "TWO")
    ]
    reports = sync.pull_platform(partner.platform.pk, "locations", full=True)

    assert [counts(report) for report in reports] == [{"pages": 1, "received": 2, "new": 2}]


@pytest.mark.parametrize("changes", [{"status": "PLANNED"}, {"status": "SUSPENDED"}, {"token_cipher": ""}])
def test_only_registered_partners_are_pulled(cpo, changes):
    Platform.objects.filter(pk=cpo.platform.pk).update(**changes)

    assert sync.sources() == []
    assert sync.pull_platform(cpo.platform.pk, "locations") == []


def test_sources_are_the_lists_of_the_owners_role(cpo, emsp, stranger):
    found = [(platform.name, module) for platform, module in sync.sources()]

    assert found == [("ABC", "locations"), ("MSP", "tokens"), ("XYZ", "locations"), ("XYZ", "tokens")]
    assert [module for _, module in sync.sources(stranger.platform.pk)] == ["locations", "tokens"]
    assert [platform.name for platform, _ in sync.sources(module="tokens")] == ["MSP", "XYZ"]
    stranger.platform.endpoints.filter(role="SENDER").delete()
    assert sync.sources(stranger.platform.pk) == []


# ----------------------------------------------------------------------------------------------- reports
def command(capsys, **options):
    call_command("pull", **options)
    return capsys.readouterr().out


def test_the_command_reports_as_json(cpo, capsys):
    cpo.lists["locations"] = [examples.location(id=1), examples.location(id="BAD", publish="yes")]
    report = json.loads(command(capsys, platform=cpo.platform.pk, module="locations", full=True, json=True))

    assert report == [
        {
            "platform": "ABC",
            "platform_id": cpo.platform.pk,
            "module": "locations",
            "party": "NL*ABC",
            "full": True,
            "state": "done",
            "error": None,
            "resume_at": None,
            "note": None,
            "pages": 1,
            "received": 2,
            "new": 1,
            "changed": 0,
            "unchanged": 0,
            "stale": 0,
            "refused": 1,
            "repaired": 1,
            "missing": 0,
            "repairs": {"number to text: anywhere": 1},
            "refusals": [
                {
                    "id": "NL*ABC/BAD",
                    "reason": "$.publish: neither true nor false, but text; leave out the quotes",
                }
            ],
        }
    ]


def test_the_command_reports_in_lines_and_names_ten_refusals(cpo, capsys):
    cpo.lists["locations"] = [examples.location(id=f"BAD{n}", publish="yes") for n in range(12)]
    lines = command(capsys, platform=cpo.platform.pk).splitlines()

    assert lines[0] == (
        f"locations of NL*ABC from ABC (#{cpo.platform.pk}) (full, done): 12 received, 0 new, 0 changed, "
        "0 unchanged, 0 older than ours, 0 repaired, 12 refused"
    )
    assert (
        lines[1] == "  refused NL*ABC/BAD0: $.publish: neither true nor false, but text; leave out the quotes"
    )
    assert lines[11] == "  and 2 more, all in the admin under Refused objects"


def pulled_again(capsys, partner, module):
    command(capsys, platform=partner.platform.pk, module=module, full=True)
    partner.lists[module] = partner.lists[module][1:]
    return command(capsys, platform=partner.platform.pk, module=module, full=True).splitlines()[1:]


def test_the_command_says_how_many_are_no_longer_listed(cpo, capsys):
    cpo.lists["locations"] = [examples.location(id=f"LOC{n}") for n in range(3)]

    assert pulled_again(capsys, cpo, "locations") == [
        "  no longer listed: 1, kept and marked as missing since; the pull plan says when others are told"
    ]
    assert Pull.objects.latest("pk").missing == 1


def test_the_command_says_that_a_list_is_not_believed(cpo, capsys):
    cpo.lists["locations"] = [examples.location(id=f"LOC{n}") for n in range(3)]
    command(capsys, platform=cpo.platform.pk, full=True)
    cpo.lists["locations"] = [examples.location(id="LOC1")]

    lines = command(capsys, platform=cpo.platform.pk, full=True).splitlines()

    assert lines[1].startswith(
        "  NL*ABC listed 1 of the 3 locations that were there: nothing of it counts as"
    )


def test_the_command_fails_when_a_list_was_not_read_to_its_end(cpo, capsys):
    cpo.answers.append(lambda request: httpx.Response(500))
    with pytest.raises(CommandError, match="could not be read to its end"):
        call_command("pull", platform=cpo.platform.pk)

    assert "  stopped: page 1: HTTP 500 without an OCPI envelope" in capsys.readouterr().out


def test_the_command_waits_as_long_as_the_partner_asks(cpo, capsys, monkeypatch):
    from ocpi_hub.exchange.management.commands import pull as module

    slept = []

    def sleep(seconds):
        slept.append(seconds)
        Pull.objects.update(resume_at=timezone.now() - timedelta(seconds=1))

    monkeypatch.setattr(module.time, "sleep", sleep)
    cpo.lists["locations"], cpo.page_size = locations(2), 1
    quota = [enveloped(status_code=2000, http_status=429, **{"Retry-After": "90"})]
    cpo.answers.append(lambda request: quota.pop() if quota and request.url.params.get("offset") else None)
    (report,) = json.loads(command(capsys, platform=cpo.platform.pk, json=True))

    assert (report["state"], report["received"]) == ("done", 2)
    assert len(slept) == 1
    assert 85 < slept[0] <= 90


@pytest.fixture
def clock_of_the_command(monkeypatch):
    """The seconds that it slept; meanwhile what was waited for has come."""
    from ocpi_hub.exchange.management.commands import pull as module

    slept = []

    def sleep(seconds):
        slept.append(seconds)
        Pull.objects.update(resume_at=timezone.now() - timedelta(seconds=1))

    monkeypatch.setattr(module.time, "sleep", sleep)
    return slept


@pytest.mark.parametrize("says", ["-5", "0", "soon", "99999999", "Sun, 01 Mar 2020 12:00:00 GMT"])
def test_the_command_does_not_wait_for_ever_for_a_partner_that_always_gets_too_much(
    cpo, capsys, clock_of_the_command, says
):
    cpo.answers.append(lambda request: enveloped(status_code=2000, http_status=429, **{"Retry-After": says}))

    with pytest.raises(CommandError, match="is not read to its end yet; workers go on with it"):
        call_command("pull", platform=cpo.platform.pk, module="locations", full=True)

    told = capsys.readouterr()
    row, plan = Pull.objects.get(), PullPlan.objects.get(module="locations")
    assert sum(clock_of_the_command) <= 120
    assert told.err.count(" is called again in ") == len(clock_of_the_command)
    assert (
        f"HTTP 429, 2000: no message: it is called again at {row.resume_at:%Y-%m-%d %H:%M:%S} UTC" in told.out
    )
    assert (row.state, plan.wanted) == ("WAITING", "ALL")

    calls = len(cpo.calls)
    pullplans.run(pullplans.claim(timezone.now()))
    plan.refresh_from_db()
    assert (len(cpo.calls), plan.not_before) == (calls, row.resume_at)


def test_how_long_the_command_waits_can_be_said(cpo, capsys, clock_of_the_command):
    cpo.lists["locations"] = locations(1)
    quota = [enveloped(status_code=2000, http_status=429, **{"Retry-After": "600"})]
    cpo.answers.append(lambda request: quota.pop() if quota else None)

    (report,) = json.loads(command(capsys, platform=cpo.platform.pk, module="locations", wait=700, json=True))

    assert (report["state"], round(sum(clock_of_the_command))) == ("done", 600)


def test_the_command_fails_when_there_is_nothing_to_pull(db):
    with pytest.raises(CommandError, match="no registered partner offers such a list"):
        call_command("pull")


def test_the_command_draws_a_bar_on_a_terminal(cpo, capsys, monkeypatch):
    from ocpi_hub.exchange.management.commands import pull as module

    class Terminal:
        written = ""

        def isatty(self):
            return True

        def write(self, text):
            self.written += text

        def flush(self):
            pass

    terminal = Terminal()
    monkeypatch.setattr(module.sys, "stderr", terminal)
    cpo.lists["locations"], cpo.page_size = locations(2), 1
    call_command("pull", platform=cpo.platform.pk, stderr=terminal)

    assert f"\rlocations of NL*ABC [{'#' * 15}{'.' * 15}] 1 of 2 " in terminal.written
    assert f"\rlocations of NL*ABC [{'#' * 30}] 2 of 2 " in terminal.written


def test_what_was_pulled_reaches_the_others(cpo, emsp, deliver):
    cpo.lists["locations"] = locations(2)
    pull(cpo)
    deliver()

    assert [(call.method, call.body["id"]) for call in emsp.received()] == [("PUT", "LOC0"), ("PUT", "LOC1")]
    assert outbox.expand() == set()


def test_a_list_of_what_cannot_be_objects_ends_the_pull_at_once(cpo):
    cpo.lists["locations"] = []
    cpo.answers.append(lambda request: enveloped([0] * 60_000))

    (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=True)

    assert (report.pull.state, report.pull.received) == ("FAILED", 0)
    assert report.pull.error == "page 1: the answer holds a list of what cannot be objects"


def test_a_list_of_nothing_but_refusals_ends_the_pull(cpo, monkeypatch, caplog):
    monkeypatch.setattr(sync, "MOST_REFUSED", 5)
    monkeypatch.setattr(sync, "MOST_LOGGED", 3)
    monkeypatch.setattr(sync, "CHUNK", 2)
    cpo.lists["locations"] = [{"id": f"BAD{number}"} for number in range(20)]

    (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=True)

    assert (report.pull.state, report.pull.refused) == ("FAILED", 6)
    assert report.pull.error.startswith("page 1: more than 5 objects are refused")
    assert RefusedObject.objects.count() == 6
    assert len([line for line in caplog.messages if "is refused" in line]) == 3


def test_a_list_that_does_not_end_is_left(cpo, monkeypatch):
    monkeypatch.setattr(sync, "MOST_PAGES", 3)
    cpo.page_size = 1
    cpo.lists["locations"] = [examples.location(id=f"LOC{number}") for number in range(9)]

    (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=True)

    assert (report.pull.state, report.pull.received) == ("FAILED", 3)
    assert report.pull.error == "page 3: the list does not end"
    assert Location.objects.count() == 3


def test_our_token_in_a_refused_object_is_masked_everywhere(cpo, caplog):
    ours = cpo.platform.token
    cpo.lists["locations"] = [examples.location(parking_type=ours)]

    (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=True)

    refused = RefusedObject.objects.get()
    assert "'***' is not one of" in refused.reason
    assert not [text for text in (refused.reason, refused.document, caplog.text, str(report)) if ours in text]


def test_a_pulled_time_far_ahead_does_not_block_what_comes_next(cpo):
    cpo.lists["locations"] = [examples.location(last_updated="2126-01-01T00:00:00Z")]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    cpo.lists["locations"] = [examples.location(last_updated="2026-03-02T08:00:00Z", name="Right")]

    (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=True)

    assert (report.pull.changed, report.pull.stale) == (1, 0)
    assert Location.objects.get().name == "Right"
