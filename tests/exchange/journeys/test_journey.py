"""The journey of a message, told from one end to the other (exchange/journeys/journey.py, journeypages.py)."""

import base64
import io
import json
import re
from datetime import timedelta
from functools import partial

import httpx
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from ocpi_hub import background, commandline
from ocpi_hub.exchange.deliveries import lanes
from ocpi_hub.exchange.journeys import journey as journeys
from ocpi_hub.exchange.journeys import journeypages
from ocpi_hub.exchange.journeys.journey import journey, outside_the_journal
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.journal import searching
from ocpi_hub.journal.models import Hop, Look
from tests import examples
from tests.conformance.calls import to
from tests.partners import enveloped

pytestmark = pytest.mark.django_db
S1 = "receiver/sessions/NL/ABC/S1"
IDS = {"X-Correlation-ID": "c1"}
UID, CONTRACT = "04A1B2C3D4", "DE-MSP-C00000001-1"


def told(correlation_id="c1", clear=False):
    background.flush()
    return journeypages.panel(journey(correlation_id), clear)


def steps(panel):
    return [(step.said.what, step.said.who, step.said.text) for step in panel.steps]


def outcomes(panel):
    return [step.said.outcome for step in panel.steps]


def test_a_journey_of_more_hops_than_are_shown_says_so(cpo, emsp, deliver, monkeypatch):
    monkeypatch.setattr(journeys, "hops_of", partial(searching.hops_of, most=1))
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()

    panel = told()

    assert panel.headline == "the first 1 of 2 hops: 1 came in, 0 went out"
    assert [what for what, _, _ in steps(panel)] == ["came in", "stored", "delivery"]


def test_a_push_is_told_from_its_sender_to_its_receiver(cpo, emsp, deliver):
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()

    panel = told()

    assert steps(panel) == [
        ("came in", "NL*ABC → hub", "PUT receiver/sessions/NL/ABC/S1"),
        ("stored", "hub", "PUT sessions/NL/ABC/S1"),
        ("delivery", "hub → DE*MSP", "to MSP"),
        ("went out", "hub → DE*MSP, from NL*ABC", "PUT /receiver/sessions/NL/ABC/S1"),
    ]
    at = f"{Delivery.objects.get().finished_at:%Y-%m-%d %H:%M:%S} UTC"
    assert outcomes(panel) == ["HTTP 201, 1000", "for DE*MSP", f"delivered at {at}, 1 try", "HTTP 200, 1000"]
    assert (panel.headline, panel.tone) == ("1 came in, 1 went out", "good")
    assert [compared.headline for step in panel.steps for compared in step.compared] == [
        "the same as what came in"
    ]


def test_before_a_worker_has_seen_it_it_waits(cpo, emsp):
    cpo.put(S1, examples.session(id="S1"), **IDS)

    panel = told()

    assert outcomes(panel)[1:] == ["waits for a worker to see whom it is for"]
    assert (panel.headline, panel.tone) == ("1 came in, 0 went out, 1 still waiting", "waiting")


def test_what_waits_and_what_is_given_up_says_so(cpo, emsp, deliver):
    emsp.answers.append(lambda request: enveloped(status_code=3000, http_status=500))
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()
    waiting = told()
    due = f"{Delivery.objects.get().next_attempt_at:%Y-%m-%d %H:%M:%S} UTC"
    Delivery.objects.update(
        state=Delivery.State.FAILED, finished_at=timezone.now(), next_attempt_at=None, reason="refused"
    )

    given_up = told()

    assert [text for text in outcomes(waiting) if "waiting" in text] == [
        f"waiting: 1 try; HTTP 500, 3000: no message; next try at {due}"
    ]
    assert (
        outcomes(waiting)[-1] == "HTTP 500, 3000: HTTP 500, 3000: no message"[16:]
        or "HTTP 500" in outcomes(waiting)[-1]
    )
    assert (waiting.tone, waiting.headline) == ("bad", "1 came in, 1 went out, 1 still waiting")
    at = f"{Delivery.objects.get().finished_at:%Y-%m-%d %H:%M:%S} UTC"
    assert f"given up at {at}, 1 try: refused" in outcomes(given_up)
    assert given_up.headline == "1 came in, 1 went out, 1 given up"


def test_a_change_that_a_newer_one_covers_says_so(cpo, emsp):
    cpo.put(S1, examples.session(id="S1"), **IDS)
    outbox.expand()
    cpo.patch(S1, {"kwh": 21, "last_updated": "2026-03-01T08:10:00Z"}, **{"X-Correlation-ID": "c2"})
    outbox.expand()

    assert outcomes(told("c1"))[-1] == "a newer change of the same object is delivered in its place"
    assert outcomes(told("c2"))[-2] == "for DE*MSP"


