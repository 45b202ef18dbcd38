"""The admin: every page opens, owned objects cannot be edited, secrets are not shown."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from ocpi_hub.exchange import sync
from ocpi_hub.exchange.models import Delivery, RepairRule
from ocpi_hub.exchange.ownedobject import OwnedObject
from ocpi_hub.partners.models import IssuedToken, Platform, Status
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
    """A bit of everything: a delivered push, a given-up one, a pull with a repair and a refusal."""
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.answers.append(lambda request: enveloped(status_code=2001))
    cpo.put("receiver/locations/NL/ABC/LOC2", examples.location(id="LOC2"))
    deliver()
    emsp.answers.clear()
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token())
    cpo.lists["locations"] = [examples.location(id=3), examples.location(id="LOC4", city=None)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_list_and_every_row_opens(operator: Client, traffic: None, model: type) -> None:
    opts = model._meta
    listed = operator.get(reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"), {"q": "LOC"})

    row = model._default_manager.first()
    assert listed.status_code == 200
    assert row is not None
    page = operator.get(reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk]))
    assert page.status_code == 200


@pytest.mark.parametrize(
    "model", [m for m in OURS if issubclass(m, OwnedObject)], ids=lambda model: model.__name__
)
def test_owned_objects_can_be_neither_added_nor_changed_nor_deleted(
    operator: Client, traffic: None, model: type
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
    form = {"name": "Newcomer", "parties": "NL-NEW-CPO\nNL-NEW-EMSP"}

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

    assert "NL*ABC already belongs to another platform of this hub" in page
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
    act(operator, Platform, "suspend", emsp.platform)

    assert emsp.get("sender/locations").codes == (401, 2000)
    assert Platform.objects.get(pk=emsp.platform.pk).status == Status.SUSPENDED
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    assert Delivery.objects.count() == 0


def test_starting_over_gives_one_new_invitation_and_ends_the_old_token(
    operator: Client, cpo: Partner
) -> None:
    page = act(operator, Platform, "start_over", cpo.platform)

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


def act(operator: Client, model: type, action: str, *rows: object) -> str:
    """Choose rows in a list and run an action on them; the page that follows."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return operator.post(url, form, follow=True).content.decode()
