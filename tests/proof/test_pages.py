"""The operator's pages of the proof, and the command."""

import json
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from ocpi_hub import commandline
from ocpi_hub.exchange.models import DeadLetterAction, Delivery
from ocpi_hub.proof import gaps, runs
from ocpi_hub.proof.models import Asking, Gap, Reconciliation, Run
from tests import examples
from tests.partners import enveloped
from tests.proof.conftest import no_pause, open_gaps

IDS = [f"CDR{number}" for number in range(1, 13)]


@pytest.fixture
def operator(db):
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


@pytest.fixture
def lost(emsp, held, send_cdrs, reconcile):
    """CDR2 and CDR5 are gone at the provider, and found missing."""
    send_cdrs(*IDS)
    del held["/kept/CDR2"], held["/kept/CDR5"]
    reconcile(emsp)


def post(client, model, action, rows, **more):
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post(f"/admin/proof/{model}/", data, follow=True)


def page(client, path):
    response = client.get(f"/admin/proof/{path}")
    assert response.status_code == 200
    return response.content.decode()


# --------------------------------------------------------------------------------------------------- pages
def test_the_days_are_listed_with_their_counts_and_lead_to_the_gaps(operator, emsp, lost):
    text = page(operator, "reconciliation/")

    assert "10 of 12" in text
    day = Reconciliation.objects.get(module="cdrs").day
    link = f"gap/?platform__id__exact={emsp.platform.pk}&amp;module=cdrs&amp;day={day}&amp;state=unfilled"
    assert link in text
    assert "2 gaps" in page(operator, link.replace("&amp;", "&"))


def test_only_days_with_open_gaps_are_listed_when_that_is_asked_for(operator, emsp, lost):
    assert "1 reconciliation" in page(operator, "reconciliation/?open=yes")
    gaps.waive(Gap.objects.all(), "so be it", timezone.now())

    assert "0 reconciliations" in page(operator, "reconciliation/?open=yes")


def test_a_gap_says_what_it_means_and_who_must_act(operator, emsp, lost):
    text = page(operator, f"gap/{Gap.objects.first().pk}/change/")

    assert "The partner acknowledged it, and now says that it has no such object." in text
    assert "ask the partner" in text
    assert "it answered HTTP 404" in text


def test_every_kind_has_a_meaning():
    assert set(gaps.MEANINGS) == set(Gap.Kind)


def test_the_list_of_gaps_shows_what_is_unfilled_unless_asked(operator, emsp, lost):
    gaps.waive(Gap.objects.filter(path="NL/ABC/CDR2"), "so be it", timezone.now())

    assert "CDR2" not in page(operator, "gap/")
    assert "CDR2" in page(operator, "gap/?state=WAIVED")
    assert "CDR2" in page(operator, "gap/?state=all")


def test_chosen_gaps_are_filled_by_one_click_and_noted(operator, emsp, held, lost, deliver):
    (gap,) = Gap.objects.filter(path="NL/ABC/CDR5")

    text = post(operator, "gap", "fill", [gap]).content.decode()
    deliver()
    gaps.close_filled()

    assert "1 delivery waits for its turn" in text
    assert open_gaps(emsp) == {"cdrs/NL/ABC/CDR2": "LOST"}
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(gap.pk), "filled by hand")


def test_all_gaps_of_a_day_are_filled_after_a_question(operator, emsp, held, lost, deliver):
    rows = Reconciliation.objects.filter(module="cdrs")

    asked = post(operator, "reconciliation", "fill_all", rows).content.decode()
    assert "2 of 2 open gaps are filled" in asked
    assert set(Gap.objects.values_list("state", flat=True)) == {"OPEN"}
    post(operator, "reconciliation", "fill_all", rows, confirmed="yes")
    deliver()
    gaps.close_filled()

    assert open_gaps(emsp) == {}
    assert len(held) == 12
    assert LogEntry.objects.get().change_message == "filled its gaps: 2 deliveries, 0 left"


def test_a_gap_is_waived_with_a_note(operator, emsp, lost):
    (gap,) = Gap.objects.filter(path="NL/ABC/CDR5")

    assert "Why (other operators read it)" in post(operator, "gap", "waive", [gap]).content.decode()
    post(operator, "gap", "waive", [gap], confirmed="yes", note=" ")
    assert Gap.objects.get(pk=gap.pk).state == "OPEN"
    post(operator, "gap", "waive", [gap], confirmed="yes", note="settled by invoice")

    gap.refresh_from_db()
    assert (gap.state, gap.note) == ("WAIVED", "settled by invoice")
    assert LogEntry.objects.get().change_message == "waived: settled by invoice"


