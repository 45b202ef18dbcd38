"""A pull that was cut off goes on where it stood, once, and knows what it had met before."""

from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from locations.models import Location
from ocpi_hub.exchange.models import Listed, Pull
from ocpi_hub.exchange.pulls import crawls, missing, partnerlists, sync
from tests import examples
from tests.partners import enveloped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_modules")]


def locations(*names):
    return [examples.location(id=name) for name in names]


def pull(partner, **options):
    (report,) = sync.pull_platform(partner.platform.pk, "locations", **options)
    return report.pull


def offsets(partner):
    return [httpx.URL(call.url).params.get("offset") for call in partner.calls]


class Killed(BaseException):
    """The end of the process, which no code hears of."""


def killed_at(partner, offset):
    """A full pull whose worker ends while this page is asked for, minutes ago."""

    def die(request):
        if request.url.params.get("offset") == offset:
            raise Killed

    partner.answers.append(die)
    with pytest.raises(Killed):
        pull(partner, full=True)
    partner.answers.remove(die)
    partner.calls.clear()
    left = Pull.objects.order_by("-pk")[0]
    assert left.state == "RUNNING"
    Pull.objects.filter(pk=left.pk).update(touched_at=timezone.now() - crawls.ABANDONED_AFTER - SECOND)
    return left


SECOND = timedelta(seconds=1)


def missing_ones():
    return sorted(Location.objects.exclude(missing_since=None).values_list("object_id", flat=True))