def test_of_a_change_that_went_out_as_the_whole_object_only_what_it_named_is_compared(cpo, emsp, deliver):
    cpo.put(S1, examples.session(id="S1"))
    deliver()
    emsp.answers.append(lambda request: enveloped(status_code=3000) if request.method == "PATCH" else None)
    cpo.patch(S1, {"kwh": 21, "last_updated": "2026-03-01T08:10:00Z"}, **IDS)
    deliver()
    emsp.answers.clear()
    lanes.Lane.objects.update(failures=0, probe_at=None)
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    deliver()

    last = told().steps[-1]

    assert last.said.text.startswith("PUT ")
    assert [compared.headline for compared in last.compared] == [
        f"the same as what came in; the whole object went out, with {len(examples.session()) - 2} more fields than the"
        " change that came in"
    ]


def test_a_relay_shows_what_the_hub_made_of_the_answer(cpo, emsp):
    cpo.answers.append(lambda request: httpx.Response(500, text="<html>broken</html>"))
    emsp.get("receiver/tokens/DE/MSP/X1?type=RFID", **to("NL*ABC"), **IDS)

    panel = told()

    assert steps(panel) == [
        ("came in", "DE*MSP → hub, for NL*ABC", "GET receiver/tokens/DE/MSP/***?type=RFID"),
        ("went out", "hub → NL*ABC, from DE*MSP", "GET /receiver/tokens/DE/MSP/***?type=RFID"),
    ]
    assert outcomes(panel) == [
        "HTTP 200, 4000: NL*ABC answered HTTP 500 without an OCPI envelope",
        "HTTP 500, no OCPI envelope",
    ]


def test_a_relayed_answer_is_compared_with_what_the_partner_said(cpo, emsp):
    cpo.answers.append(lambda request: enveloped(examples.token()))
    emsp.get("receiver/tokens/DE/MSP/04A1B2C3D4?type=RFID", **to("NL*ABC"), **IDS)

    assert [compared.headline for compared in told().steps[0].compared] == [
        "the same as what the partner answered"
    ]


def test_a_command_is_told_to_its_result(cpo, emsp, deliver):
    given = []
    cpo.answers.append(
        lambda request: given.append(request.read()) or enveloped({"result": "ACCEPTED", "timeout": 9})
    )
    cpo.put(S1, examples.session(id="S1"))
    url = "https://msp.example/results/a-secret-end"
    command = examples.stop_session(session_id="S1", response_url=url)
    emsp.post("receiver/commands/STOP_SESSION", command, **IDS)
    address = re.search(rb'"response_url":"[^"]*(/ocpi/[^"]*)"', given[0])[1].decode()
    cpo.post(address, {"data": {"result": "ACCEPTED"}}, **{"X-Correlation-ID": "c2"})
    cpo.answers.clear()
    deliver()

    panel = told()

    assert [(what, text) for what, _, text in steps(panel)] == [
        ("came in", "POST receiver/commands/STOP_SESSION"),
        ("asked", "commands STOP_SESSION"),
        ("went out", "POST /receiver/commands/STOP_SESSION"),
        ("came in", "POST sender/commands/STOP_SESSION/***"),
        ("stored", "the result, for whoever asked"),
        ("delivery", "to MSP"),
        ("went out", "POST /results/***"),
    ]
    asked = outcomes(panel)[1]
    assert re.fullmatch(r"answered ACCEPTED; result ACCEPTED at .* UTC", asked)
    (request,), (result,) = panel.steps[2].compared, panel.steps[6].compared
    assert [one.place for one in request.differences] == ["$.response_url"]
    assert result.same
    assert steps(told("c2")) == steps(panel)


# -------------------------------------------------------------------------------------------------- masking
def test_what_names_a_driver_is_masked_wherever_it_stands_unless_it_is_shown_in_clear(cpo, emsp, deliver):
    emsp.answers.append(
        lambda request: (
            enveloped(status_code=2004, data=None)
            and httpx.Response(
                200,
                json={
                    "status_code": 2004,
                    "status_message": f"token {UID.lower()} is unknown",
                    "timestamp": "x",
                },
            )
        )
    )
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()

    masked, clear = told(), told(clear=True)

    for value in (UID, UID.lower(), CONTRACT):
        assert value not in str(masked)
    assert "token *** is unknown" in str(masked)
    assert f"token {UID.lower()} is unknown" in str(clear)
    assert (masked.is_masked, clear.is_masked) == (True, False)
    assert [step.said.who for step in masked.steps] == [step.said.who for step in clear.steps]


def test_what_names_a_driver_is_masked_where_it_is_base64(cpo, emsp):
    header = "Basic " + base64.b64encode(f"card:{UID}".encode()).decode()
    proof = base64.urlsafe_b64encode(CONTRACT.encode()).decode()
    cpo.put(S1, examples.session(id="S1", proof=proof, authorized_by=header), **IDS)

    masked, clear = str(told()), str(told(clear=True))

    assert [text for text in (header, proof) if text not in clear] == []
    assert [text for text in (header, header[13:], proof, proof[4:]) if text in masked] == []
    assert '"authorized_by": "Basic Y2FyZD***"' in masked


