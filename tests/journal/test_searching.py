"""Finding journeys (ocpi_hub/journal/searching.py)."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from ocpi_hub import background
from ocpi_hub.exchange.journeys import journeypages
from ocpi_hub.journal import searching
from ocpi_hub.journal.models import Hop
from ocpi_hub.journal.searching import Span, found, hops_of, matching, understood
from ocpi_hub.partners.models import Party
from ocpi_hub.partners.naming import UnknownParty
from tests import examples

pytestmark = pytest.mark.django_db
S1 = "receiver/sessions/NL/ABC/S1"


def of(correlation_id):
    return {"X-Correlation-ID": correlation_id, "X-Request-ID": f"request-of-{correlation_id}"}


def ids(text, *more):
    background.flush()
    return found(understood(text), *more)


# -------------------------------------------------------------------------------------------- understanding
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("correlation:c 1", "the X-Correlation-ID c 1"),
        ("X-Request-ID: r1", "the X-Request-ID r1"),
        ("session:S1", "the Session S1"),
        ("Sessions: nl/abc/S1", "the Session S1 of NL*ABC"),
        ("token:04A1B2C3D4", "the Token 04A1B2C3D4"),
        ("contract:DE-MSP-C1", "the contract of a driver DE-MSP-C1"),
        ("authorization:ref-1", "the authorization reference ref-1"),
        ("https://hub.example/ocpi/2.2.1/receiver/sessions/NL/ABC/S1", "the Session S1 of NL*ABC"),
        ("tokens/DE/MSP/04A1B2C3D4?type=RFID", "the Token 04A1B2C3D4 of DE*MSP"),
        ("locations/NL/ABC/LOC1/EVSE1/1", "the EVSE EVSE1 of NL*ABC"),
        ("sender/tokens/04A1B2C3D4/authorize", "the Token 04A1B2C3D4"),
        ("chargingprofiles/S1", "the Session S1"),
        ("NL/ABC/LOC1", "anything of NL*ABC with the id LOC1"),
        ("NL*ABC*E1*2", "the EVSE NL*ABC*E1*2"),
        ("NL*ABC", "the party NL*ABC: what it sent, and what was sent to it"),
        ("nl-abc-cpo", "the party NL*ABC: what it sent, and what was sent to it"),
        ("commands/START_SESSION/a-secret-end", "the response_url of a request, and its results"),
        ("https://msp.example/results/a-secret-end", "a response_url, and its results"),
        ("urn:uuid:1", "an id: looked for as X-Correlation-ID"),
        ("S1", "an id: looked for as X-Correlation-ID"),
        ("a/b", "an id: looked for as X-Correlation-ID"),
    ],
)
def test_a_text_is_understood_as(cpo, text, said):
    assert understood(text).said.partition(", X-Request")[0] == said


def test_a_party_that_nobody_knows_is_told(cpo):
    with pytest.raises(UnknownParty, match="did you mean NL\\*ABC"):
        understood("party:NL*ABD")


# -------------------------------------------------------------------------------------------------- finding
def test_a_message_is_found_by_whatever_id_is_at_hand(cpo, emsp, deliver):
    cpo.put(S1, examples.session(id="S1"), **of("c1"))
    deliver()
    cpo.put("receiver/sessions/NL/ABC/S2", examples.session(id="S2", evse_uid="EVSE2"), **of("c2"))
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(), **of("c3"))

    assert ids("c1") == ids("request-of-c1") == ids("s1") == ids(S1) == ids("session:NL/ABC/S1") == ["c1"]
    assert ids("evse:EVSE1") == ["c1"]
    assert ids("EVSE2") == ["c2"]
    assert ids("04A1B2C3D4") == ids("contract:DE-MSP-C00000001-1") == ["c2", "c1"]
    assert ids("LOC1") == ["c3", "c2", "c1"]
    assert ids("NL/ABC/LOC1") == ["c3", "c2", "c1"]
    assert ids("token:LOC1") == ids("tokens/DE/XYZ/04A1B2C3D4") == ids("session:S") == ids("%") == []
    assert ids("NL*ABC") == ["c3", "c2", "c1"]
    assert ids("DE*MSP") == ["c1"]


def test_a_partner_and_a_time_leave_others_out(cpo, emsp, stranger):
    now = timezone.now()
    for name, partner, party in (("c1", cpo, "NL*ABC"), ("c2", stranger, "FR*XYZ")):
        partner.party = party
        partner.get("sender/tokens/04A1B2C3D4", **of(name))
    abc = Party.objects.select_related("platform").get(key="NL*ABC")

    assert ids("04A1B2C3D4") == ["c2", "c1"]
    assert ids("04A1B2C3D4", abc) == ["c1"]
    assert ids("", abc) == ["c1"]
    assert ids("04A1B2C3D4", None, Span(until=now)) == []
    assert ids("04A1B2C3D4", None, Span(since=now)) == ["c2", "c1"]
    assert ids("04A1B2C3D4", None, Span(since=timezone.now())) == []


def test_the_latest_are_found_first_and_no_more_than_fit(cpo, emsp):
    for number in range(4):
        cpo.get(S1, **of(f"c{number}"))
    background.flush()
    Hop.objects.filter(correlation_id="c3").update(at=timezone.now() - timedelta(days=20))
    Hop.objects.filter(correlation_id="c2").update(at=timezone.now() - timedelta(days=3))

    assert found(understood("S1")) == ["c1", "c0", "c2", "c3"]
    assert found(understood("S1"), most=3) == ["c1", "c0", "c2"]


def test_a_result_belongs_to_its_request_under_whatever_correlation_id_it_comes(cpo, emsp, deliver):
    given = []
    cpo.answers.append(lambda request: given.append(request.read()) or None)
    url = "https://msp.example/results/a-secret-end"
    cpo.put(S1, examples.session(id="S1"))
    emsp.post(
        "receiver/commands/STOP_SESSION", examples.stop_session(session_id="S1", response_url=url), **of("c1")
    )
    address = re.search(rb'"response_url":"[^"]*(/ocpi/[^"]*)"', given[0])[1].decode()
    cpo.post(address, {"result": "ACCEPTED"}, **of("c2"))
    deliver()
    background.flush()

    for correlation_id in ("c1", "c2"):
        told = [(hop.direction, hop.module) for hop in hops_of(correlation_id)]
        assert told[:4] == [("IN", "commands"), ("OUT", "commands"), ("IN", "commands"), ("OUT", "callbacks")]
    assert ids(url) == ["c1"]
    stored = str([list(row) for row in Hop.objects.values_list()])
    assert "a-secret-end" not in stored
    assert address.rpartition("/")[2] not in stored


def test_a_journey_of_very_many_hops_takes_no_other_out_of_the_list(cpo, emsp, monkeypatch):
    monkeypatch.setattr(searching, "MOST_HOPS", 3)
    for _ in range(31):
        cpo.get(S1, **of("c0"))
    cpo.get(S1, **of("c1"))
    background.flush()

    rows = searching.heads(["c1", "c0"])

    assert {name: len(hops) for name, hops in rows.items()} == {"c1": 1, "c0": 3}
    assert [entry.hops for entry in journeypages.entries(["c1", "c0"])] == [1, 31]


def test_hops_are_found_for_as_long_as_they_are_kept(cpo, emsp, settings):
    settings.HUB_JOURNAL_DAYS = settings.HUB_JOURNAL_DAYS | {"invoices": 800}
    cpo.get(S1, **of("c1"))
    background.flush()
    Hop.objects.update(at=timezone.now() - timedelta(days=700))

    assert ids("c1") == ["c1"]
    assert ids("c1", None, Span(since=timezone.now() - timedelta(days=710))) == ["c1"]
    assert ids("c1", None, Span(since=timezone.now() - timedelta(days=690))) == []


def test_the_hubs_own_checks_are_left_out_unless_they_are_asked_for_or_there_is_nothing_else(cpo):
    for number in range(3):
        cpo.get(S1, **of(f"c{number}"))
    background.flush()
    Hop.objects.exclude(correlation_id="c0").update(is_check=True)

    assert found(understood("S1")) == ["c0"]
    assert found(understood("S1"), most=1) == ["c0"]
    assert found(understood("S1"), checks=True) == ["c2", "c1", "c0"]
    assert found(understood("correlation:c1")) == ["c1"]


# ------------------------------------------------------------------------------------------- by the indexes
@pytest.fixture
def many(cpo):
    """So many hops that no plan without an index would do."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
