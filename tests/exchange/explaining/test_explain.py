"""May this party see this object, did it get it, and if not, why: `manage.py explain`."""

import json
import re
from contextlib import suppress
from datetime import timedelta
from io import StringIO

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from locations.models import Location
from ocpi_hub.exchange.deliveries import deadletters
from ocpi_hub.exchange.deliveries.lanebreaker import FAILURES_TO_OPEN
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import DeadLetter, DeadLetterAction, Delivery, Lane, Message, RefusedObject
from ocpi_hub.exchange.objects.objectnames import named
from ocpi_hub.exchange.pulls import refusals, sync
from ocpi_hub.partners import agreements
from ocpi_hub.partners.models import Endpoint, Party, Platform, Status
from tests import examples
from tests.conformance.calls import to
from tests.partners import Partner, enveloped, register

LOC1 = "locations/NL/ABC/LOC1"
PUSHED = f"receiver/{LOC1}"
MSP = to("DE*MSP")


def explain(name: str = LOC1, party: str = "DE-MSP-EMSP") -> tuple[int, dict]:
    """Exit code and JSON."""
    out, code = StringIO(), 0
    try:
        call_command("explain", "--party", party, "--object", name, "--json", stdout=out)
    except SystemExit as end:
        code = end.code
    return code, json.loads(out.getvalue())


def told(name: str = LOC1, party: str = "DE-MSP-EMSP") -> list[str]:
    out = StringIO()
    with suppress(SystemExit):
        call_command("explain", "--party", party, "--object", name, stdout=out)
    return out.getvalue().splitlines()


def answers(found: dict) -> tuple[bool, bool, str]:
    return found["may_see"], found["listed"], found["has"]


def about(found: dict, subject: str) -> dict:
    (reason,) = [reason for reason in found["reasons"] if reason["about"] == subject]
    return reason


def utc(moment) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def platform(partner: Partner, **changes: object) -> None:
    Platform.objects.filter(pk=partner.platform.pk).update(**changes)