def test_what_others_have_filled_or_waived_already_is_not_noted_as_done_by_whoever_clicks_again(
    operator, emsp, lost
):
    waived, filling = Gap.objects.order_by("path")
    gaps.waive(Gap.objects.filter(pk=waived.pk), "settled by invoice", timezone.now())
    Gap.objects.filter(pk=filling.pk).update(state="FILLING")
    every = Gap.objects.order_by("path")

    asked = client_post_all(operator, "waive", every).content.decode()
    client_post_all(operator, "waive", [waived], confirmed="yes", note="so be it")
    client_post_all(operator, "fill", every)

    assert "This gap is not filled and not found again, until the object changes:" in asked
    assert filling.name in asked
    assert waived.name not in asked
    assert list(Gap.objects.order_by("path").values_list("state", "note")) == [
        ("WAIVED", "settled by invoice"),
        ("FILLING", ""),
    ]
    assert not LogEntry.objects.exists()


def client_post_all(client, action, rows, **more):
    """In the list of all gaps, closed ones included."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post("/admin/proof/gap/?state=all", data)


def test_who_may_not_see_the_days_is_not_told_what_stands_above_them(db, emsp):
    Asking.objects.create(platform=emsp.platform, module="cdrs", reason="it answered 404", not_found=6)
    clerk = Client()
    clerk.force_login(User.objects.create_user("clerk", password="a long pass phrase", is_staff=True))

    assert clerk.get("/admin/proof/reconciliation/").status_code == 403
    assert "nothing is proven" not in clerk.get("/admin/").content.decode()


def test_who_may_only_look_fills_and_waives_nothing(db, emsp, lost):
    user = User.objects.create_user("viewer", password="a long pass phrase", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_gap", "view_reconciliation"]))
    viewer = Client()
    viewer.force_login(user)

    post(viewer, "gap", "fill", Gap.objects.all())
    post(viewer, "gap", "waive", Gap.objects.all(), confirmed="yes", note="no")
    post(viewer, "reconciliation", "fill_all", Reconciliation.objects.all(), confirmed="yes")

    assert set(Gap.objects.values_list("state", flat=True)) == {"OPEN"}
    assert LogEntry.objects.count() == 0


def test_a_run_shows_where_it_is(operator, emsp, held, send_cdrs):
    send_cdrs("CDR1")
    runs.start(emsp.platform, timezone.now(), module="cdrs")
    assert "waits for a worker" in page(operator, "run/")
    Run.objects.update(
        module="cdrs", stage="ASK", position=1, top=2, next_at=timezone.now() + timedelta(hours=1)
    )

    assert "cdrs: asking what it holds, 50 %; goes on at" in page(operator, "run/")


def test_whoever_cannot_be_asked_is_asked_again_by_one_click(operator, emsp):
    row = Asking.objects.create(
        platform=emsp.platform,
        module="cdrs",
        reason="it said 405",
        again_at=timezone.now() + timedelta(days=9),
    )

    post(operator, "asking", "ask_again", [row])

    row.refresh_from_db()
    assert (row.again_at, row.reason) == (None, "")


def test_asking_again_says_nothing_new_of_a_partner_that_has_shown_nothing(operator, emsp):
    row = Asking.objects.create(platform=emsp.platform, module="cdrs", reason="it answered 404", not_found=6)

    told = post(operator, "asking", "ask_again", [row]).content.decode()

    row.refresh_from_db()
    assert (row.reason, row.not_found) == ("it answered 404", 6)
    assert "None of them is left out: the next reconciliation asks them in any case." in told
    assert not LogEntry.objects.exists()


def test_a_partner_that_shows_nothing_stands_above_the_days(operator, emsp, held, send_cdrs, reconcile):
    send_cdrs(*IDS)
    held.clear()
    reconcile(emsp)

    text = page(operator, "reconciliation/")

    assert "404 for all" in text
    said = f"{emsp.platform} cdrs: nothing is proven. When it was asked, it answered 404 for all 6"
    assert said in text
    assert f"errorreport/?kind=proof.none_found&amp;platform__id__exact={emsp.platform.pk}" in text


def test_its_404s_count_as_lost_once_it_says_so(operator, emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1", "CDR2")
    held.clear()
    reconcile(emsp)

    text = post(operator, "asking", "count_as_lost", Asking.objects.all()).content.decode()
    reconcile(emsp)

    assert "From the next reconciliation on each 404 is a gap" in text
    assert open_gaps(emsp) == {"cdrs/NL/ABC/CDR1": "LOST", "cdrs/NL/ABC/CDR2": "LOST"}
    assert "nothing is proven" not in page(operator, "reconciliation/")
    assert LogEntry.objects.get().change_message == "its 404 counts as lost"


def test_a_partner_is_reconciled_from_its_page(operator, emsp):
    data = {"action": "reconcile", "_selected_action": [emsp.platform.pk]}
    operator.post("/admin/partners/platform/", data)
    operator.post("/admin/partners/platform/", data)

    assert Run.objects.get().platform == emsp.platform


# ------------------------------------------------------------------------------------------------- command
@pytest.fixture
def command(monkeypatch, capsys, transactional_db):
    """(exit code, output) of `manage.py reconcile`."""
    follow = runs.follow
    monkeypatch.setattr(runs, "follow", lambda run: follow(run, no_pause))

    def command(*arguments):
        try:
            call_command("reconcile", *arguments)
            code = 0
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().out

    return command


def test_the_command_names_each_gap_and_fails(command, emsp, held, send_cdrs, deliver):
    send_cdrs(*IDS)
    del held["/kept/CDR2"]

    code, told = command("--platform", str(emsp.platform.pk))

    assert code == 1
    named = [line for line in told.splitlines() if line.startswith("gap:")]
    partner = emsp.platform
    assert named == [
        f"gap: cdrs/NL/ABC/CDR2 at {partner}: acknowledged, but not held, it answered HTTP 404",
    ]
    (row,) = [line for line in told.splitlines() if " cdrs " in line]
    assert row.split()[-8:] == ["12", "12", "0", "0", "0", "12", "11", "1"]


def test_the_command_fills_them_and_then_finds_none(command, emsp, held, send_cdrs, deliver):
    send_cdrs(*IDS)
    del held["/kept/CDR2"]

    assert command("--fill")[0] == 1
    deliver()
    code, told = command()

    assert (code, told.splitlines()[-1]) == (0, "No gap is open.")
    assert len(held) == 12


def test_who_has_the_command_retry_what_was_given_up_is_noted(command, cpo, emsp, deliver):
    emsp.answers.append(lambda request: enveloped(status_code=2001) if request.method == "PUT" else None)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    command("--fill", "--by", "ann")

    assert DeadLetterAction.objects.get().by == commandline.acting("ann")


def test_the_command_fails_in_its_own_way_when_a_partner_shows_nothing(command, emsp, held, send_cdrs):
    send_cdrs(*IDS)
    held.clear()

    code, told = command()

    assert code == 3
    assert told.splitlines()[-2:] == [
        "No gap is open.",
        f"NOT PROVEN: cdrs at {emsp.platform}: it answered 404 for all 6 that it was asked for: it has lost what it"
        " acknowledged, or it allows no GET. Call the partner; the error report proof.none_found says what to do then.",
    ]
    found = json.loads(command("--json", "--module", "cdrs", "--no-ask")[1])["not_proven"]
    assert [(row["platform_id"], row["module"], row["not_found"]) for row in found] == [
        (emsp.platform.pk, "cdrs", 6)
    ]
    assert command("--module", "sessions")[0] == 0


def test_the_command_says_at_its_end_what_was_not_checked(command, emsp, held, send_cdrs):
    send_cdrs("CDR1")
    Asking.objects.create(platform=emsp.platform, module="cdrs", allowed=False, not_found=1)

    code, told = command()

    assert code == 0
    last = f"Not checked: cdrs at {emsp.platform}: not asked: that is switched off"
    assert told.splitlines()[-1] == last


def test_the_command_asks_nobody_when_told_so(command, emsp, held, send_cdrs):
    send_cdrs("CDR1")
    held.clear()
    emsp.calls.clear()

    assert command("--no-ask", "--module", "cdrs")[0] == 0
    assert emsp.calls == []


def test_the_command_prints_json(command, emsp, held, send_cdrs):
    send_cdrs("CDR1")
    Delivery.objects.all().delete()

    found = json.loads(command("--json", "--day", f"{timezone.now():%Y-%m-%d}")[1])

    assert [(row["module"], row["accepted"], row["never_sent"]) for row in found["days"]] == [("cdrs", 1, 1)]
    assert [(gap["object"], gap["kind"], gap["state"]) for gap in found["gaps"]] == [
        ("cdrs/NL/ABC/CDR1", "NEVER_SENT", "OPEN")
    ]


def test_the_command_says_what_cannot_be_done(command, emsp, settings):
    runs.start(emsp.platform, timezone.now())
    with pytest.raises(CommandError, match="is being reconciled already") as caught:
        command("--platform", str(emsp.platform.pk))
    assert caught.value.returncode == 2
    with pytest.raises(CommandError, match="deliveries are kept for 90 days"):
        command("--since", "2020-01-01")
    with pytest.raises(CommandError, match="2999-01-01 has not begun yet, in UTC") as caught:
        command("--day", "2999-01-01")
    assert caught.value.returncode == 2
    with pytest.raises(CommandError, match="there is no platform 0"):
        command("--platform", "0")


def test_the_command_looks_at_one_day_only(command, cpo, emsp, held, send_cdrs):
    send_cdrs("CDR1")

    code, told = command("--day", f"{timezone.now() - timedelta(days=1):%Y-%m-%d}")

    assert code == 0
    assert told.splitlines() == ["Nothing was pushed to these partners in that time.", "No gap is open."]
    assert examples.cdr()["id"] == "CDR1"
