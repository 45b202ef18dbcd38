"""What becomes of a charger that its owner no longer lists, day by day, and how it comes back (P69, LOC-10)."""

import json
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from locations.models import EVSE, Location
from ocpi_hub.exchange.models import Delivery, Message, Pull, PullPlan, RefusedObject
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.protocol.envelope import format_time, parse_time
from tests import examples
from tests.partners import enveloped
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_modules")]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGINNING = timezone.now().replace(hour=2, minute=0, second=0, microsecond=0) - 30 * DAY
OLD = "2026-03-01T08:00:00Z"
AT_MSP = "/receiver/locations/NL/ABC/GONE"
AT_HUB = "receiver/locations/NL/ABC/GONE"


@pytest.fixture
def plan(cpo):
    return PullPlan.objects.create(
        platform=cpo.platform, module="locations", unknown_after=2, removed_after=4
    )


@pytest.fixture
def nights(cpo, emsp, deliver, plan):
    """The nightly full pull, night after night; each with what the provider gets."""
    number = iter(range(100))

    def night(*listed):
        """The objects that are listed, beside two that always are."""
        cpo.lists["locations"] = [gone(id="STAYS"), gone(id="TOO"), *listed]
        now = BEGINNING + next(number) * DAY
        (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=True, now=now)
        assert report.pull.state == "DONE"
        # In the test all nights are one; the database is to see each at its time.
        Location.objects.update(changed_at=now + HOUR, created_at=BEGINNING)
        emsp.calls.clear()
        deliver()
        return [call.body for call in emsp.received() if call.path == AT_MSP]

    night(gone())
    return night


def gone(**changes):
    evses = [
        examples.evse(uid="E1"),
        examples.evse(uid="E2", status="CHARGING"),
        examples.evse(uid="E3", status="REMOVED"),
    ]
    return examples.location(**{"id": "GONE", "evses": evses} | changes)


def row():
    return Location.objects.get(key="GONE")


def statuses(document=None):
    document = json.loads(row().document) if document is None else document
    return [evse["status"] for evse in document["evses"]]


OF_ITS_OWNER = ["AVAILABLE", "CHARGING", "REMOVED"]
UNKNOWN = ["UNKNOWN", "UNKNOWN", "REMOVED"]
REMOVED = ["REMOVED", "REMOVED", "REMOVED"]


# ------------------------------------------------------------------------------------------------- day by day
def test_a_vanished_charger_is_unknown_after_so_many_full_pulls_and_removed_after_more(nights):
    told = [nights() for _ in range(6)]

    assert [[statuses(body) for body in bodies] for bodies in told] == [[], [UNKNOWN], [], [REMOVED], [], []]
    at = [None, BEGINNING + 2 * DAY, None, BEGINNING + 4 * DAY]
    for night in (1, 3):
        (body,) = told[night]
        assert body["last_updated"] == body["evses"][0]["last_updated"] == format_time(at[night])
        assert body["evses"][2] == gone()["evses"][2]
        assert {name for name in body if body[name] != gone()[name]} == {"evses", "last_updated"}
    found = row()
    assert (found.missed_pulls, found.vanished, found.missing_since) == (6, "REMOVED", BEGINNING + DAY)
    assert json.loads(found.owners_document) == gone()
    assert Location.objects.filter(vanished="").count() == 2


def test_the_search_for_chargers_follows(nights):
    nights(), nights()

    assert sorted(EVSE.objects.filter(location=row()).values_list("uid", "status")) == [
        ("E1", "UNKNOWN"), ("E2", "UNKNOWN"), ("E3", "REMOVED"),
    ]  # fmt: skip


def test_who_reads_the_list_of_the_hub_finds_it_by_the_time_of_the_marking(nights, emsp):
    nights(), nights()
    since = format_time(BEGINNING + 2 * DAY - HOUR)

    (found,) = emsp.get(f"sender/locations?date_from={since}").data
    assert (found["id"], statuses(found)) == ("GONE", UNKNOWN)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"unknown_after": None, "removed_after": None}, {}),
        ({"unknown_after": 1, "removed_after": None}, {0: UNKNOWN}),
        ({"unknown_after": None, "removed_after": 2}, {1: REMOVED}),
        ({"unknown_after": 1, "removed_after": 2}, {0: UNKNOWN, 1: REMOVED}),
    ],
)
def test_the_policy_is_the_plans(nights, plan, policy, told):
    PullPlan.objects.update(**policy)
    found = [nights() for _ in range(4)]

    assert {night: statuses(bodies[0]) for night, bodies in enumerate(found) if bodies} == told
    assert sum(map(len, found)) == len(told)
    assert row().missed_pulls == 4


