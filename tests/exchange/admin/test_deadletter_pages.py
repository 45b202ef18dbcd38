"""What an operator sees of dead letters, and does about them, in the admin and by manage.py."""

import json
import re
from collections import Counter
from io import StringIO

import httpx
import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from ocpi_hub import commandline
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import DeadLetter, DeadLetterAction, Delivery
from tests import examples
from tests.partners import enveloped

PAGE = "admin:exchange_deadletter_changelist"
RETRY, DISCARD = "admin:exchange_deadletter_retry", "admin:exchange_deadletter_discard"


def client_of(name, *codenames):
    user = User.objects.create_user(name, password="a long pass phrase", is_staff=True)
    rights = ["view_deadletter", "view_deadletteraction", *codenames]
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator(db):
    return client_of("anna", "change_deadletter")


@pytest.fixture
def letters(cpo, emsp, stranger, deliver):
    """Of the provider two that it refused and one that it does not know; of the third platform one it refused."""
    emsp.answers.append(
        lambda request: (
            httpx.Response(404) if request.url.path.endswith("LOC3") else enveloped(status_code=2001)
        )
    )
    stranger.answers.append(
        lambda request: enveloped(status_code=2001) if request.url.path.endswith("LOC1") else None
    )
    for number in (1, 2, 3):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    deliver()
    for partner in (emsp, stranger):
        partner.answers.clear()
        partner.calls.clear()
    return DeadLetter.objects.order_by("id")


def states():
    return Counter(DeadLetter.objects.values_list("state", flat=True))


def page(client, **query):
    return client.get(reverse(PAGE), query).content.decode()


