"""Commands as the operator of the hub sees them."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from commands import tracing
from commands.models import Command
from tests import examples
from tests.commands.test_joining import push, send
from tests.conformance.orders import address, answering
from tests.partners import Partner

LIST = "admin:commands_command_changelist"


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


def words(page):
    """What a page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode())).replace("&quot;", '"')


def rows(operator, **query):
    """The cells of the list, without tags."""
    page = operator.get(reverse(LIST), query).content.decode()
    lines = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL)
    cells = [re.findall(r"<t[dh] class=\"field[^>]*>(.*?)</t[dh]>", line, re.DOTALL) for line in lines]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]


def page_of(operator, command):
    return operator.get(reverse("admin:commands_command_change", args=[command.pk]))


def test_the_list_says_first_what_became_of_a_command(operator: Client, cpo: Partner, emsp: Partner) -> None:
    command = send(emsp)
    cpo.post(address(cpo), examples.command_result())
    push(cpo, "S1", timezone.now())
    tracing.settle([command.pk], timezone.now())

    [row] = rows(operator)

    assert row[:4] == ["session", "START_SESSION", "DE*MSP → NL*ABC", "LOC1 / EVSE1 / 1"]
    assert row[5].isdecimal()
    assert row[6:] == ["ACCEPTED", "S1", "…C3D4 RFID"]


def test_a_session_is_a_link_to_its_page(operator: Client, cpo: Partner, emsp: Partner) -> None:
    command = send(emsp)
    push(cpo, "s1", timezone.now())
    tracing.settle([command.pk], timezone.now())

    page = page_of(operator, command).content.decode()
    path = re.search(r'<a href="([^"]+)">s1</a>', page)[1].replace("&amp;", "&")

    assert ">s1</a>" in operator.get(path).content.decode()


def test_what_came_to_nothing_is_one_click_away(operator: Client, cpo: Partner, emsp: Partner) -> None:
    fine, lost, away = (send(emsp) for _ in range(3))
    Command.objects.filter(pk=fine.pk).update(state="DONE", look_at=None)
    Command.objects.filter(pk=away.pk).update(state="NO_ANSWER", look_at=None)
    tracing.reconcile(timezone.now() + timedelta(minutes=5))

    assert [row[0] for row in rows(operator, attention="nothing")] == ["no result"]
    assert [row[0] for row in rows(operator, attention="yes")] == ["no answer", "no result"]
    assert len(rows(operator)) == 3
    assert "must send a result for each command that it accepts" in words(page_of(operator, lost))


def test_the_page_tells_all_from_the_request_to_the_delivery(
    operator: Client, cpo: Partner, emsp: Partner, deliver: object
) -> None:
    command = send(emsp)
    cpo.post(address(cpo), examples.command_result(result="EVSE_OCCUPIED"))
    waiting = words(page_of(operator, command))
    deliver()

    text = words(page_of(operator, command))

    assert "not on its way yet" in waiting
    steps = ["request", "from DE*MSP to NL*ABC", "direct answer", "1000, ACCEPTED, after ", "delivered"]
    places = [text.index(step, text.index("What happened")) for step in steps]
    assert places == sorted(places)
    assert '"response_url": "https://msp.example/ocpi/results/1"' in text
    assert '"result": "EVSE_OCCUPIED"' in text


def test_a_result_after_a_refusal_is_seen_as_well(operator: Client, cpo: Partner, emsp: Partner) -> None:
    cpo.answers.insert(0, answering(examples.command_response(result="REJECTED")))
    command = send(emsp)
    cpo.post(address(cpo), examples.command_result(result="FAILED"))

    text = words(page_of(operator, command))

    assert "noted only: the request was refused FAILED" in text
    assert rows(operator)[0][0] == "refused"


def test_a_result_for_a_partner_that_left_is_told(
    operator: Client, cpo: Partner, emsp: Partner, deliver: object
) -> None:
    command = send(emsp)
    emsp.platform.token_cipher = ""
    emsp.platform.save()
    cpo.post(address(cpo), examples.command_result())
    deliver()

    assert "for nobody: the partner has left" in words(page_of(operator, command))


def test_nobody_adds_changes_or_deletes_a_command(operator: Client, cpo: Partner, emsp: Partner) -> None:
    command = send(emsp)

    answers = [
        operator.post(reverse("admin:commands_command_add"), {}),
        operator.post(reverse("admin:commands_command_change", args=[command.pk]), {"state": "DONE"}),
        operator.post(reverse("admin:commands_command_delete", args=[command.pk]), {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert Command.objects.get().state == "ACCEPTED"


@pytest.mark.parametrize("term", ["loc1", "the-command", "04a1b2c3d4", "ref1", "nothing"])
def test_commands_are_found_by_what_a_caller_can_name(
    operator: Client, cpo: Partner, emsp: Partner, term: str
) -> None:
    headers = {"X-Correlation-ID": "the-command"}
    body = examples.start_session(authorization_reference="REF1")
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    assert emsp.post("receiver/commands/START_SESSION", body, **headers).codes == (200, 1000)

    assert len(rows(operator, q=term)) == (0 if term == "nothing" else 1)


def test_the_list_takes_the_same_queries_for_many_rows(
    operator: Client, cpo: Partner, emsp: Partner, django_assert_max_num_queries: object
) -> None:
    for _ in range(8):
        send(emsp)

    with django_assert_max_num_queries(12):
        assert len(rows(operator)) == 8