def test_without_a_plan_it_is_marked_as_missing_and_nothing_more(nights, plan):
    plan.delete()

    assert [nights() for _ in range(5)] == [[]] * 5
    assert (row().vanished, row().missing_since) == ("", BEGINNING + DAY)


def test_full_pulls_in_quick_succession_count_as_one(nights, cpo):
    nights()
    Location.objects.update(changed_at=BEGINNING)
    counts = []
    for hours in (1, 11, 12, 13, 24):
        sync.pull_platform(cpo.platform.pk, "locations", full=True, now=BEGINNING + DAY + hours * HOUR)
        counts.append(row().missed_pulls)
        Location.objects.update(changed_at=BEGINNING)

    assert counts == [1, 1, 2, 2, 3]


def test_an_incremental_or_a_failed_pull_counts_for_nothing(nights, cpo):
    nights()
    at = BEGINNING + 2 * DAY
    sync.pull_platform(cpo.platform.pk, "locations", now=at)
    cpo.page_size = 1
    cpo.answers.append(lambda request: httpx.Response(500) if "offset=1" in str(request.url) else None)
    sync.pull_platform(cpo.platform.pk, "locations", full=True, now=at)

    assert Pull.objects.order_by("-pk")[0].state == "FAILED"
    assert (row().missed_pulls, row().vanished) == (1, "")


def test_a_charger_without_evses_is_only_marked_as_missing(nights):
    nights(gone(evses=None, last_updated="2026-03-02T08:00:00Z"))

    assert [nights() for _ in range(3)] == [[]] * 3
    assert json.loads(row().document)["id"] == "GONE"


def test_what_may_be_kept_only_is_kept(emsp, plan):
    PullPlan.objects.update(platform=emsp.platform, module="tokens", unknown_after=1)
    emsp.lists["tokens"] = [examples.token(uid="A"), examples.token(uid="B")]
    for number in range(3):
        now = BEGINNING + number * DAY
        sync.pull_platform(emsp.platform.pk, "tokens", full=True, now=now)
        Token.objects.update(changed_at=now + HOUR)
        emsp.lists["tokens"] = [examples.token(uid="A")]

    kept = Token.objects.get(key="B")
    assert (kept.missed_pulls, kept.vanished, json.loads(kept.document)) == (2, "", examples.token(uid="B"))


# ------------------------------------------------------------------------------------------------- the return
@pytest.mark.parametrize("absent", [1, 2, 5])
def test_what_is_listed_again_is_its_owners_version_again_for_everybody(nights, absent):
    """Though its owner's time is that of long before, receivers get a later one: they take what is newer."""
    for _ in range(absent):
        nights()
    marked = row().last_updated
    bodies = nights(gone())

    found = row()
    assert (found.vanished, found.missed_pulls, found.missing_since, found.owners_document) == (
        "",
        0,
        None,
        None,
    )
    assert statuses() == OF_ITS_OWNER
    assert [statuses(body) for body in bodies] == ([] if absent == 1 else [OF_ITS_OWNER])
    for body in bodies:
        assert body == json.loads(found.document)
        assert parse_time(body["last_updated"]) > marked
        assert parse_time(body["evses"][0]["last_updated"]) > marked
        assert body["evses"][0]["connectors"] == gone()["evses"][0]["connectors"]


def test_after_its_return_it_is_unchanged_until_its_owner_changes_it(nights):
    nights(), nights(), nights(gone())
    assert [nights(gone()), nights(gone(last_updated=format_time(BEGINNING)))] == [[], []]

    (body,) = nights(gone(name="New", last_updated="2026-03-02T08:00:00Z"))
    assert body["name"] == "New"
    assert row().last_updated > BEGINNING + 6 * DAY


def test_the_owner_may_be_later_than_the_hub(nights):
    nights(), nights()
    newest = format_time(timezone.now())

    (body,) = nights(gone(last_updated=newest))
    assert (body["last_updated"], body["evses"][0]["last_updated"]) == (newest, newest)
    assert row().owners_update is None


def test_it_vanishes_again_as_if_for_the_first_time(nights):
    nights(), nights(), nights(gone())
    told = [nights() for _ in range(4)]

    assert [[statuses(body) for body in bodies] for bodies in told] == [[], [UNKNOWN], [], [REMOVED]]
    assert statuses(json.loads(row().owners_document)) == OF_ITS_OWNER