# ------------------------------------------------------------------------------------------- it has it
def test_who_got_it_by_push_has_it_since_then(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    deliver()
    row = Delivery.objects.get()

    code, found = explain()

    assert code == 0
    assert found["answer"] == f"DE*MSP has {LOC1} as it is now, since {utc(row.finished_at)}."
    assert answers(found) == (True, True, "newest")
    assert about(found, "delivery")["delivery_id"] == row.pk
    assert told()[:2] == [found["answer"], "  may see it: yes; in its list now: yes; has: newest"]


def test_who_got_it_from_its_owner_directly_has_it(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location(), **MSP)

    code, found = explain()

    row = Location.objects.get()
    assert code == 0
    assert answers(found) == (True, False, "newest")
    assert about(found, "delivery")["text"] == (
        f"delivered by its owner directly, at {row.changed_at:%Y-%m-%d %H:%M:%S}"
    )


def test_what_is_its_own_or_came_by_its_platform_needs_no_push(network, emsp, cpo) -> None:
    both = register(network, "BOTH", "BE-ONE-CPO", "BE-TWO-EMSP")
    both.party = "BE*ONE"
    both.put("receiver/locations/BE/ONE/L", examples.location(country_code="BE", party_id="ONE", id="L"))

    own, sister = explain("locations/BE/ONE/L", "BE-ONE"), explain("locations/BE/ONE/L", "BE-TWO")

    assert (own[0], own[1]["answer"]) == (0, "locations/BE/ONE/L is BE*ONE's own.")
    assert (sister[0], sister[1]["has"]) == (0, "newest")
    assert about(sister[1], "owner")["text"] == "BE*ONE, its owner, is on the same platform"


@pytest.mark.usefixtures("transactional_db")
def test_what_no_list_shows_yet_is_not_said_to_be_in_one(cpo, emsp) -> None:
    older = connection.copy("older")
    try:
        with older.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_current_xact_id()")
        cpo.put(PUSHED, examples.location())

        while_open = explain()[1]["listed"]
    finally:
        older.close()
    # Older than all transactions there are, those of other databases on this server included.
    Location.objects.update(inserted_in="3")

    assert (while_open, explain()[1]["listed"]) == (False, True)


# ------------------------------------------------------------------------------------- why it has it not
def test_a_closed_pair_says_how_it_is_opened(cpo, emsp, deliver) -> None:
    row = agreements.settle("NL*ABC", "DE*MSP", "locations", allowed=False, note="contract ended")
    cpo.put(PUSHED, examples.location())
    deliver()

    code, found = explain()

    reason = about(found, "agreement")
    assert code == 1
    assert found["answer"] == f"DE*MSP has not got {LOC1}: they have no agreement."
    assert answers(found) == (False, False, "nothing")
    assert reason == {
        "about": "agreement",
        "text": "NL*ABC and DE*MSP exchange no locations: closed, by agreement on locations"
        f" since {row.changed_at:%Y-%m-%d %H:%M} UTC (contract ended)",
        "who": "you",
        "do": "manage.py agree --between NL-ABC DE-MSP --module locations --allow opens it",
        "agreement_id": row.pk,
    }


def test_the_list_is_that_of_the_party_and_not_of_its_platform(cpo, network, deliver) -> None:
    register(network, "TWO", "BE-ONE-EMSP", "BE-TWO-EMSP")
    agreements.settle("NL*ABC", "BE*ONE", "locations", allowed=False)
    cpo.put(PUSHED, examples.location())
    deliver()

    closed, opened = explain(party="BE-ONE")[1], explain(party="BE-TWO")[1]

    assert [answers(found) for found in (closed, opened)] == [
        (False, False, "newest"),
        (True, True, "newest"),
    ]
    assert closed["answer"] == (
        f"The platform of BE*ONE has {LOC1} as it is now, and BE*ONE may not see it: they have no agreement."
    )


def test_a_pair_that_is_closed_by_default_says_so(cpo, emsp, settings) -> None:
    settings.HUB_AGREEMENTS = "closed"
    cpo.put(PUSHED, examples.location())

    _, found = explain()

    assert about(found, "agreement")["text"] == (
        "NL*ABC and DE*MSP exchange no locations: closed, by the default of this hub (HUB_AGREEMENTS)"
    )


def test_what_it_got_before_the_pair_was_closed_stays_with_it(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    deliver()
    agreements.settle("NL*ABC", "DE*MSP", "", allowed=False)

    code, found = explain()

    assert (code, found["may_see"], found["has"]) == (0, False, "newest")
    assert found["answer"] == (
        f"The platform of DE*MSP has {LOC1} as it is now, and DE*MSP may not see it: they have no agreement."
    )


def test_what_was_taken_back_when_the_pair_was_closed_is_its_own_to_fetch(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    agreements.settle("NL*ABC", "DE*MSP", "", allowed=False)
    outbox.expand()
    agreements.forget("NL*ABC", "DE*MSP", "")
    cpo.put(PUSHED, examples.location(last_updated="2026-03-01T09:00:00Z"))
    outbox.expand()
    agreements.settle("NL*ABC", "DE*MSP", "", allowed=False)
    deliver()
    agreements.forget("NL*ABC", "DE*MSP", "")

    code, found = explain()

    reason = about(found, "delivery")
    assert (code, answers(found)) == (1, (True, True, "unknown"))
    assert found["answer"] == (
        f"DE*MSP can fetch {LOC1} from its list, and the hub cannot tell whether it did:"
        " nothing newer is under way."
    )
    assert reason["text"].startswith("not sent: NL*ABC and DE*MSP have no agreement on locations")
    assert (reason["who"], reason["do"]) == ("DE*MSP", "GET the list")


def test_what_is_for_another_party_alone_says_for_whom(cpo, emsp, stranger) -> None:
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())

    code, found = explain("sessions/NL/ABC/SESSION1", "FR-XYZ-EMSP")

    reason = about(found, "audience")
    assert (code, answers(found)) == (1, (False, False, "nothing"))
    assert found["answer"] == "FR*XYZ has not got sessions/NL/ABC/SESSION1: it is for another party alone."
    assert (reason["text"], reason["who"]) == (
        "it is for DE*MSP alone, whose token it names",
        "NL*ABC",
    )


def test_a_party_without_the_role_says_what_its_platform_gets_for_others(cpo, network, deliver) -> None:
    register(network, "BOTH", "BE-ONE-CPO", "BE-TWO-EMSP")
    cpo.put(PUSHED, examples.location())
    deliver()

    _, found = explain(party="BE-ONE-CPO")

    assert found["answer"] == (
        f"The platform of BE*ONE has {LOC1} as it is now, and BE*ONE may not see it:"
        " locations are not for its roles."
    )
    assert about(found, "role")["text"] == (
        "BE*ONE announces CPO, and locations are for EMSP, NSP, OTHER, NAP; its platform gets them for BE*TWO"
    )
    assert about(found, "delivery")["text"].startswith("delivered to BE*TWO, at ")


@pytest.mark.parametrize(
    ("changes", "subject", "who", "why"),
    [
        ({"status": Status.SUSPENDED, "token_cipher": ""}, "status", "you", "it is suspended"),
        ({"status": Status.PLANNED, "token_cipher": ""}, "status", "DE*MSP", "it has not registered"),
    ],
)
def test_who_is_not_registered_gets_nothing(cpo, emsp, changes, subject, who, why) -> None:
    platform(emsp, **changes)
    cpo.put(PUSHED, examples.location())

    code, found = explain()

    assert (code, answers(found)) == (1, (True, False, "nothing"))
    assert found["answer"] == f"DE*MSP has not got {LOC1}: {why}."
    assert about(found, subject)["who"] == who


def test_who_is_invited_is_told_by_the_roles_of_the_invitation(cpo, emsp) -> None:
    platform(emsp, status=Status.PLANNED, token_cipher="")
    emsp.platform.parties.update(roles=[], invited_roles=["EMSP"])
    cpo.put(PUSHED, examples.location())

    _, found = explain()
    emsp.platform.parties.update(invited_roles=["CPO"])
    _, as_cpo = explain(party="DE-MSP")

    assert found["answer"] == f"DE*MSP has not got {LOC1}: it has not registered."
    assert [reason["about"] for reason in found["reasons"]] == ["status"]
    assert about(as_cpo, "role")["text"] == (
        "DE*MSP is invited in CPO, and locations are for EMSP, NSP, OTHER, NAP"
    )


def test_a_hub_is_not_asked_for_a_role_that_it_cannot_have(cpo, emsp) -> None:
    emsp.platform.parties.update(roles=["HUB"])
    cpo.put(PUSHED, examples.location())

    _, found = explain(party="DE-MSP")

    reason = about(found, "role")
    assert reason["text"] == (
        "DE*MSP announces HUB, and locations are for EMSP, NSP, OTHER, NAP; a hub gets what is for its clients"
    )
    assert (reason["who"], reason["do"]) == (None, None)


def test_who_has_left_has_what_it_got_before(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    deliver()
    platform(emsp, status=Status.SUSPENDED, token_cipher="")
    newest = explain()
    cpo.put(PUSHED, examples.location(name="Other", last_updated="2030-01-01T00:00:00Z"))
    deliver()
    older = explain()

    assert (newest[0], newest[1]["has"], older[0], older[1]["has"]) == (0, "newest", 1, "older")
    assert newest[1]["answer"].startswith(f"DE*MSP has {LOC1} as it is now, since ")
    assert older[1]["answer"].endswith(": it is suspended.")
    assert about(newest[1], "status")["text"] == f"{emsp.platform} is suspended: nothing goes there"


def test_the_hub_owns_nothing_and_is_said_to_be_the_hub(cpo, emsp) -> None:
    code, found = explain("locations/NL/HUB/LOC1")

    assert code == 1
    assert about(found, "owner")["text"] == "NL*HUB is this hub, and none of its partners"


def test_who_is_offline_is_said_with_what_waits(cpo, emsp, deliver) -> None:
    emsp.answers.append(lambda request: enveloped(http_status=500))
    cpo.put(PUSHED, examples.location())
    deliver()
    since = timezone.now()
    platform(emsp, status=Status.OFFLINE, offline_since=since, probe_outcome="connection refused")

    code, found = explain()

    assert (code, found["has"]) == (1, "nothing")
    assert found["answer"] == f"DE*MSP has not got {LOC1}: it is offline."
    assert about(found, "status")["text"] == (
        f"{emsp.platform} does not answer since {utc(since)}: connection refused"
    )
    assert about(found, "delivery")["text"].startswith("waiting, next try at ")


def test_who_only_pulls_may_have_it_and_nobody_can_tell(cpo, emsp, deliver) -> None:
    platform(emsp, pull_only=True)
    cpo.put(PUSHED, examples.location())
    deliver()

    code, found = explain()

    assert (code, answers(found)) == (1, (True, True, "unknown"))
    assert found["answer"] == (
        f"DE*MSP can fetch {LOC1} from its list, and the hub cannot tell whether it did: it is pull only."
    )


def test_who_has_no_endpoint_must_offer_one(cpo, emsp, deliver) -> None:
    Endpoint.objects.filter(platform=emsp.platform, module="locations", role="RECEIVER").delete()
    cpo.put(PUSHED, examples.location())
    deliver()

    _, found = explain()

    reason = about(found, "interface")
    assert reason["text"] == f"{emsp.platform} listed no Receiver endpoint for locations when it registered"
    assert (found["has"], reason["who"]) == ("unknown", "DE*MSP")


def test_a_given_up_delivery_says_what_the_last_try_said(cpo, emsp, deliver) -> None:
    emsp.answers.append(lambda request: enveloped(status_code=2001))
    cpo.put(PUSHED, examples.location())
    deliver()

    code, found = explain()

    reason = about(found, "delivery")
    assert (code, found["has"]) == (1, "nothing")
    assert found["answer"] == f"DE*MSP has not got {LOC1}: it was given up."
    assert reason["text"].startswith("given up, HTTP 200, 2001: no message; last try PUT at ")
    assert reason["who"] == "you"


def test_a_discarded_delivery_says_by_whom_when_and_why_and_how_it_is_sent_after_all(
    cpo, emsp, deliver
) -> None:
    emsp.answers.append(lambda request: enveloped(status_code=2001))
    cpo.put(PUSHED, examples.location())
    deliver()
    deadletters.discard(DeadLetter.objects.all(), by="ann", chosen="all", note="they do not want it")
    letter, action = DeadLetter.objects.get(), DeadLetterAction.objects.get()

    code, found = explain()

    reason = about(found, "delivery")
    assert (code, found["has"]) == (1, "nothing")
    assert found["answer"] == f"DE*MSP has not got {LOC1}: it was discarded."
    assert reason["text"] == (
        f"discarded by ann at {utc(action.at)}, noting: they do not want it; it had been given up at"
        f" {utc(letter.given_up_at)}: HTTP 200, 2001: no message"
    )
    assert (reason["who"], reason["deadletter_id"]) == ("you", letter.pk)
    commands = re.findall(r"(?:deadletters |then )(\w+) (--letter \d+)", reason["do"])
    assert [name for name, _ in commands] == ["reopen", "retry"]

    emsp.answers.clear()
    for name, choice in commands:
        call_command("deadletters", name, *choice.split(), stdout=StringIO())
    deliver()

    assert explain()[1]["has"] == "newest"


def test_a_discarded_delivery_without_its_letter_is_its_owners_to_push_again(cpo, emsp, deliver) -> None:
    emsp.answers.append(lambda request: enveloped(status_code=2001))
    cpo.put(PUSHED, examples.location())
    deliver()
    deadletters.discard(DeadLetter.objects.all(), by="ann", chosen="all", note="a test")
    DeadLetter.objects.all().delete()
    DeadLetterAction.objects.all().delete()

    reason = about(explain()[1], "delivery")

    assert reason["text"] == f"discarded by ann: a test, at {utc(Delivery.objects.get().finished_at)}"
    assert (reason["who"], reason["do"]) == ("NL*ABC", "push it again, if it is to be sent")


def test_who_has_an_older_state_is_told_apart_from_who_has_nothing(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    deliver()
    at = Delivery.objects.get().finished_at
    cpo.put(PUSHED, examples.location(name="New", last_updated="2026-03-01T09:00:00Z"))

    before = explain()
    emsp.answers.append(lambda request: enveloped(http_status=503))
    deliver()
    after = explain()

    changed = utc(Location.objects.get().changed_at)
    assert [code for code, _ in (before, after)] == [1, 1]
    assert [found["has"] for _, found in (before, after)] == ["older", "older"]
    assert after[1]["answer"] == (
        f"DE*MSP has {LOC1} as of {utc(at)}, and not its last change of {changed}: it is on its way."
    )


def test_what_is_older_than_the_partner_is_its_own_to_fetch(cpo, emsp, stranger, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    Message.objects.update(expanded_at=timezone.now())
    platform(emsp, connected_at=timezone.now())

    _, found = explain()

    assert found["answer"] == (
        f"DE*MSP can fetch {LOC1} from its list, and the hub cannot tell whether it did:"
        " the object is older than its registration: it fetches it by pull."
    )


def test_of_several_copies_the_one_that_counts_is_named(cpo, emsp, stranger, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    deliver()
    cpo.put(PUSHED, examples.location(name="For you", last_updated="2026-03-01T09:00:00Z"), **MSP)

    mine, others = explain(), explain(party="FR-XYZ-EMSP")

    assert about(mine[1], "object")["text"].endswith("the one for DE*MSP alone counts here")
    assert about(mine[1], "delivery")["text"].startswith("delivered by its owner directly")
    assert about(others[1], "object")["text"].endswith("the one for everybody counts here")
    assert [code for code, _ in (mine, others)] == [0, 0]


def test_a_copy_that_could_not_be_passed_on_waits(cpo, emsp, deliver) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    emsp.answers.append(refuse)
    cpo.put(PUSHED, examples.location(), **MSP)

    code, found = explain()

    assert (code, found["has"]) == (1, "nothing")
    assert about(found, "delivery")["text"] == "a change waits for a worker to turn it into deliveries"


# --------------------------------------------------------------------------------------- parts of an object
def test_a_part_is_as_new_as_what_was_pushed_of_it(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    deliver()
    cpo.patch(f"{PUSHED}/EVSE1", {"status": "CHARGING", "last_updated": "2026-03-01T09:00:00Z"})

    evse, connector = explain(f"{LOC1}/EVSE1"), explain(f"{LOC1}/EVSE1/1")
    deliver()

    assert [evse[0], evse[1]["has"], connector[1]["has"]] == [1, "older", "older"]
    assert [explain(name)[0] for name in (LOC1, f"{LOC1}/EVSE1", f"{LOC1}/EVSE1/1")] == [0, 0, 0]


def test_a_part_that_did_not_change_is_not_late_for_another_one(cpo, emsp, deliver) -> None:
    two = [examples.evse(), {**examples.evse(), "uid": "EVSE2"}]
    cpo.put(PUSHED, examples.location(evses=two))
    deliver()
    cpo.patch(f"{PUSHED}/EVSE2", {"status": "CHARGING", "last_updated": "2026-03-01T09:00:00Z"})
    Message.objects.update(expanded_at=timezone.now())

    assert [explain(f"{LOC1}/{uid}")[0] for uid in ("EVSE1", "EVSE2")] == [0, 1]


def test_what_waits_of_another_part_does_not_count(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location(evses=[examples.evse(), {**examples.evse(), "uid": "EVSE2"}]))
    deliver()
    emsp.answers.append(lambda request: enveloped(http_status=503))
    cpo.patch(f"{PUSHED}/EVSE2", {"status": "CHARGING", "last_updated": "2026-03-01T09:00:00Z"})
    deliver()

    assert [explain(f"{LOC1}/{uid}")[0] for uid in ("EVSE1", "EVSE2")] == [0, 1]
    assert [explain(name)[0] for name in (LOC1, f"{LOC1}/EVSE2/1")] == [1, 1]


def test_a_part_that_the_object_has_not_is_named(cpo, emsp) -> None:
    cpo.put(PUSHED, examples.location())

    code, found = explain(f"{LOC1}/NONE")

    assert (code, found["answer"]) == (1, f"The hub has no {LOC1}/NONE, so nobody got it from here.")
    assert about(found, "object")["who"] == "NL*ABC"


# ------------------------------------------------------------------------------------ what is not there
def test_what_never_came_says_when_its_owners_list_was_read(cpo, emsp) -> None:
    never = explain()
    cpo.lists["locations"] = [examples.location(id="LOC2")]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    after = explain()

    assert (never[0], never[1]["answer"]) == (1, f"The hub has no {LOC1}, so nobody got it from here.")
    assert about(never[1], "object")["text"] == (
        "no push of it from NL*ABC was taken, as far as is on record, and its list was never pulled"
    )
    assert about(after[1], "object")["text"].startswith(
        "no push of it from NL*ABC was taken, and it was not in the list at "
    )


def test_what_was_refused_says_why(cpo, emsp) -> None:
    cpo.lists["locations"] = [examples.location(city=None)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)

    _, found = explain()

    row = RefusedObject.objects.get()
    assert about(found, "object") == {
        "about": "object",
        "text": f"what came last, at {utc(row.last_seen_at)}, was refused: {row.reason}",
        "who": "NL*ABC",
        "do": "mend it; what a repair rule can mend is taken from the next pull on",
        "refusedobject_id": row.pk,
    }


def test_where_refused_objects_are_only_counted_it_may_be_one_of_them(cpo, emsp, monkeypatch) -> None:
    monkeypatch.setattr(refusals, "MOST_KEPT", 1)
    cpo.lists["locations"] = [examples.location(id="OTHER", city=None), examples.location(city=None)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)

    _, found = explain()

    row = RefusedObject.objects.get(object_key=refusals.BEYOND)
    assert [reason["text"] for reason in found["reasons"] if reason.get("refusedobject_id") == row.pk] == [
        f"so many of its list are refused that some are only counted, the last at {utc(row.last_seen_at)}"
    ]


def test_a_refused_change_is_told_beside_the_state_that_is_here(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    deliver()
    cpo.lists["locations"] = [examples.location(city=None, last_updated="2026-03-01T09:00:00Z")]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)

    code, found = explain()

    assert (code, found["has"]) == (0, "newest")
    assert "was refused: $.city" in about(found, "object")["text"]


def test_what_was_refused_before_the_state_that_is_here_is_no_reason(cpo, emsp, deliver) -> None:
    cpo.lists["locations"] = [examples.location(city=None)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    RefusedObject.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    cpo.put(PUSHED, examples.location())
    deliver()

    code, found = explain()

    assert code == 0
    assert [reason["about"] for reason in found["reasons"]] == ["delivery"]


def test_a_deleted_object_says_who_was_told(cpo, emsp, deliver) -> None:
    cpo.put("receiver/tariffs/NL/ABC/TARIFF1", examples.tariff())
    deliver()
    cpo.delete("receiver/tariffs/NL/ABC/TARIFF1")

    before = explain("tariffs/NL/ABC/TARIFF1")
    deliver()
    after = explain("tariffs/NL/ABC/TARIFF1")

    assert before[1]["answer"] == (
        "NL*ABC deleted tariffs/NL/ABC/TARIFF1, and DE*MSP was not told: its last change is on its way."
    )
    assert [before[0], after[0], after[1]["may_see"]] == [1, 0, False]
    assert after[1]["answer"].startswith("NL*ABC deleted tariffs/NL/ABC/TARIFF1, and DE*MSP was told, at ")


def test_what_is_gone_without_a_trace_of_its_row_was_here(cpo, emsp) -> None:
    cpo.put(PUSHED, examples.location())
    Location.objects.all().delete()

    _, found = explain()

    assert about(found, "object")["text"].startswith("it was here: its last change came as PUT at ")


def test_what_its_owner_no_longer_lists_is_told(cpo, emsp, deliver) -> None:
    cpo.put(PUSHED, examples.location())
    deliver()
    Location.objects.update(missing_since=timezone.now())

    code, found = explain()

    assert code == 0
    assert about(found, "object")["text"].startswith("NL*ABC no longer lists it, since the full pull of ")


def test_an_owner_that_nobody_knows_has_a_hint(cpo, emsp) -> None:
    cpo.put(PUSHED, examples.location())

    _, found = explain("locations/NL/ABD/LOC1")

    assert about(found, "owner")["text"] == "NL*ABD is no party of this hub; did you mean NL*ABC?"
    assert about(found, "object")["text"] == f"this id is here as {LOC1}"


def test_an_owner_without_the_role_cannot_have_it(cpo, emsp) -> None:
    _, found = explain("tokens/NL/ABC/X", "NL-ABC")

    assert about(found, "owner")["text"] == "NL*ABC announces CPO, and tokens come from EMSP"


# ------------------------------------------------------------------------------------------ how it is asked
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("locations/NL/ABC/LOC1", "locations/NL/ABC/LOC1"),
        ("/locations/nl/abc/LOC1/EVSE1/1/", "locations/NL/ABC/LOC1/EVSE1/1"),
        ("https://hub.example/ocpi/2.2.1/receiver/locations/NL/ABC/LOC1", "locations/NL/ABC/LOC1"),
        ("locations/NL/ABC/A%20B%2FC", "locations/NL/ABC/A%20B%2FC"),
        ("tokens/DE/MSP/04A1", "tokens/DE/MSP/04A1?type=RFID"),
        ("tokens/DE/MSP/04A1?type=app_user", "tokens/DE/MSP/04A1?type=APP_USER"),
        ("cdrs/NL/ABC/CDR1", "cdrs/NL/ABC/CDR1"),
    ],
)
@pytest.mark.django_db
def test_an_object_is_named_as_in_a_url(text: str, name: str) -> None:
    assert str(named(text)) == name


@pytest.mark.parametrize(
    "text",
    [
        "", "LOC1", "locations/NL/ABC", "locations/NL/ABC/", "locations/NL/ABC/LOC1/E/C/X", "nonsense/NL/ABC/X",
        "hubclientinfo/NL/ABC", "cdrs/NL/ABC/CDR1/part", "locations/NLD/ABC/LOC1", "tokens/DE/MSP/X?type=CARD",
    ],
)  # fmt: skip
def test_what_names_no_object_is_a_question_that_cannot_be_answered(emsp: Partner, text: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("explain", "--party", "DE-MSP", "--object", text)

    assert refused.value.returncode == 2


@pytest.mark.parametrize(
    ("party", "said"),
    [
        ("DE-MSQ", "did you mean DE*MSP?"),
        ("DE-MSP-CPO", "DE*MSP is no CPO here, it is EMSP"),
        ("MSP", "is no party"),
    ],
)
def test_whom_nobody_knows_cannot_be_asked_about(emsp: Partner, party: str, said: str) -> None:
    with pytest.raises(CommandError, match=said.replace("*", r"\*").replace("?", r"\?")) as refused:
        call_command("explain", "--party", party, "--object", LOC1)

    assert refused.value.returncode == 2


def test_the_only_type_of_a_token_need_not_be_named(cpo, emsp, deliver) -> None:
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4?type=APP_USER", examples.token(type="APP_USER"))
    deliver()

    code, found = explain("tokens/DE/MSP/04a1b2c3d4", "NL-ABC-CPO")

    assert (code, found["object"]) == (0, "tokens/DE/MSP/04a1b2c3d4?type=APP_USER")


def test_an_id_with_blanks_and_slashes_is_found(cpo, emsp, deliver) -> None:
    cpo.put("receiver/locations/NL/ABC/A%20B%2FC", examples.location(id="A B/C"))
    deliver()

    assert explain("locations/NL/ABC/A%20B%2FC")[0] == 0


def test_a_reason_is_a_line_with_who_must_act(cpo, emsp) -> None:
    Party.objects.filter(party_id="MSP").update(roles=["CPO"])
    cpo.put(PUSHED, examples.location())

    lines = told(party="DE-MSP")

    assert lines[0] == f"DE*MSP has not got {LOC1}: locations are not for its roles."
    assert lines[2] == (
        "  role:      DE*MSP announces CPO, and locations are for EMSP, NSP, OTHER, NAP. "
        "DE*MSP: announce such a role in its credentials, if it has one and was invited in it"
    )


def test_what_an_open_breaker_holds_says_when_it_is_tried(cpo, emsp, deliver) -> None:
    probe = timezone.now() + timedelta(minutes=5)
    cpo.put(PUSHED, examples.location())
    outbox.expand()
    Lane.objects.update_or_create(
        platform=emsp.platform, defaults={"failures": FAILURES_TO_OPEN, "probe_at": probe}
    )

    code, found = explain()

    reason = about(found, "delivery")
    assert (code, found["answer"]) == (1, f"DE*MSP has not got {LOC1}: its lane is held.")
    assert reason["text"] == f"held, it failed on the last ones, next probe at {probe:%Y-%m-%d %H:%M:%S}"
    assert reason["who"] == "DE*MSP"
