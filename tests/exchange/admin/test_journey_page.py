"""The page "Journey" (ocpi_hub/exchange/admin/journeys.py)."""

import httpx
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from commands.models import Command
from ocpi_hub import background
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Attempt, DeadLetter, Delivery, Message
from ocpi_hub.journal.models import Hop, Look
from sessions.models import Session
from tests import examples
from tests.partners import enveloped

pytestmark = pytest.mark.django_db
S1 = "receiver/sessions/NL/ABC/S1"
IDS = {"X-Correlation-ID": "c1"}
UID = "04A1B2C3D4"


@pytest.fixture
def operator(db):
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


def staff(*codenames):
    client = Client()
    user = User.objects.create_user("clerk", password="a long pass phrase", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def page(client, **asked):
    background.flush()
    return client.get(reverse("admin:journey"), asked).content.decode()


@pytest.fixture
def charge(cpo, emsp, deliver):
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()


def test_one_journey_is_shown_with_all_its_hops_and_links(operator, charge):
    text = page(operator, q="S1")

    assert '<p id="understood">Understood as an id: looked for as X-Correlation-ID' in text
    assert "<h2>Journey c1</h2>" in text
    assert text.count('class="tone-good what-came-in"') == text.count('class="tone-good what-went-out"') == 1
    for row in (Message.objects.get(), Delivery.objects.get()):
        assert f'href="{reverse(f"admin:exchange_{row._meta.model_name}_change", args=[row.pk])}"' in text
    assert "the same as what came in" in text
    assert "&quot;uid&quot;: &quot;***&quot;" in text


def test_a_body_that_there_was_no_room_for_says_so(operator, charge, monkeypatch):
    background.flush()
    Hop.objects.update(request_body="", answer_body="", above_budget=True)

    text = page(operator, q="S1")

    assert (
        text.count("bytes, not kept: this partner&#x27;s bodies were above HUB_JOURNAL_MB in a minute") == 4
    )


def test_a_contract_that_a_partner_spells_without_separators_is_masked_wherever_it_comes_to(
    cpo, emsp, deliver, caplog
):
    said = "no contract DEMSPC000000011, none like DE*MSP*C00000001*1"
    refusal = {"status_code": 2004, "status_message": said, "timestamp": "2026-03-01T08:00:00Z"}
    emsp.answers.append(lambda request: httpx.Response(200, json=refusal))
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()

    text = page(staff("view_hop"), q="c1")
    outcome = Attempt.objects.get().outcome
    report = ErrorReport.objects.get()

    for told in (text, outcome, report.text, caplog.text):
        assert "no contract ***, none like ***" in told
        assert "C00000001" not in told


def test_several_are_listed_and_lead_on(operator, cpo, emsp):
    for name in ("c 1", "c2"):
        cpo.get(S1, **{"X-Correlation-ID": name})

    text = page(operator, q="S1")

    assert "2 journeys." in text
    assert text.index("?q=correlation%3Ac2") < text.index("?q=correlation%3Ac%201")
    assert "<h2>Journey c 1</h2>" in page(operator, q="correlation:c 1")


def test_checks_of_the_hub_are_listed_for_who_asks_for_them(operator, cpo, emsp):
    for name in ("c1", "c2", "c3"):
        cpo.get(S1, **{"X-Correlation-ID": name})
    background.flush()
    Hop.objects.filter(correlation_id="c3").update(is_check=True)

    assert "2 journeys." in page(operator, q="S1")
    assert "3 journeys." in page(operator, q="S1", checks="on")
    assert "Understood as" not in page(operator, checks="on")


def test_what_differs_is_marked(operator, cpo, emsp, deliver):
    cpo.put(S1, examples.session(id="S1", last_updated="2026-03-01T09:00:00+01:00"), **IDS)
    outbox.expand()
    Delivery.objects.update(exact=False)  # what is stored goes out, not what came in
    deliver()

    text = page(operator, q="c1")

    assert "1 place differs from what came in" in text
    assert "<mark>  &quot;last_updated&quot;: &quot;2026-03-01T08:00:00Z&quot;</mark>" in text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"q": "S9"}, "<strong>Nothing found.</strong>"),
        ({"q": "party:NL*ABD"}, "NL*ABD is no party of this hub; did you mean NL*ABC?"),
        ({"q": "S1", "partner": "NL*ABD"}, "NL*ABD is no party of this hub; did you mean NL*ABC?"),
        ({"q": "S1", "since": "x"}, "Enter a valid date/time."),
    ],
)
def test_what_cannot_be_found_is_said(operator, charge, asked, said):
    text = page(operator, **asked)

    assert said in text
    assert "<h2>Journey" not in text


def test_an_empty_page_asks_nothing(operator, charge):
    text = page(operator)

    assert "Understood as" not in text
    assert "This field is required" not in text


def test_a_partner_and_a_time_may_stand_alone(operator, charge):
    assert "<h2>Journey c1</h2>" in page(operator, partner="NL*ABC")
    assert "<h2>Journey c1</h2>" in page(operator, since="2026-01-01")
    assert "<strong>Nothing found.</strong>" in page(operator, until="2026-01-01")