def test_a_list_that_is_older_than_the_last_push_brings_back_what_was_pushed(nights, cpo):
    cpo.put(AT_HUB, gone(name="Pushed", last_updated="2026-03-03T08:00:00Z"))
    Location.objects.update(changed_at=BEGINNING)
    nights(), nights()
    assert statuses() == UNKNOWN

    (body,) = nights(gone())
    assert (body["name"], statuses(body)) == ("Pushed", OF_ITS_OWNER)


def pushed_to(emsp, deliver):
    emsp.calls.clear()
    deliver()
    return [(call.method, call.path, call.body) for call in emsp.received()]


@pytest.mark.parametrize("time", ["2026-03-01T08:00:00Z", "2026-03-05T08:00:00Z", "now"])
def test_a_push_brings_it_back_however_old_its_time_is(nights, cpo, emsp, deliver, time):
    nights(), nights()
    marked = row().last_updated
    time = format_time(timezone.now()) if time == "now" else time
    answered = cpo.put(AT_HUB, gone(name="Pushed", last_updated=time))

    assert answered.codes == (200, 1000)
    assert answered.message == ""
    ((method, path, body),) = pushed_to(emsp, deliver)
    assert (method, path, body["name"], statuses(body)) == ("PUT", AT_MSP, "Pushed", OF_ITS_OWNER)
    assert parse_time(body["last_updated"]) > marked
    found = row()
    assert (found.vanished, found.missed_pulls, found.missing_since, found.owners_document) == (
        "",
        0,
        None,
        None,
    )
    assert json.loads(found.document) == body


def test_a_push_that_is_older_than_its_owners_version_brings_nothing_back(nights, cpo, emsp, deliver):
    nights(), nights()
    answered = cpo.put(AT_HUB, gone(name="Late", last_updated="2026-02-01T08:00:00Z"))

    assert answered.message == "accepted, but not stored: last_updated is older than that of what the hub has"
    assert pushed_to(emsp, deliver) == []
    assert (statuses(), row().vanished) == (UNKNOWN, "UNKNOWN")


@pytest.mark.parametrize("time", ["2026-03-05T08:00:00Z", "now"])
@pytest.mark.parametrize("part", ["", "/E1"])
def test_a_change_of_a_part_brings_back_all_of_it(nights, cpo, emsp, deliver, part, time):
    nights(), nights()
    marked = row().last_updated
    time = format_time(timezone.now()) if time == "now" else time
    change = {"status": "BLOCKED"} if part else {"name": "Patched"}
    assert cpo.patch(AT_HUB + part, change | {"last_updated": time}).codes == (200, 1000)

    ((method, path, body),) = pushed_to(emsp, deliver)
    assert (method, path) == ("PUT", AT_MSP)
    assert statuses(body) == (["BLOCKED", "CHARGING", "REMOVED"] if part else OF_ITS_OWNER)
    assert body.get("name") == (None if part else "Patched")
    assert parse_time(body["last_updated"]) > marked
    assert all(parse_time(evse["last_updated"]) > marked for evse in body["evses"])
    assert (row().vanished, row().missing_since, json.loads(row().document)) == ("", None, body)
    assert sorted(EVSE.objects.filter(location=row()).values_list("status", flat=True)) == sorted(
        statuses(body)
    )


def test_after_a_return_with_an_old_time_the_owners_next_changes_count_by_the_owners_time(
    nights, cpo, emsp, deliver
):
    nights(), nights()
    cpo.put(AT_HUB, gone(last_updated="2026-03-03T08:00:00Z"))
    returned = row().last_updated

    late = cpo.patch(f"{AT_HUB}/E1", {"status": "INOPERATIVE", "last_updated": "2026-03-02T08:00:00Z"})
    next_one = cpo.patch(f"{AT_HUB}/E1", {"status": "BLOCKED", "last_updated": "2026-03-04T08:00:00Z"})

    assert late.message.startswith("accepted, but not stored")
    assert next_one.message == ""
    ((_, _, body),) = pushed_to(emsp, deliver)
    assert statuses(body) == ["BLOCKED", "CHARGING", "REMOVED"]
    assert parse_time(body["last_updated"]) > returned


# ------------------------------------------------------------------------------------ a list that is not believed
def some(count):
    return [examples.location(id=f"LOC{number}") for number in range(count)]


def full(cpo, count, night, **more):
    return full_of(cpo, some(count), night, **more)


