"""The admin: every page opens, owned objects cannot be edited, secrets are not shown."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from locations.models import Location
from ocpi_hub.errorreports import occurrences
from ocpi_hub.errorreports.models import Digest, ErrorReport
from ocpi_hub.exchange.housekeeping import erasing
from ocpi_hub.exchange.models import (
    Attempt,
    DeadLetterAction,
    Delivery,
    Lane,
    Message,
    Pull,
    PullPlan,
    RepairRule,
)
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.exchange.pulls import pullplans, sync
from ocpi_hub.journal.models import Look
from ocpi_hub.partners import agreements
from ocpi_hub.partners.models import IssuedToken, Party, Platform, Status
from ocpi_hub.proof import asking, runs
from ocpi_hub.proof.models import Asking, Reconciliation, Run
from tests import examples
from tests.partners import Partner, enveloped

OURS = [
    model for model in admin.site._registry if model._meta.app_label not in ("auth", "django_celery_beat")
]


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


@pytest.fixture
def traffic(cpo: Partner, emsp: Partner, deliver: object) -> None:
    """A bit of everything: a delivered push, a given-up one, a pull with a repair and a refusal, an agreement."""
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.answers.append(lambda request: enveloped(status_code=2001))
    cpo.put("receiver/locations/NL/ABC/LOC2", examples.location(id="LOC2"))
    deliver()
    emsp.answers.clear()
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token())
    cpo.lists["locations"] = [examples.location(id=3), examples.location(id="LOC4", city=None)]
    pullplans.make(cpo.platform)
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    agreements.settle("NL*ABC", "DE*MSP", "", allowed=True)
    occurrences.write(
        [occurrences.Noted("delivery.refused", emsp.platform.pk, "locations", "LOC2 was refused")]
    )
    Digest.objects.create(day=timezone.now().date(), platform=emsp.platform)
    Look.objects.create(who="somebody", asked="LOC1", correlation_ids=["c"])
    prove(emsp)


def prove(partner: Partner) -> None:
    """A reconciliation that finds what was given up, and a partner that does not allow GET."""
    run = runs.start(partner.platform, timezone.now())
    assert run is not None
    runs.follow(run)
    asking.note_refusal(partner.platform, "cdrs", "it said 405", timezone.now(), timezone.now())


@pytest.fixture
def charge(traffic: None, cpo: Partner, emsp: Partner) -> None:
    """What is about one charge."""
    cpo.post("sender/tokens/04A1B2C3D4/authorize")
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())
    cpo.post("receiver/cdrs", examples.cdr())
    cpo.put("receiver/tariffs/NL/ABC/TARIFF1", examples.tariff())
    cpo.get("sender/hubclientinfo")  # which lists everybody
    emsp.post("receiver/commands/START_SESSION", examples.start_session())
    emsp.put("receiver/chargingprofiles/SESSION1", examples.set_charging_profile())
    DeadLetterAction.objects.create(by="operator", what="DISCARD", chosen="all", note="a test")
    erasing.erase(erasing.driver_named("DE*MSP/NOBODY"), "operator")


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_list_and_every_row_opens(operator: Client, charge: None, model: type) -> None:
    opts = model._meta
    listed = operator.get(reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"), {"q": "LOC"})

    row = model._default_manager.first()
    assert listed.status_code == 200
    assert row is not None
    page = operator.get(reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk]))
    assert page.status_code == 200
    assert '<div class="readonly">None</div>' not in page.content.decode()


def test_the_body_of_a_message_names_no_driver(operator: Client, cpo: Partner, emsp: Partner) -> None:
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())
    row = Message.objects.get()

    page = operator.get(reverse("admin:exchange_message_change", args=[row.pk])).content.decode()

    assert "&quot;id&quot;: &quot;SESSION1&quot;" in page
    assert "&quot;uid&quot;: &quot;***&quot;" in page
    assert "04A1B2C3D4" not in page
    assert "DE-MSP-C00000001-1" not in page


def another_platform() -> Platform:
    return Platform.objects.create(name="Another", status=Status.CONNECTED, connected_at=timezone.now())


def another_report() -> None:
    occurrences.write([occurrences.Noted("delivery.refused", another_platform().pk, "locations", "refused")])


ANOTHER = {
    Platform: another_platform,
    Party: lambda: another_platform().parties.create(
        country_code="NL", party_id=f"X{Party.objects.count():02}"
    ),
    ErrorReport: another_report,
    Digest: lambda: Digest.objects.create(day=timezone.now().date(), platform=another_platform()),
    DeadLetterAction: lambda: DeadLetterAction.objects.create(by="ann", what="RETRY", chosen="all"),
    Lane: lambda: Lane.objects.create(platform=another_platform()),
    PullPlan: lambda: PullPlan.objects.create(platform=another_platform(), module="locations"),
    Reconciliation: lambda: Reconciliation.objects.create(
        platform=another_platform(), module="cdrs", day=timezone.now().date(), compared_at=timezone.now()
    ),
    Run: lambda: runs.start(another_platform(), timezone.now()),
    Asking: lambda: Asking.objects.create(platform=another_platform(), module="cdrs"),
}


@pytest.mark.parametrize("model", ANOTHER, ids=lambda model: model.__name__)
def test_a_list_asks_the_database_as_often_for_many_rows_as_for_two(operator: Client, model: type) -> None:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")  # type: ignore[attr-defined]
    operator.get(url)  # what is remembered from then on

    asked = []
    for number in (2, 4):
        for _ in range(number):
            ANOTHER[model]()
        with CaptureQueriesContext(connection) as queries:
            assert operator.get(url).status_code == 200
        asked.append(len(queries))

    assert asked[0] == asked[1], [query["sql"] for query in queries]


@pytest.mark.parametrize(
    "model", [m for m in OURS if issubclass(m, OwnedObject)], ids=lambda model: model.__name__
)
def test_owned_objects_can_be_neither_added_nor_changed_nor_deleted(
    operator: Client, charge: None, model: type
) -> None:
    row = model._default_manager.first()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"

    answers = [
        operator.post(reverse(f"{name}_add"), {}),
        operator.post(reverse(f"{name}_change", args=[row.pk]), {"object_id": "other"}),
        operator.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert model._default_manager.get(pk=row.pk).document == row.document


@pytest.mark.django_db
def test_nobody_sees_anything_without_a_login() -> None:
    for path in ("/admin/", "/admin/partners/platform/", "/admin/partners/platform/invite/"):
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/admin/login/")


@pytest.mark.django_db
def test_staff_without_the_right_may_not_invite() -> None:
    client = Client()
    client.force_login(User.objects.create_user("clerk", password="a long pass phrase", is_staff=True))

    answer = client.post(reverse("admin:partners_platform_invite"), {"name": "X", "parties": "NL-XXX-CPO"})

    assert answer.status_code == 403
    assert Platform.objects.count() == 0


def test_an_invitation_shows_its_token_once(operator: Client) -> None:
    form = {"name": "Newcomer", "parties": "NL-NEW-CPO, NL-NEW-EMSP"}

    page = operator.post(reverse("admin:partners_platform_invite"), form).content.decode()

    platform = Platform.objects.get()
    token = page.partition("Token A</th><td><code>")[2].partition("<")[0]
    invited = Client().get("/ocpi/versions", headers={"Authorization": f"Token {token}"})
    assert invited.status_code == 200
    assert "http://127.0.0.1:8000/ocpi/versions" in page
    assert platform.parties.get().invited_roles == ["CPO", "EMSP"]
    later = operator.get(reverse("admin:partners_platform_change", args=[platform.pk])).content.decode()
    assert token not in later


@pytest.mark.parametrize("parties", ["NL-TOOLONG-CPO", "NL-NEW-BOSS", "NLNEWCPO", ""])
def test_an_invitation_with_wrong_parties_says_so_and_invites_nobody(operator: Client, parties: str) -> None:
    answer = operator.post(
        reverse("admin:partners_platform_invite"), {"name": "Newcomer", "parties": parties}
    )

    assert answer.status_code == 200
    assert answer.context["form"].errors["parties"]
    assert Platform.objects.count() == 0


def test_an_invitation_for_a_party_of_another_platform_is_refused(operator: Client, cpo: Partner) -> None:
    form = {"name": "Impostor", "parties": "NL-ABC-CPO"}

    page = operator.post(reverse("admin:partners_platform_invite"), form).content.decode()

    holder = f"ABC (#{cpo.platform.pk})"
    assert f"NL*ABC already belongs to another platform of this hub: {holder}" in page
    assert list(Platform.objects.values_list("name", flat=True)) == ["ABC"]


def test_registering_with_a_partner_that_does_not_answer_says_why(operator: Client, network: object) -> None:
    form = {
        "name": "Silent",
        "versions_url": "https://silent.example/versions",
        "token": "token-a",
        "parties": "",
    }

    page = operator.post(reverse("admin:partners_platform_register"), form).content.decode()

    assert "GET https://silent.example/versions: silent.example: connection refused" in page
    assert "token-a" not in page
    assert Platform.objects.count() == 0


def test_a_suspended_partner_has_no_token_and_no_traffic(
    operator: Client, cpo: Partner, emsp: Partner
) -> None:
    asked = act(operator, Platform, "suspend", emsp.platform)

    assert "its waiting deliveries end" in asked
    assert emsp.get("sender/locations").codes == (200, 1000)
    act(operator, Platform, "suspend", emsp.platform, confirmed="yes")
    assert emsp.get("sender/locations").codes == (401, 2000)
    assert Platform.objects.get(pk=emsp.platform.pk).status == Status.SUSPENDED
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    assert Delivery.objects.count() == 0


def test_starting_over_gives_one_new_invitation_and_ends_the_old_token(
    operator: Client, cpo: Partner
) -> None:
    asked = act(operator, Platform, "start_over", cpo.platform)
    assert "You are shown a new token A, once" in asked
    assert cpo.get("sender/tokens").codes == (200, 1000)

    page = act(operator, Platform, "start_over", cpo.platform, confirmed="yes")

    assert cpo.get("sender/tokens").codes == (401, 2000)
    assert list(IssuedToken.objects.values_list("kind", flat=True)) == ["A"]
    assert "Token A</th>" in page


def test_given_up_deliveries_can_be_tried_again(
    operator: Client, traffic: None, emsp: Partner, deliver: object
) -> None:
    given_up = Delivery.objects.get(state="FAILED")
    before = len(emsp.received())

    act(operator, Delivery, "retry", given_up)
    deliver()

    given_up.refresh_from_db()
    assert given_up.state == "DELIVERED"
    again = [call.path for call in emsp.received()[before:]]
    assert again.count("/receiver/locations/NL/ABC/LOC2") == 1


def test_the_repair_table_can_be_edited(operator: Client, cpo: Partner) -> None:
    rule = RepairRule.objects.get(platform=cpo.platform, module="locations", kind="FILL", path="publish")
    form = {
        "platform": cpo.platform.pk,
        "module": "locations",
        "kind": "FILL",
        "path": "publish",
        "argument": "false",
        "enabled": "on",
    }

    answer = operator.post(reverse("admin:exchange_repairrule_change", args=[rule.pk]), form)

    rule.refresh_from_db()
    assert answer.status_code == 302
    assert (rule.argument, rule.enabled) == (False, True)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"path": "evses[].colour"}, "path", "evses[] has no field &#x27;colour&#x27;; its fields are"),
        ({"path": "evses.status"}, "path", "evses is a list; write evses[]"),
        ({"path": ""}, "path", "FILL needs a path, such as evses[].status"),
        ({"argument": ""}, "argument", "FILL takes the missing value, such as true"),
        ({"module": "nonsense"}, "module", "nonsense is not one of the available choices"),
    ],
)
def test_a_repair_rule_that_could_mend_nothing_is_refused_with_an_example(
    operator: Client, cpo: Partner, changes: dict, field: str, message: str
) -> None:
    rule = RepairRule.objects.get(platform=cpo.platform, module="locations", kind="FILL", path="publish")
    form = {
        "platform": cpo.platform.pk,
        "module": "locations",
        "kind": "FILL",
        "path": "publish",
        "argument": "false",
        "enabled": "on",
    }

    answer = operator.post(reverse("admin:exchange_repairrule_change", args=[rule.pk]), {**form, **changes})

    assert answer.context["adminform"].form.errors[field]
    assert message in answer.content.decode()
    rule.refresh_from_db()
    assert (rule.argument, rule.enabled) == (True, False)


def test_the_roles_of_a_party_are_those_of_the_specification(operator: Client, cpo: Partner) -> None:
    party = cpo.platform.parties.get()
    url = reverse("admin:partners_party_change", args=[party.pk])

    refused = operator.post(url, {"invited_roles": "CPO,BOSS"}).content.decode()
    assert Party.objects.get().invited_roles == []
    operator.post(url, {"invited_roles": "emsp,cpo"})

    assert "BOSS: a role is one of CPO, EMSP, HUB, NAP, NSP, OTHER, SCSP" in refused
    assert Party.objects.get().invited_roles == ["CPO", "EMSP"]


FORM_OF_A_PARTNER = {
    "name": "ABC", "inbound_encoding": "AUTO", "gap_policy": "LIST", "parties-TOTAL_FORMS": "0",
    "parties-INITIAL_FORMS": "0",
    "endpoints-TOTAL_FORMS": "0", "endpoints-INITIAL_FORMS": "0",
}  # fmt: skip


def limits() -> list[tuple[int | None, ...]]:
    return list(Platform.objects.values_list("connect_timeout", "total_timeout", "concurrent_relays"))


def test_a_partner_is_given_limits_of_its_own_and_the_hubs_again(operator: Client, cpo: Partner) -> None:
    url = reverse("admin:partners_platform_change", args=[cpo.platform.pk])

    operator.post(
        url, FORM_OF_A_PARTNER | {"connect_timeout": "2", "total_timeout": "60", "concurrent_relays": "16"}
    )
    assert limits() == [(2, 60, 16)]

    operator.post(url, FORM_OF_A_PARTNER)
    assert limits() == [(None, None, None)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"connect_timeout": "0"}, "connect_timeout"),
        ({"connect_timeout": "61"}, "connect_timeout"),
        ({"connect_timeout": "9", "total_timeout": "8"}, "connect_timeout"),
        ({"total_timeout": "0"}, "total_timeout"),
        ({"total_timeout": "121"}, "total_timeout"),
        ({"concurrent_relays": "0"}, "concurrent_relays"),
        ({"concurrent_relays": "49"}, "concurrent_relays"),
    ],
)
def test_limits_that_make_no_sense_are_refused(
    operator: Client, cpo: Partner, changes: dict[str, str], field: str
) -> None:
    url = reverse("admin:partners_platform_change", args=[cpo.platform.pk])

    answer = operator.post(url, FORM_OF_A_PARTNER | changes)

    assert list(answer.context["adminform"].form.errors) == [field]
    assert limits() == [(None, None, None)]


# ---------------------------------------------------------------------------------- who may only look
@pytest.fixture
def reader(db: None) -> Client:
    client = Client()
    user = User.objects.create_user("reader", password="a long pass phrase", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def test_who_may_only_look_is_offered_nothing_to_do(reader: Client, traffic: None, emsp: Partner) -> None:
    given_up = Delivery.objects.get(state="FAILED")

    deliveries = page_of(reader, Delivery)
    platforms = page_of(reader, Platform)
    act(reader, Delivery, "retry", given_up)
    act(reader, Platform, "suspend", emsp.platform, confirmed="yes")

    assert "NL/ABC/LOC2" in deliveries
    assert "Try given-up deliveries again" not in deliveries
    assert "Invite a partner" not in platforms
    assert "Register with a partner" not in platforms
    given_up.refresh_from_db()
    assert given_up.state == "FAILED"
    assert Platform.objects.get(pk=emsp.platform.pk).status == Status.CONNECTED


def test_the_right_to_change_deliveries_is_the_right_to_try_them_again(reader: Client, traffic: None) -> None:
    User.objects.get().user_permissions.add(Permission.objects.get(codename="change_delivery"))
    given_up = Delivery.objects.get(state="FAILED")

    act(reader, Delivery, "retry", given_up)

    given_up.refresh_from_db()
    assert given_up.state == "PENDING"


# ------------------------------------------------------------------------------------- lists and links
def test_lists_say_in_short_words_what_matters_first(operator: Client, traffic: None, emsp: Partner) -> None:
    assert columns(operator, Attempt)[:3] == ["At", "Outcome", "HTTP"]
    assert "/receiver/locations/NL/ABC/LOC2</td>" in page_of(operator, Attempt)
    assert '<td class="field-counts">2: 1 new, 0 changed, 1 refused' in page_of(operator, Pull)
    assert columns(operator, Delivery)[:5] == ["Path", "To party", "State", "Tries", "Next try"]
    assert '<td class="field-short_state">given up</td>' in page_of(operator, Delivery)
    assert "FILL:time_zone" in page_of(operator, RepairRule)


def test_attempts_are_found_by_platform_and_path(operator: Client, traffic: None, emsp: Partner) -> None:
    assert "/receiver/locations/NL/ABC/LOC2" in page_of(operator, Attempt, platform_id=emsp.platform.pk)
    assert "/receiver/locations" not in page_of(operator, Attempt, platform_id=0)
    found = page_of(operator, Attempt, q="NL/ABC/LOC2")
    assert ("LOC2</td>" in found, "LOC1</td>" in found) == (True, False)


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("LOC2", 1), ("loc2", 1), ("LOC", 2), ("OC2", 0), ("NL/ABC/LOC1", 1), ("nl/abc/", 3), ("DE*MSP", 3),
        ("04A1B2C3D4", 1), ("nothing", 0),
    ],
)  # fmt: skip
def test_a_delivery_is_found_by_the_id_of_its_object(
    operator: Client, traffic: None, deliver: object, term: str, found: int
) -> None:
    deliver()

    listed = operator.get(reverse("admin:exchange_delivery_changelist"), {"q": term})

    assert listed.context["cl"].result_count == found


def test_repaired_objects_are_found(operator: Client, traffic: None) -> None:
    assert Location.objects.count() == 3
    for choice, ids in (("yes", ["3"]), ("no", ["LOC1", "LOC2"])):
        listed = operator.get(reverse("admin:locations_location_changelist"), {"repaired": choice})
        assert sorted(row.object_id for row in listed.context["cl"].result_list) == ids


def test_an_object_tells_which_platform_has_it_and_why_not(
    operator: Client, traffic: None, cpo: Partner, emsp: Partner, stranger: Partner
) -> None:
    location = Location.objects.get(object_id="LOC2")

    page = operator.get(reverse("admin:locations_location_change", args=[location.pk])).content.decode()

    assert "the object is its own" in page
    assert ">given up</a>" in page
    linked = re.search(r'href="([^"]+)">all deliveries of this object', page)
    listed = operator.get(linked[1].replace("&amp;", "&"))
    assert [row.path for row in listed.context["cl"].result_list] == ["NL/ABC/LOC2"]
    assert "HTTP 200, 2001: no message" in page


def test_a_delivery_to_an_offline_partner_is_held(operator: Client, traffic: None, emsp: Partner) -> None:
    row = offline(emsp)

    page = operator.get(reverse("admin:exchange_delivery_change", args=[row.pk])).content.decode()

    assert "held: partner offline, next probe at 2026-11-30 12:00:00" in page
    assert reverse("admin:exchange_lane_change", args=[emsp.platform.pk]) in page


def test_a_partner_is_probed_when_asked(operator: Client, traffic: None, emsp: Partner) -> None:
    row = offline(emsp)
    before = timezone.now()

    page = act(operator, Platform, "probe", emsp.platform)

    row.refresh_from_db()
    emsp.platform.refresh_from_db()
    assert f"{emsp.platform} is asked within seconds; its page tells what came of it." in page
    assert before <= emsp.platform.next_probe_at <= timezone.now()
    assert before <= Lane.objects.get(pk=emsp.platform.pk).probe_at <= timezone.now()
    assert before <= row.next_attempt_at <= timezone.now()


@pytest.mark.parametrize("status", ["PLANNED", "SUSPENDED"])
def test_who_is_not_registered_is_not_probed(operator: Client, emsp: Partner, status: str) -> None:
    Platform.objects.filter(pk=emsp.platform.pk).update(status=status)

    page = act(operator, Platform, "probe", emsp.platform)

    assert f"{emsp.platform} is not registered." in page
    emsp.platform.refresh_from_db()
    assert emsp.platform.next_probe_at is None


def test_a_platforms_page_tells_how_it_is_watched(operator: Client, emsp: Partner) -> None:
    Platform.objects.filter(pk=emsp.platform.pk).update(
        status=Status.OFFLINE,
        last_heard_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
        missed_probes=7,
        next_probe_at=datetime(2026, 11, 30, 13, tzinfo=UTC),
        probe_outcome="msp.example: connection refused",
    )

    page = operator.get(reverse("admin:partners_platform_change", args=[emsp.platform.pk])).content.decode()

    for name, told in {
        "Last heard at": "2026-11-30 12:00:00",
        "Missed probes": "7",
        "Next probe at": "2026-11-30 13:00:00",
        "Why offline": "msp.example: connection refused",
        "Probe outcome": "msp.example: connection refused",
    }.items():
        assert told in page.partition(f"{name}:")[2][:300], name
    assert "msp.example: connection refused" in page_of(operator, Platform)


def test_what_was_given_up_for_a_partner_leads_to_its_dead_letters(
    operator: Client, traffic: None, emsp: Partner
) -> None:
    link = f'href="/admin/exchange/deadletter/?platform__id__exact={emsp.platform.pk}">1</a>'

    assert link in operator.get(reverse("admin:partners_platform_changelist")).content.decode()
    assert (
        link
        in operator.get(reverse("admin:partners_platform_change", args=[emsp.platform.pk])).content.decode()
    )


def test_every_link_of_a_platforms_page_opens(operator: Client, traffic: None, emsp: Partner) -> None:
    offline(emsp)
    url = reverse("admin:partners_platform_change", args=[emsp.platform.pk])

    page = operator.get(url).content.decode()

    links = re.findall(r'href="([^"]+)"', page.partition("Traffic:")[2].partition("Version:")[0])
    assert len(links) == 9
    for linked in links:
        answer = operator.get(linked.replace("&amp;", "&"))
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_the_menu_is_without_schedules_that_nothing_uses_and_a_browser_finds_no_fault(
    operator: Client,
) -> None:
    page = operator.get("/admin/").content.decode()

    assert "Periodic tasks" in page
    assert "Clocked" not in page
    assert "Solar" not in page
    assert Client().get("/favicon.ico").status_code == 204


def test_no_page_shows_a_secret(operator: Client, traffic: None, cpo: Partner) -> None:
    secrets = [cpo.token, "token-of-abc", cpo.platform.token_cipher, IssuedToken.objects.first().digest]

    for model in OURS:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages = [operator.get(reverse(f"{name}_changelist"))]
        pages += [
            operator.get(reverse(f"{name}_change", args=[row.pk])) for row in model._default_manager.all()[:5]
        ]
        for page in pages:
            assert not [secret for secret in secrets if secret in page.content.decode()], page.request[
                "PATH_INFO"
            ]


def act(operator: Client, model: type, action: str, *rows: object, **more: str) -> str:
    """Choose rows in a list and run an action on them; the page that follows."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    form = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return operator.post(url, form, follow=True).content.decode()


def offline(partner: Partner) -> Delivery:
    """The partner is offline since five failures, and one delivery waits for it."""
    until = datetime(2026, 11, 30, 12, tzinfo=UTC)
    Platform.objects.filter(pk=partner.platform.pk).update(status=Status.OFFLINE)
    Lane.objects.update_or_create(platform=partner.platform, defaults={"failures": 5, "probe_at": until})
    rows = Delivery.objects.filter(state="FAILED")
    rows.update(state="PENDING", next_attempt_at=timezone.now() + timedelta(hours=1), finished_at=None)
    return Delivery.objects.get(state="PENDING")


def page_of(client: Client, model: type, **query: object) -> str:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return client.get(url, query).content.decode()


def columns(client: Client, model: type) -> list[str]:
    return re.findall(r'<div class="text">\s*<(?:a|span)[^>]*>([^<]+)<', page_of(client, model))