# -------------------------------------------------------------------------------------------- who may see it
def test_who_may_see_personal_data_sees_it_when_he_asks_for_it_and_that_is_written_down(operator, charge):
    before = page(operator, q="S1")
    url = f"{reverse('admin:journey')}?q=S1"

    text = operator.post(url, {"note": "complaint 4711"}).content.decode()

    assert UID not in before
    assert f"&quot;uid&quot;: &quot;{UID}&quot;" in text
    look = Look.objects.get()
    assert (look.who, look.asked, look.correlation_ids, look.note) == (
        "operator",
        "S1",
        ["c1"],
        "complaint 4711",
    )
    assert look.user == User.objects.get()


def test_a_look_at_what_is_masked_is_not_written_down(operator, charge):
    page(operator, q="S1")

    assert Look.objects.count() == 0


def test_who_may_not_see_personal_data_never_does(charge):
    clerk = staff("view_hop", "view_message")
    text = page(clerk, q="S1")
    refused = clerk.post(f"{reverse('admin:journey')}?q=S1")

    assert "&quot;uid&quot;: &quot;***&quot;" in text
    assert UID not in text
    assert "Show it" not in text
    assert refused.status_code == 403
    assert Look.objects.count() == 0


def test_links_lead_only_where_one_may_look(charge):
    text = page(staff("view_hop", "view_message"), q="S1")

    assert "/admin/exchange/message/" in text
    assert "/admin/exchange/delivery/" not in text


def test_who_may_not_follow_journeys_finds_no_page(charge):
    clerk = staff("view_delivery", "view_message")
    background.flush()

    assert clerk.get(reverse("admin:journey"), {"q": "S1"}).status_code == 403
    assert reverse("admin:journey") not in clerk.get(reverse("admin:index")).content.decode()


def test_without_a_login_there_is_no_page():
    assert Client().get(reverse("admin:journey"))["Location"].startswith("/admin/login/")


def test_it_is_reached_from_the_index_and_from_whatever_has_a_journey(operator, charge):
    url = reverse("admin:journey")
    background.flush()

    def opened(name, pk):
        return operator.get(reverse(f"admin:{name}_change", args=[pk])).content.decode()

    assert f'href="{url}"' in operator.get(reverse("admin:index")).content.decode()
    for model in (Message, Delivery, Attempt):
        name = f"exchange_{model._meta.model_name}"
        assert f'<a href="{url}?q=correlation%3Ac1">Journey</a>' in opened(name, model.objects.get().pk)
    assert f'href="{url}?q=sessions%2FNL%2FABC%2FS1">Journeys</a>' in opened(
        "charging_sessions_session", Session.objects.get().pk
    )
    assert "<h2>Journey c1</h2>" in page(operator, q="sessions/NL/ABC/S1")


def test_a_dead_letter_and_a_command_lead_there(operator, cpo, emsp, deliver):
    emsp.answers.append(lambda request: enveloped(status_code=2001))
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()
    emsp.post(
        "receiver/commands/STOP_SESSION", examples.stop_session(session_id="S1"), **{"X-Correlation-ID": "c2"}
    )

    letter = operator.get(reverse("admin:exchange_deadletter_change", args=[DeadLetter.objects.get().pk]))
    command = operator.get(reverse("admin:commands_command_change", args=[Command.objects.get().pk]))

    url = reverse("admin:journey")
    assert f'<a href="{url}?q=correlation%3Ac1">Journey</a>' in letter.content.decode()
    assert f'<a href="{url}?q=correlation%3Ac2">Journey</a>' in command.content.decode()


def test_nobody_changes_or_deletes_a_look(operator):
    look = Look.objects.create(who="operator", asked="S1", correlation_ids=["c1"])

    for what in ("change", "delete"):
        answer = operator.post(
            reverse(f"admin:journal_look_{what}", args=[look.pk]), {"post": "yes", "who": "x"}
        )
        assert answer.status_code == 403
    assert operator.get(reverse("admin:journal_look_add")).status_code == 403
    assert Look.objects.get().who == "operator"


def test_a_body_that_is_nested_without_end_opens_every_page_all_the_same(operator, cpo):
    cpo.put("receiver/locations/NL/ABC/LOC1", b'{"a":' * 100_000, **IDS)
    text = page(operator, q="c1")
    report = operator.get(f"/admin/errorreports/errorreport/{ErrorReport.objects.get().pk}/change/")

    assert (report.status_code, "Journey c1" in text) == (200, True)


def test_half_a_character_in_a_body_opens_every_page_all_the_same(operator, cpo):
    broken = b'{"id": "LOC1", "name": "\\ud800", "latitude": 1.10}'
    refused = cpo.put("receiver/locations/NL/ABC/LOC1", broken, **IDS)
    text = page(operator, q="c1")
    report = operator.get(f"/admin/errorreports/errorreport/{ErrorReport.objects.get().pk}/change/")

    assert refused.codes[1] == 2001 or refused.codes[0] == 400
    assert "\\ud800" in text
    assert report.status_code == 200
    assert "\\ud800" in report.content.decode()
    assert "1.10" in report.content.decode()