def test_a_list_of_journeys_is_masked_as_well(cpo, emsp, deliver):
    cpo.answers.append(lambda request: enveloped(status_code=3000, http_status=500))
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", examples.token(), **IDS)
    deliver()
    Delivery.objects.update(reason=f"HTTP 500, 3000: what is {UID}?")
    background.flush()

    (entry,) = journeypages.entries(["c1"])

    assert entry.text == "PUT receiver/tokens/DE/MSP/***"
    assert entry.outcome == "waiting for NL*ABC: HTTP 500, 3000: what is ***?"
    assert (entry.who, entry.hops) == ("DE*MSP → hub", 2)


# -------------------------------------------------------------------------------------- without the journal
def test_what_the_journal_has_not_is_told_by_what_the_exchange_knows(cpo, emsp, deliver):
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()
    background.flush()
    Hop.objects.all().delete()

    panel = told()

    assert outside_the_journal("correlation:c1") == outside_the_journal(" c1 ") == ["c1"]
    assert outside_the_journal("c2") == outside_the_journal("") == []
    assert [what for what, _, _ in steps(panel)] == ["stored", "delivery", "went out"]
    assert panel.steps[-1].said.text == "PUT /receiver/sessions/NL/ABC/S1 (not in the journal)"
    assert panel.headline.startswith("the journal has no hops of it")


# -------------------------------------------------------------------------------------------- the command
def printed(*arguments):
    background.flush()
    out = io.StringIO()
    call_command("journey", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_the_same(cpo, emsp, deliver):
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()

    text = printed("session:S1")
    with_bodies = printed("c1", "--bodies")
    as_json = json.loads(printed("c1", "--json"))

    assert text.splitlines()[0] == "c1: 1 came in, 1 went out"
    assert "came in   NL*ABC → hub: PUT receiver/sessions/NL/ABC/S1: HTTP 201, 1000, " in text
    assert "    the same as what came in\n" in text
    assert text.rstrip().endswith("What names a driver is masked as ***; --clear WHAT-FOR shows it.")
    assert '        "uid": "***",' in with_bodies
    assert UID not in with_bodies
    assert [step["what"] for step in as_json["steps"]] == ["came in", "stored", "delivery", "went out"]
    assert Look.objects.count() == 0


def test_who_shows_it_in_clear_by_command_is_written_down(cpo, emsp):
    cpo.put(S1, examples.session(id="S1"), **IDS)

    assert UID in printed("S1", "--bodies", "--clear", "complaint 4711")

    look = Look.objects.get()
    assert (look.asked, look.correlation_ids, look.note) == ("S1", ["c1"], "complaint 4711")
    assert look.who == commandline.acting()


def test_several_are_listed_with_the_command_for_each(cpo, emsp):
    for name in ("c1", "c2"):
        cpo.get(S1, **{"X-Correlation-ID": name})

    lines = printed("S1").splitlines()

    assert [line.strip() for line in lines[1::2]] == [
        "manage.py journey correlation:c2",
        "manage.py journey correlation:c1",
    ]
    assert lines[0].endswith("NL*ABC → hub: GET receiver/sessions/NL/ABC/S1: HTTP 404, 2001, 1 hops")
    assert [entry["correlation_id"] for entry in json.loads(printed("S1", "--json"))] == ["c2", "c1"]
    assert printed("S1", "--party", "NL-ABC", "--since", "2026-03-01") == printed("S1")

    Hop.objects.filter(correlation_id="c2").update(is_check=True)

    assert printed("S1").startswith("c1: ")
    assert len(printed("S1", "--checks").splitlines()) == 4


def test_without_an_id_the_latest_are_listed_of_a_day_if_one_is_named(cpo):
    for name in ("c1", "c2"):
        cpo.get(S1, **{"X-Correlation-ID": name})
    background.flush()
    day_before = timezone.now() - timedelta(days=1)
    Hop.objects.filter(correlation_id="c1").update(at=day_before)

    assert [entry["correlation_id"] for entry in json.loads(printed("--json"))] == ["c2", "c1"]
    assert json.loads(printed("--json", "--day", str(day_before.date())))["correlation_id"] == "c1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("S9",), "nothing found; understood as an id"),
        (("party:NL*ABD",), "NL\\*ABD is no party of this hub; did you mean NL\\*ABC"),
        (("S1", "--party", "XX-YYY"), "XX\\*YYY is no party of this hub"),
        (("S1", "--since", "yesterday"), "'yesterday' is no time such as"),
        (("S1", "--since", "2026-13-45"), "'2026-13-45' is no time such as"),
        (("--day", "nonsense"), "'nonsense' is no day such as 2026-03-01"),
        (("--day", "2026-03-01", "--since", "2026-03-01"), "--day goes without --since and --until"),
        (("S1", "--until", "2026-03-01T07:00"), "nothing found"),
        (("S1", "--day", "2026-03-01"), "nothing found"),
    ],
)
def test_what_cannot_be_found_ends_with_the_reason(cpo, arguments, said):
    cpo.get(S1)

    with pytest.raises(CommandError, match=said):
        printed(*arguments)