INSERT INTO journal_hop (kind, at, direction, platform_id, from_party, to_party, module, interface, method, url, remote,
    request_headers, request_body, request_size, answer_headers, answer_body, answer_size, failure, milliseconds,
    request_id, correlation_id, refs)
SELECT 'drivers', now() - n * interval '1 second', 'IN', n % 500, 'NL*ABC', '', 'sessions', 'receiver', 'PUT', 'u', '',
    '{}', repeat('x', 500), 0, '{}', '', 0, '', 1, 'request-' || n, 'correlation-' || n,
    ARRAY['session:NL/ABC/S' || n, 'S' || n, 'token:DE/MSP/T' || n % 900, 'T' || n % 900]
FROM generate_series(0, 19999) n
"""
        )
        cursor.execute("ANALYZE journal_hop")


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("correlation:correlation-777", ["correlation_id"]),
        ("request:request-777", ["request_id"]),
        ("session:NL/ABC/S777", ["refs"]),
        ("token:T77", ["refs"]),
        ("correlation-777", ["correlation_id", "request_id", "refs"]),
    ],
)
def test_a_search_reads_the_index_and_never_the_table(many, text, index):
    end = timezone.now() + timedelta(minutes=5)
    hops = matching(understood(text)).filter(at__gte=end - searching.REACHES[0], at__lt=end).order_by("-at")

    plan = hops.values_list("correlation_id").explain()

    day = f"journal_hop_drivers_{timezone.now():%Y_%m_%d}"
    assert f"Seq Scan on {day} " not in plan
    for column in index:
        assert re.search(rf"Scan (using|on) {day}_{column}\w*_idx", plan), plan
    assert hops.exists()


def test_the_hops_of_a_partner_are_read_by_its_index(many):
    hops = Hop.objects.filter(Q(platform_id=7), at__gte=timezone.now() - timedelta(days=1)).order_by("-at")

    assert "platform_id_at_idx" in hops.explain()


def test_the_hops_of_a_journey_are_read_by_the_index(many):
    plan = Hop.objects.filter(correlation_id="correlation-777").explain()

    assert f"journal_hop_drivers_{timezone.now():%Y_%m_%d}_correlation_id_idx" in plan
    assert len(hops_of("correlation-777")) == 1