def full_of(cpo, listed, night, **more):
    cpo.lists["locations"] = listed
    now = BEGINNING + night * DAY
    (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=True, now=now, **more)
    Location.objects.update(changed_at=now + HOUR, created_at=BEGINNING - DAY)
    return report.pull


def missing():
    return Location.objects.exclude(missing_since=None).count()


@pytest.mark.parametrize(("listed", "gone"), [(5, 5), (4, 0), (0, 0)])
def test_a_list_of_less_than_half_of_what_was_there_is_not_believed(cpo, plan, listed, gone):
    full(cpo, 10, 0)
    found = full(cpo, listed, 1)

    assert missing() == gone
    told = (
        f"NL*ABC listed {listed} of the 10 locations that were there: nothing of it counts as vanished, in case its "
        "server is at fault. If the list is right, let the hub believe the next full pull."
    )
    assert (found.state, found.note) == ("DONE", "" if gone else told)


def test_a_list_that_tells_of_more_than_it_gives_is_not_believed(cpo, plan):
    full(cpo, 10, 0)
    cpo.answers.append(
        lambda request: enveloped(
            [examples.location(id=f"LOC{n}") for n in range(6)], **{"X-Total-Count": "10"}
        )
    )
    found = full(cpo, 6, 1)

    assert missing() == 0
    assert found.note == (
        "NL*ABC listed 6 locations and told of 10 (X-Total-Count): nothing of it counts as vanished, in case its "
        "server is at fault. If the list is right, let the hub believe the next full pull."
    )


def without_offsets(cpo, pages):
    """A server that gives its first page whatever it is asked for."""

    def answer(request):
        offset = int(request.url.params.get("offset", 0))
        headers = {"X-Total-Count": str(len(cpo.lists["locations"]))}
        if offset < 2 * (pages - 1):
            headers["Link"] = f'<{request.url.copy_set_param("offset", offset + 2)}>; rel="next"'
        return enveloped(cpo.lists["locations"][:2], **headers)

    cpo.answers.append(answer)


def test_a_list_that_gives_the_same_page_again_and_again_is_not_believed(cpo, plan):
    full(cpo, 4, 0)
    without_offsets(cpo, pages=2)
    found = full(cpo, 4, 1)

    assert (found.received, missing()) == (4, 0)
    assert found.note == (
        "NL*ABC listed 2 different locations on 2 pages, some twice, and told of 4 (X-Total-Count): nothing of it "
        "counts as vanished, in case its server is at fault. If the list is right, let the hub believe the next full "
        "pull."
    )


def test_what_is_twice_in_a_list_of_one_page_takes_no_place_of_another(cpo, plan):
    full(cpo, 4, 0)
    found = full_of(cpo, [*some(3), *some(1)], 1)

    assert (found.note, missing()) == ("", 1)


def test_what_is_refused_on_one_of_several_pages_counts_as_different(cpo, plan):
    cpo.page_size = 2
    full(cpo, 4, 0)
    found = full_of(cpo, [*some(3), examples.location(id="LOC9", publish="yes")], 1)

    assert (found.pages, found.refused, found.note, missing()) == (2, 1, "", 1)


@pytest.mark.parametrize("beyond", [10**40, "\x00"], ids=["digits", "NUL"])
def test_what_is_listed_and_beyond_our_limits_has_not_vanished(cpo, plan, beyond):
    full(cpo, 4, 0)
    found = full_of(cpo, [*some(3), examples.location(id="LOC3", note=beyond)], 1)

    assert (found.state, found.refused, missing()) == ("DONE", 1, 0)


def test_what_is_beyond_our_limits_is_refused_under_its_name(cpo, plan):
    full_of(cpo, [*some(3), examples.location(id="LOC3", note=10**40)], 0)

    refused = RefusedObject.objects.get()
    assert (refused.object_key, refused.reason) == (
        "NL*ABC/LOC3",
        "$.note: number of more than 30 digits",
    )


@pytest.mark.parametrize("object_id", [None, ["LOC3"], {}])
def test_while_one_is_listed_whose_id_cannot_be_read_nothing_vanishes(cpo, plan, object_id):
    full(cpo, 4, 0)
    found = full_of(cpo, [*some(3), examples.location(id=object_id)], 1)

    assert missing() == 0
    assert found.note == (
        "NL*ABC listed locations whose id cannot be read, and any of those that seem to lack may be one: nothing of "
        "it counts as vanished, in case its server is at fault. If the list is right, let the hub believe the next "
        "full pull."
    )