# ----------------------------------------------------------------------------------------------- a killed worker
def test_another_worker_goes_on_at_the_last_page(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C", "D", "E"), 1
    left = killed_at(cpo, "3")
    gone_on = pull(cpo, full=True)

    assert offsets(cpo) == ["3", "4"]
    assert (gone_on.pk, gone_on.state, gone_on.resumed) == (left.pk, "DONE", 1)
    assert (gone_on.pages, gone_on.received, gone_on.new) == (5, 5, 5)
    assert gone_on.started_at == left.started_at
    assert Location.objects.count() == 5


def test_what_was_met_before_the_end_of_the_worker_is_not_missing_and_what_was_not_is(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C", "D"), 1
    pull(cpo, full=True)
    cpo.lists["locations"] = locations("A", "B", "D")
    killed_at(cpo, "2")
    pull(cpo, full=True)

    assert missing_ones() == ["C"]
    assert Listed.objects.count() == 0


def test_what_was_refused_before_the_end_of_the_worker_is_not_missing(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C"), 1
    pull(cpo, full=True)
    cpo.lists["locations"][0]["publish"] = "yes"
    killed_at(cpo, "2")
    pull(cpo, full=True)

    assert missing_ones() == []


def test_a_list_that_got_shorter_meanwhile_is_read_again_from_so_much_earlier(cpo):
    """What slipped over the edge of a page while nobody was reading (PAG-13)."""
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C", "D", "E", "F"), 2
    killed_at(cpo, "4")
    cpo.lists["locations"] = locations("C", "D", "E", "F")
    pull(cpo, full=True)

    assert offsets(cpo) == ["4", "2"]
    assert sorted(Location.objects.values_list("object_id", flat=True)) == ["A", "B", "C", "D", "E", "F"]
    assert missing_ones() == []


@pytest.mark.parametrize(
    "refusal", [httpx.Response(404), httpx.Response(410), enveloped(status_code=2001, http_status=200)]
)
def test_it_begins_anew_when_the_page_where_it_stood_is_gone(cpo, refusal):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C", "D"), 1
    pull(cpo, full=True)
    left = killed_at(cpo, "3")
    cpo.lists["locations"] = locations("B", "C", "D")
    cpo.answers.append(lambda request: refusal if request.url.params.get("offset") == "3" else None)
    pull_again = pull(cpo, full=True)

    assert offsets(cpo) == ["3", None, "1", "2"]
    assert (pull_again.pk, pull_again.state, pull_again.received) == (left.pk, "DONE", 3)
    assert pull_again.started_at > left.started_at
    assert missing_ones() == ["A"]


def test_a_page_that_is_gone_in_the_middle_of_a_pull_ends_it(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B"), 1
    cpo.answers.append(
        lambda request: httpx.Response(404) if request.url.params.get("offset") == "1" else None
    )

    assert pull(cpo, full=True).state == "FAILED"
    assert offsets(cpo) == [None, "1"]


def test_a_token_that_is_not_taken_for_a_while_loses_no_place(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C"), 1
    killed_at(cpo, "2")
    cpo.answers.append(lambda request: httpx.Response(401))
    pull(cpo, full=True)
    cpo.answers.clear()
    cpo.calls.clear()

    assert pull(cpo, full=True).state == "DONE"
    assert offsets(cpo) == ["2"]


def test_a_worker_that_ends_behind_the_last_page_leaves_the_rest_to_another(cpo, monkeypatch):
    cpo.lists["locations"] = locations("A", "B", "C")
    pull(cpo, full=True)
    cpo.lists["locations"] = locations("A", "B")
    count = missing._count

    def die(*arguments):
        monkeypatch.setattr(missing, "_count", count)
        raise Killed

    monkeypatch.setattr(missing, "_count", die)
    with pytest.raises(Killed):
        pull(cpo, full=True)
    Pull.objects.update(touched_at=timezone.now() - crawls.ABANDONED_AFTER - SECOND)
    cpo.calls.clear()

    assert pull(cpo, full=True).state == "DONE"
    assert cpo.calls == []
    assert missing_ones() == ["C"]


def test_one_that_was_counted_before_the_end_of_its_worker_is_not_counted_again(cpo):
    cpo.lists["locations"] = locations("A", "B")
    pull(cpo, full=True)
    cpo.lists["locations"] = locations("A")
    row = pull(cpo, full=True)
    Location.objects.update(changed_at=row.started_at - SECOND)
    Pull.objects.filter(pk=row.pk).update(
        state="RUNNING", counted=True, touched_at=timezone.now() - crawls.ABANDONED_AFTER - SECOND
    )
    crawls.note_listed(row, [Location.objects.get(key="A").pk])
    pull(cpo, full=True)

    assert Location.objects.get(key="B").missed_pulls == 1


# -------------------------------------------------------------------------------------------- two at once
def test_whoever_was_taken_over_stores_nothing_more(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C"), 1

    def take_over(request):
        if request.url.params.get("offset") == "1":
            cpo.answers.remove(take_over)
            Pull.objects.update(touched_at=timezone.now() - crawls.ABANDONED_AFTER - SECOND)
            other = pull(cpo, full=True)
            assert (other.state, other.received) == ("DONE", 3)
            Location.objects.all().delete()

    cpo.answers.append(take_over)
    late = pull(cpo, full=True)

    assert (late.state, late.error) == ("FAILED", "page 2: it took so long that another pull took over")
    assert Location.objects.count() == 0
    assert [row.state for row in Pull.objects.all()] == ["DONE"]


def test_whoever_lost_a_pull_that_another_one_is_reading_stores_nothing_more(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C"), 1

    def take_over(request):
        if request.url.params.get("offset") == "1":
            Pull.objects.update(holder="another")

    cpo.answers.append(take_over)
    late = pull(cpo, full=True)

    assert (late.state, late.error) == ("FAILED", "page 2: it took so long that another pull took over")
    assert list(Location.objects.values_list("object_id", flat=True)) == ["A"]
    row = Pull.objects.get()
    assert (row.state, row.holder, row.pages) == ("RUNNING", "another", 1)


def test_one_that_lives_is_not_taken_over(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C"), 1
    left = killed_at(cpo, "2")
    Pull.objects.update(touched_at=timezone.now())

    busy = pull(cpo, full=True)

    assert (busy.pk, busy.state, busy.error) == (None, "FAILED", "the same list is being pulled already")
    assert cpo.calls == []
    assert Pull.objects.get().pk == left.pk


# ------------------------------------------------------------------------------------------------ what goes on
def test_a_page_that_fails_for_a_while_is_where_the_next_pull_goes_on(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C"), 1
    broken = [httpx.Response(502)]
    cpo.answers.append(
        lambda request: broken.pop() if broken and request.url.params.get("offset") == "2" else None
    )
    failed = pull(cpo, full=True)
    done = pull(cpo, full=True)

    assert (failed.state, failed.error) == ("FAILED", "page 3: HTTP 502 without an OCPI envelope")
    assert offsets(cpo) == [None, "1", "2", "2"]
    assert (done.pk, done.state, done.error, done.received) == (failed.pk, "DONE", "", 3)


def test_a_page_that_fails_each_time_is_left_after_some_tries(cpo, monkeypatch):
    monkeypatch.setattr(crawls, "MOST_RESUMED", 2)
    cpo.lists["locations"], cpo.page_size = locations("A", "B"), 1
    cpo.answers.append(
        lambda request: httpx.Response(502) if request.url.params.get("offset") == "1" else None
    )
    for _ in range(4):
        pull(cpo, full=True)

    assert offsets(cpo) == [None, "1", "1", "1", None, "1"]
    assert [(row.state, row.resumed) for row in Pull.objects.order_by("id")] == [("FAILED", 2), ("FAILED", 0)]


def test_what_will_not_get_better_begins_anew(cpo):
    cpo.answers.append(lambda request: enveloped(locations("A"), Link='<http://[x>; rel="next"'))
    pull(cpo, full=True)
    pull(cpo, full=True)

    assert [row.error for row in Pull.objects.all()] == ["page 1: its Link is no URL"] * 2
    assert Listed.objects.count() == 0


def test_a_full_pull_does_not_go_on_with_an_incremental_one(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B"), 1
    pull(cpo, full=True)
    broken = [httpx.Response(502)]
    cpo.answers.append(
        lambda request: broken.pop() if broken and request.url.params.get("offset") == "1" else None
    )
    cut_off = pull(cpo)
    full = pull(cpo, full=True)

    assert (cut_off.full, cut_off.state) == (False, "FAILED")
    assert (full.full, full.state, full.received) == (True, "DONE", 2)


def test_an_incremental_one_goes_on_with_a_full_one_and_with_one_that_began_no_later(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B"), 1
    first = pull(cpo, full=True)
    broken = [httpx.Response(502)] * 2
    cpo.answers.append(
        lambda request: broken.pop() if broken and request.url.params.get("offset") == "1" else None
    )
    cut_off = pull(cpo)
    again = pull(cpo, since=first.started_at - timedelta(days=1))

    assert again.pk != cut_off.pk
    assert again.date_from < cut_off.date_from
    assert pull(cpo).pk == again.pk


def test_what_was_cut_off_a_day_ago_begins_anew(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B"), 1
    left = killed_at(cpo, "1")
    Pull.objects.update(started_at=timezone.now() - crawls.RESUMED_WITHIN)

    fresh = pull(cpo, full=True)

    left.refresh_from_db()
    assert (left.state, left.error, left.next_url) == ("FAILED", "the process that ran it ended", "")
    assert fresh.pk != left.pk
    assert offsets(cpo) == [None, "1"]


def test_after_a_new_registration_nothing_goes_on_at_the_old_address(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B"), 1
    killed_at(cpo, "1")
    crawls.give_up(cpo.platform, timezone.now())
    pull(cpo, full=True)

    assert offsets(cpo) == [None, "1"]


# --------------------------------------------------------------------------------------------------- the quota
def too_many(**headers):
    return enveloped(status_code=2000, http_status=429, **headers)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "120"}, 120),
        ({}, partnerlists.UNTOLD_WAIT.total_seconds()),
        ({"Retry-After": "0"}, partnerlists.SHORTEST_WAIT.total_seconds()),
        ({"Retry-After": "9999999"}, partnerlists.LONGEST_WAIT.total_seconds()),
        ({"Retry-After": "soon"}, partnerlists.UNTOLD_WAIT.total_seconds()),
        ({"Retry-After": ""}, partnerlists.UNTOLD_WAIT.total_seconds()),
        ({"Retry-After": "1e9"}, partnerlists.UNTOLD_WAIT.total_seconds()),
        ({"Retry-After": b"\xd9\xa3\xd9\xa0"}, partnerlists.UNTOLD_WAIT.total_seconds()),
        ({"Retry-After": "-5"}, partnerlists.SHORTEST_WAIT.total_seconds()),
        ({"Retry-After": "Sun, 01 Mar 2020 12:00:00 GMT"}, partnerlists.SHORTEST_WAIT.total_seconds()),
        ({"Retry-After": "Sun, 01 Mar 2099 12:00:00 GMT"}, partnerlists.LONGEST_WAIT.total_seconds()),
    ],
)
def test_a_partner_that_is_called_too_often_is_left_alone_so_long(cpo, headers, wait):
    cpo.lists["locations"], cpo.page_size = locations("A", "B"), 1
    cpo.answers.append(lambda request: too_many(**headers) if request.url.params.get("offset") else None)
    before = timezone.now()
    waiting = pull(cpo, full=True)

    assert (waiting.state, waiting.error) == ("WAITING", "page 2: HTTP 429, 2000: no message")
    waited = (waiting.resume_at - before).total_seconds()
    assert wait <= waited < wait + 5
    calls = len(cpo.calls)
    assert pull(cpo, full=True).state == "WAITING"
    assert len(cpo.calls) == calls


@pytest.mark.parametrize(
    ("says", "waits"),
    [
        ("-5", [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]),
        ("0", [1, 2, 4, 8]),
        ("5", [5, 5, 5, 8, 16]),
    ],
)
def test_a_partner_that_says_come_back_at_once_and_never_answers_is_called_less_and_less(cpo, says, waits):
    cpo.answers.append(lambda request: too_many(**{"Retry-After": says}))
    pull(cpo, full=True)
    waited = []
    for _ in waits:
        row = Pull.objects.get()
        waited.append(round((row.resume_at - timezone.now()).total_seconds()))
        Pull.objects.update(resume_at=timezone.now() - timedelta(seconds=1))
        pull(cpo, full=True)

    assert waited == waits
    assert len(cpo.calls) == len(waits) + 1


def test_a_page_in_between_is_progress(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C"), 1
    slow = iter([None, too_many(**{"Retry-After": "0"}), too_many(**{"Retry-After": "0"}), None])
    cpo.answers.append(lambda request: next(slow, too_many(**{"Retry-After": "0"})))
    waited = []
    for _ in range(3):
        before = timezone.now()
        row = pull(cpo, full=True)
        waited.append(round((row.resume_at - before).total_seconds()))
        Pull.objects.update(resume_at=before - timedelta(seconds=1))

    assert (row.pages, waited) == (2, [1, 2, 1])


@pytest.mark.parametrize(("headers", "state"), [({"Retry-After": "5"}, "WAITING"), ({}, "FAILED")])
def test_a_partner_that_is_down_for_a_time_that_it_names_is_waited_for(cpo, headers, state):
    cpo.answers.append(lambda request: httpx.Response(503, headers=headers))

    assert pull(cpo, full=True).state == state


def test_when_the_time_has_come_it_goes_on_where_it_was_asked_to_wait(cpo):
    cpo.lists["locations"], cpo.page_size = locations("A", "B", "C"), 1
    quota = [too_many(), too_many()]
    cpo.answers.append(lambda request: quota.pop() if quota and request.url.params.get("offset") else None)
    now = timezone.now()
    states = [pull(cpo, full=True, now=now + timedelta(hours=2 * n)) for n in range(3)]

    assert [row.state for row in states] == ["WAITING", "WAITING", "DONE"]
    assert len({row.pk for row in states}) == 1
    assert (states[-1].received, states[-1].resumed, states[-1].error) == (3, 0, "")
    assert offsets(cpo) == [None, "1", "1", "1", "2"]


def test_the_wait_ends_after_a_day(cpo):
    cpo.answers.append(lambda request: too_many())
    now = timezone.now()
    first = pull(cpo, full=True, now=now)
    second = pull(cpo, full=True, now=now + crawls.RESUMED_WITHIN)

    first.refresh_from_db()
    assert (first.state, first.error) == ("FAILED", "it was cut off, and the list was read anew")
    assert second.pk != first.pk