def texts(html):
    return [
        re.sub(r"<[^>]+>|\s+", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    ]


# --------------------------------------------------------------------------------------------- the list
def test_the_page_counts_what_is_given_up_by_partner_and_cause(operator, letters, emsp, stranger):
    html = page(operator).partition('id="dead-letter-groups"')[2].partition("</section>")[0]

    rows = [" ".join(words) for words in texts(html)]
    assert len(rows) == 6
    for row, expected in zip(
        rows[1:],
        [
            f"MSP (#{emsp.platform.pk}) refused 2001 2 ",
            f"MSP (#{emsp.platform.pk}) HTTP 404 1 ",
            f"XYZ (#{stranger.platform.pk}) refused 2001 1 ",
            f"all of MSP (#{emsp.platform.pk}) 3 ",
            "all “refused 2001”, of every partner 3 ",
        ],
        strict=True,
    ):
        assert row.startswith(expected)
        assert row.endswith("Discard all…")


def test_the_list_shows_what_somebody_must_act_on_and_the_rest_when_asked(operator, letters):
    letters.filter(path="NL/ABC/LOC2").update(state="SETTLED")

    def shown(**query):
        listed = operator.get(reverse(PAGE), query).context["cl"].result_list
        return sorted((row.platform.name, row.path[-1]) for row in listed)

    assert shown() == [("MSP", "1"), ("MSP", "3"), ("XYZ", "1")]
    assert shown(state="SETTLED") == [("MSP", "2")]
    assert len(shown(state="every")) == 4
    assert shown(cause="HTTP 404") == [("MSP", "3")]
    assert shown(q="nl/abc/loc3") == [("MSP", "3")]


def test_nothing_given_up_is_said(operator):
    assert "Nothing is given up." in page(operator)


# ----------------------------------------------------------------------------------------------- acting
def test_all_of_a_partner_and_a_cause_are_retried_by_one_button(operator, letters, emsp, stranger, deliver):
    answered = operator.post(
        reverse(RETRY), {"platform": emsp.platform.pk, "cause": "refused 2001"}, follow=True
    ).content.decode()
    assert "2 are being tried again." in answered
    deliver()

    assert sorted(call.path[-4:] for call in emsp.received()) == ["LOC1", "LOC2"]
    assert stranger.received() == []
    action = DeadLetterAction.objects.get()
    assert (action.by, action.what) == ("anna", "RETRY")
    assert action.chosen == f"all of MSP (#{emsp.platform.pk}) with the cause “refused 2001”"
    assert reverse("admin:exchange_deadletteraction_change", args=[action.pk]) in answered


def test_all_of_a_cause_are_retried_whoever_they_are_for(operator, letters):
    operator.post(reverse(RETRY), {"cause": "refused 2001"})

    assert states() == {"RETRYING": 3, "OPEN": 1}


def test_one_letter_is_retried_on_its_page(operator, letters):
    letter = letters.first()
    url = reverse("admin:exchange_deadletter_change", args=[letter.pk])
    assert "Try again now" in operator.get(url).content.decode()

    operator.post(reverse(RETRY), {"letter": letter.pk})

    assert states() == {"RETRYING": 1, "OPEN": 3}
    assert "Try again now" not in operator.get(url).content.decode()


@pytest.mark.parametrize("wrong", [{}, {"platform": "x"}, {"letter": "99999999"}, {"cause": "none such"}])
def test_a_choice_of_nothing_retries_nothing(operator, letters, wrong):
    answered = operator.post(reverse(RETRY), wrong, follow=True).content.decode()

    assert "None of them is given up any more: nothing was done." in answered
    assert states() == {"OPEN": 4}


def test_the_selected_are_retried(operator, letters):
    chosen = [letter.pk for letter in letters[:2]]
    operator.post(reverse(PAGE), {"action": "retry", "_selected_action": chosen})

    assert (
        list(DeadLetter.objects.filter(state="RETRYING").values_list("pk", flat=True).order_by("pk"))
        == chosen
    )
    assert DeadLetterAction.objects.get().chosen == "selected letters"


def test_the_selected_are_discarded_after_a_note_and_not_before(operator, letters):
    form = {"action": "discard", "_selected_action": [letters[0].pk], "select_across": "0"}
    asked = operator.post(reverse(PAGE), form).content.decode()
    assert "<strong>1</strong> given up (selected letters)" in asked
    assert states() == {"OPEN": 4}

    assert "This field is required." in operator.post(reverse(PAGE), {**form, "note": " "}).content.decode()
    assert states() == {"OPEN": 4}

    answered = operator.post(reverse(PAGE), {**form, "note": "a test object"}, follow=True).content.decode()
    assert "1 are discarded: their partners do not get them." in answered
    assert states() == {"OPEN": 3, "DISCARDED": 1}
    assert DeadLetterAction.objects.get().note == "a test object"


def test_all_of_a_partner_are_discarded_on_the_page_that_asks_for_a_note(operator, letters, emsp):
    fields = {"platform": emsp.platform.pk}
    asked = operator.get(reverse(DISCARD), fields).content.decode()
    assert f"<strong>3</strong> given up (all of MSP (#{emsp.platform.pk}))" in asked
    assert states() == {"OPEN": 4}

    operator.post(reverse(DISCARD), {**fields, "note": "they are out of business"})

    assert states() == {"OPEN": 1, "DISCARDED": 3}


def test_who_may_only_look_sees_letters_and_can_do_nothing(letters, emsp):
    reader = client_of("ben")
    html = page(reader)
    assert "refused 2001" in html
    assert "Retry all" not in html

    assert reader.post(reverse(RETRY), {"platform": emsp.platform.pk}).status_code == 403
    assert reader.post(reverse(DISCARD), {"platform": emsp.platform.pk, "note": "x"}).status_code == 403
    reader.post(reverse(PAGE), {"action": "retry", "_selected_action": [letters[0].pk]})
    assert states() == {"OPEN": 4}
    assert DeadLetterAction.objects.count() == 0


def test_a_link_that_is_followed_retries_nothing(operator, letters):
    assert operator.get(reverse(RETRY), {"cause": "refused 2001"}).status_code == 403
    assert states() == {"OPEN": 4}


# ------------------------------------------------------------------------------------------- what was done
def test_the_page_of_a_letter_tells_what_was_sent_answered_and_done(operator, letters, deliver):
    letter = letters.get(path="NL/ABC/LOC3")
    operator.post(reverse(RETRY), {"letter": letter.pk})
    deliver()

    html = operator.get(reverse("admin:exchange_deadletter_change", args=[letter.pk])).content.decode()

    assert "PUT https://msp.example/receiver/locations/NL/ABC/LOC3" in html
    assert "HTTP 404" in html
    assert (
        f"settled, {DeadLetter.objects.get(pk=letter.pk).closed_at:%Y-%m-%d %H:%M:%S} UTC: delivered since"
        in html
    )
    done = html.partition("What was done about it")[2].partition("Last request")[0]
    assert f"dead letter {letter.pk}</a>" in done
    assert ">anna</td>" in done


def test_an_action_tells_how_many_have_arrived(operator, letters, emsp, deliver):
    emsp.answers.append(
        lambda request: enveloped(status_code=2002) if request.url.path.endswith("LOC2") else None
    )
    operator.post(reverse(RETRY), {"platform": emsp.platform.pk})
    action = DeadLetterAction.objects.get()
    url = reverse("admin:exchange_deadletteraction_change", args=[action.pk])
    assert "3 being tried" in operator.get(url).content.decode()

    deliver()

    assert "1 given up again, 2 settled" in operator.get(url).content.decode()
    DeadLetter.objects.all().delete()
    assert "deleted by age" in operator.get(url).content.decode()


# ------------------------------------------------------------------------------------------------ command
def run(*arguments):
    out = StringIO()
    call_command("deadletters", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments):
    with pytest.raises(CommandError) as reason:
        call_command("deadletters", *arguments)
    return str(reason.value)


def test_the_command_lists_by_partner_module_and_cause(letters, emsp, stranger):
    rows = json.loads(run("list", "--json"))

    assert [(row["letters"], row["platform"], row["module"], row["cause"]) for row in rows] == [
        (2, f"MSP (#{emsp.platform.pk})", "locations", "refused 2001"),
        (1, f"MSP (#{emsp.platform.pk})", "locations", "HTTP 404"),
        (1, f"XYZ (#{stranger.platform.pk})", "locations", "refused 2001"),
    ]
    assert "locations/NL/ABC/LOC3  HTTP 404" in run("list", "--each", "--cause", "HTTP 404")
    assert run("list", "--module", "tariffs") == "Nothing is given up.\n"


def test_the_command_retries_what_it_is_told(letters, emsp):
    assert run("retry", "--platform", str(emsp.platform.pk), "--cause", "refused 2001", "--by", "ben") == (
        "2 are being tried again.\n"
    )
    assert states() == {"RETRYING": 2, "OPEN": 2}
    action = DeadLetterAction.objects.get()
    assert (action.by, action.chosen) == (
        commandline.acting("ben"),
        f"platform {emsp.platform.pk}, cause refused 2001",
    )

    assert run("retry", "--all") == "2 are being tried again.\n"
    assert DeadLetterAction.objects.latest("id").by == commandline.acting()


def test_the_command_discards_letters_with_a_note(letters):
    number = str(letters[0].pk)
    assert refused("discard", "--letter", number) == "say why they are discarded: --note"
    assert states() == {"OPEN": 4}

    assert run("discard", "--letter", number, "--note", "a test object") == "1 are discarded.\n"
    assert states() == {"OPEN": 3, "DISCARDED": 1}


def test_what_was_discarded_is_reopened_in_the_admin_by_who_may(letters, operator):
    DeadLetter.objects.filter(pk=letters[0].pk).update(state="DISCARDED")
    form = {"action": "reopen", "_selected_action": [letter.pk for letter in letters]}
    everything = f"{reverse(PAGE)}?state=every"

    said = operator.post(everything, form, follow=True).content.decode()

    assert "1 are given up again: retry them now." in said
    assert states() == {"OPEN": 4}
    assert DeadLetterAction.objects.get().what == "REOPEN"
    assert (
        "None of them is discarded: nothing was done."
        in operator.post(everything, form, follow=True).content.decode()
    )


def test_a_discarded_letter_has_a_button_that_reopens_it_for_who_may(letters, operator):
    reader = client_of("clerk")
    url = reverse("admin:exchange_deadletter_change", args=[letters[0].pk])
    button = 'value="Reopen: it is to be sent after all"'
    assert button not in operator.get(url).content.decode()
    DeadLetter.objects.filter(pk=letters[0].pk).update(state="DISCARDED")

    text = operator.get(url).content.decode()
    form = text[: text.index(button)].rpartition("<form")[2]
    fields = dict(re.findall(r'name="(action|select_across|_selected_action)" value="(\w+)"', form))
    target = re.search(r'action="([^"]+)"', form)[1]

    assert button in text
    assert button not in reader.get(url).content.decode()
    reader.post(target, fields)
    assert states() == {"OPEN": 3, "DISCARDED": 1}
    operator.post(target, fields)
    assert states() == {"OPEN": 4}


def test_the_command_reopens_what_was_discarded(letters):
    number = str(letters[0].pk)
    run("discard", "--letter", number, "--note", "a test object")

    assert refused("reopen") == "say which: --platform, --cause, --module, --letter, or --all"
    assert run("reopen", "--letter", number) == "1 are given up again: retry them now.\n"
    assert states() == {"OPEN": 4}


def test_a_list_of_a_cause_that_no_letter_has_is_no_all_clear(letters):
    told = "no open dead letter has the cause nonsense; there are: HTTP 404, refused 2001\n"

    assert run("list", "--cause", "nonsense") == told


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_a_cause_that_no_letter_has_is_told_with_those_that_there_are(letters, stranger, action):
    told = refused(action, "--cause", "nonsense", "--note", "x")
    assert told == "no open dead letter has the cause nonsense; there are: HTTP 404, refused 2001"

    number = str(stranger.platform.pk)
    told = refused(action, "--cause", "HTTP 404", "--platform", number, "--note", "x")
    assert told == f"no open dead letter has the cause HTTP 404 (platform {number}); there are: refused 2001"
    told = refused(action, "--cause", "HTTP 404", "--module", "cdrs", "--note", "x")
    assert told == "no open dead letter has the cause HTTP 404 (module cdrs); nothing is given up there"
    assert (states(), DeadLetterAction.objects.count()) == ({"OPEN": 4}, 0)


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_the_command_does_nothing_to_all_unless_told_so(letters, action):
    assert refused(action, "--note", "x") == "say which: --platform, --cause, --module, --letter, or --all"
    assert refused(action, "--platform", "99") == "there is no platform 99"
    assert states() == {"OPEN": 4}


def test_the_command_gives_up_what_waits_for_a_partner(cpo, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    assert refused("give-up") == "say whose waiting deliveries: --platform"

    number = str(emsp.platform.pk)
    assert (
        run("give-up", "--platform", number, "--module", "tokens")
        == "0 are given up: retry or discard them.\n"
    )
    assert run("give-up", "--platform", number) == "1 are given up: retry or discard them.\n"
    assert DeadLetter.objects.get().cause == "given up by hand"
    assert DeadLetterAction.objects.get().chosen == f"waiting deliveries of platform {number}"


def test_waiting_deliveries_are_given_up_in_their_list(cpo, emsp, admin_client):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    form = {"action": "give_up", "_selected_action": [Delivery.objects.get().pk]}
    answered = admin_client.post(
        reverse("admin:exchange_delivery_changelist"), form, follow=True
    ).content.decode()

    assert "1 are given up:" in answered
    assert states() == {"OPEN": 1}
    assert DeadLetterAction.objects.get().by == "admin"