def test_what_is_no_object_stands_for_none(cpo, plan):
    full(cpo, 4, 0)
    found = full_of(cpo, [*some(3), None], 1)

    assert (found.refused, found.note, missing()) == (1, "", 1)


def test_an_empty_list_night_after_night_makes_no_network_vanish(cpo, plan):
    full(cpo, 10, 0)
    for night in range(1, 8):
        full(cpo, 0, night)

    assert missing() == 0
    assert Location.objects.exclude(missed_pulls=0).count() == 0


def test_the_operator_has_the_next_one_believed_and_no_other(cpo, plan):
    full(cpo, 10, 0)
    PullPlan.objects.update(believes_next=True)
    full(cpo, 2, 1)
    assert missing() == 8
    assert PullPlan.objects.get().believes_next is False

    full(cpo, 0, 2)
    assert missing() == 8


def test_how_much_is_believed_is_a_setting(cpo, plan, settings):
    settings.HUB_PULL_LEAST = 10
    full(cpo, 10, 0)
    full(cpo, 1, 1)

    assert missing() == 9


def test_what_vanished_before_is_not_asked_for_again(cpo, plan):
    for night, listed in enumerate((10, 6, 4, 2, 1)):
        full(cpo, listed, night)

    assert missing() == 9


def test_one_owner_of_several_on_a_platform_is_doubted_alone(cpo, plan):
    cpo.platform.parties.create(country_code="NL", party_id="TWO", roles=["CPO"])
    of = {
        party: [examples.location(party_id=party, id=f"{party}{n}") for n in range(4)]
        for party in ("ABC", "TWO")
    }
    for night, kept in enumerate((4, 1)):
        cpo.lists["locations"] = of["ABC"][: 3 + (night == 0)] + of["TWO"][:kept]
        now = BEGINNING + night * DAY
        sync.pull_platform(cpo.platform.pk, "locations", full=True, now=now)
        Location.objects.update(changed_at=now + HOUR, created_at=BEGINNING - DAY)

    assert list(Location.objects.exclude(missing_since=None).values_list("key", flat=True)) == ["ABC3"]


# ---------------------------------------------------------------------------------------------- nothing changed
def restamped(number, moment):
    """The same at every level but for last_updated."""
    connector = examples.location()["evses"][0]["connectors"][0] | {"last_updated": moment}
    evse = examples.evse(last_updated=moment, connectors=[connector])
    return examples.location(id=f"LOC{number}", evses=[evse], last_updated=moment)


def test_objects_that_are_listed_with_new_times_alone_cause_nothing(cpo, emsp, deliver):
    """Some partners stamp all they have each night. `make bench` does the same with 50,000."""
    cpo.page_size = 200
    cpo.lists["locations"] = [restamped(number, OLD) for number in range(500)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    deliver()
    emsp.calls.clear()
    Message.objects.all().update(expanded_at=timezone.now())
    before = list(Location.objects.order_by("id").values())
    messages, deliveries = Message.objects.count(), Delivery.objects.count()

    cpo.lists["locations"] = [restamped(number, "2026-03-05T08:00:00Z") for number in range(500)]
    (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=True)
    deliver()

    assert (report.pull.received, report.pull.unchanged, report.pull.changed) == (500, 500, 0)
    assert (Message.objects.count(), Delivery.objects.count(), emsp.calls) == (messages, deliveries, [])
    assert list(Location.objects.order_by("id").values()) == before


def test_a_push_with_a_new_time_alone_is_a_statement_of_its_owner_and_goes_on(cpo, emsp, deliver):
    cpo.put(AT_HUB, gone())
    deliver()
    cpo.put(AT_HUB, gone(last_updated="2026-03-05T08:00:00Z"))

    assert pushed_to(emsp, deliver) == [("PUT", AT_MSP, gone(last_updated="2026-03-05T08:00:00Z"))]


def test_an_evse_that_its_location_is_listed_without_is_gone_by_its_owners_word(nights):
    """The Location is listed as complete: receivers get it without the EVSE, the hub keeps it as retired (P78)."""
    smaller = gone(evses=gone()["evses"][1:], last_updated="2026-03-02T08:00:00Z")

    assert nights(smaller) == [smaller]
    assert EVSE.objects.get(location=row(), uid="E1").retired_at is not None


def test_a_list_that_says_too_little_of_a_vanished_one_leaves_it(nights, cpo):
    nights(), nights()
    broken = gone(evses="none")

    assert nights(broken) == []
    assert (statuses(), row().missed_pulls) == (UNKNOWN, 2)
