"""What is mended in pulled Tariffs: what live feeds write in another form, and nothing that they do not say."""

import pytest
from django.core.management import call_command

from ocpi_hub.exchange.models import RefusedObject, RepairRule
from ocpi_hub.exchange.pulls import repairs, sync
from tariffs.models import Tariff
from tests import examples

pytestmark = pytest.mark.django_db

ENERGY = {"type": "ENERGY", "price": 1, "vat": 20, "step_size": 1}


def element(restrictions=None, **changes):
    return {"price_components": [{**ENERGY, **changes}], "restrictions": restrictions}


def pull(cpo, **changes):
    cpo.lists["tariffs"] = [examples.tariff(**changes), examples.tariff(id="SOUND")]
    [report] = sync.pull_platform(cpo.platform.pk, "tariffs", full=True)
    return report


def pulled(cpo, **changes):
    """The Tariff as it is kept, and the rules that mended it."""
    report = pull(cpo, **changes)
    assert (report.pull.new, report.pull.repaired, report.refusals) == (2, 1, [])
    return cpo.get("receiver/tariffs/NL/ABC/TARIFF1").data, report.repairs


def pulled_again(cpo, **changes):
    report = pull(cpo, **changes)
    assert report.refusals == []
    return cpo.get("receiver/tariffs/NL/ABC/TARIFF1").data, report.repairs


def restrictions(cpo, given):
    tariff, used = pulled(cpo, elements=[element(given)])
    return tariff["elements"][0]["restrictions"], used


def switch_on(cpo, path):
    assert RepairRule.objects.filter(platform=cpo.platform, kind="WRAP", path=path).update(enabled=True) == 1


def test_numbers_as_text(cpo):
    tariff, used = pulled(
        cpo, elements=[element({"min_kwh": "0.1000"}, price="0.4583", vat="20.0000", step_size="60")]
    )

    assert tariff["elements"] == [element({"min_kwh": 0.1}, price=0.4583, vat=20, step_size=60)]
    assert used == {"text to number: anywhere": 4}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("08:00:00", "08:00"),
        ("8:00", "08:00"),
        ("19:59:59", "20:00"),
        ("07:29:59", "07:30"),
        ("23:59:59", "23:59"),
        ("22:00:00.000", "22:00"),
        (" 07:00:30 ", "07:00"),
    ],
)
def test_times_of_day_with_seconds(cpo, given, kept):
    found, used = restrictions(cpo, {"end_time": given})

    assert found == {"end_time": kept}
    assert used == {"other form of time to the specified one: anywhere": 1}


@pytest.mark.parametrize("given", ["24:00:00", "8 o'clock", "8", "25:00:00", "08:60:00"])
def test_what_is_no_time_of_day_is_refused_by_its_place(cpo, given):
    report = pull(cpo, elements=[element({"start_time": given})])

    assert [refusal["id"] for refusal in report.refusals] == ["NL*ABC/TARIFF1"]
    assert report.refusals[0]["reason"].startswith("$.elements[0].restrictions.start_time: ")
    assert list(Tariff.objects.values_list("object_id", flat=True)) == ["SOUND"]


@pytest.mark.parametrize(
    ("given", "kept"), [([{"min_kwh": 5}], {"min_kwh": 5}), ([{"min_kwh": "5"}], {"min_kwh": 5}), ([], {})]
)
def test_restrictions_as_a_list(cpo, given, kept):
    found, used = restrictions(cpo, given)

    assert found == kept
    assert used["list of one to the one: elements[].restrictions"] == 1


def test_restrictions_as_a_list_of_several_are_refused(cpo):
    report = pull(cpo, elements=[element([{"min_kwh": 5}, {"max_kwh": 9}])])

    assert [refusal["reason"] for refusal in report.refusals] == ["$.elements[0].restrictions: not an object"]


@pytest.mark.parametrize("name", ["min_price", "max_price"])
@pytest.mark.parametrize("given", [0.5, "0.50"])
def test_a_bound_as_a_number_once_the_operator_says_that_it_is_without_vat(cpo, name, given):
    refused = pull(cpo, **{name: given}).refusals
    switch_on(cpo, name)

    tariff, used = pulled_again(cpo, **{name: given})

    assert [refusal["reason"] for refusal in refused] == [
        f"$.{name}: not an object; the repair WRAP:{name} is switched off"
    ]
    assert tariff[name] == {"excl_vat": 0.5}
    assert used[f"bare value to the object that holds it: {name}"] == 1
    assert not RefusedObject.objects.exists()


def test_texts_without_a_language_once_the_operator_says_which(cpo):
    texts = ["Base tariff", {"language": "de", "text": "Grundtarif"}]
    refused = pull(cpo, tariff_alt_text=texts).refusals
    switch_on(cpo, "tariff_alt_text[]")

    tariff, used = pulled_again(cpo, tariff_alt_text=texts)

    assert [refusal["reason"] for refusal in refused] == [
        "$.tariff_alt_text[0]: not an object; the repair WRAP:tariff_alt_text[] is switched off"
    ]
    assert tariff["tariff_alt_text"] == [{"language": "en", "text": "Base tariff"}, texts[1]]
    assert used == {"bare value to the object that holds it: tariff_alt_text[]": 1}


def test_a_feed_as_it_comes(cpo):
    """No owner, numbers as text, times without a zone: all at once, and what came is kept beside it."""
    broken = examples.tariff(
        elements=[element({"start_time": "08:00:00"}, price="0.45")], last_updated="2026-03-01T08:00:00"
    )
    del broken["country_code"], broken["party_id"]
    cpo.lists["tariffs"] = [broken]

    [report] = sync.pull_platform(cpo.platform.pk, "tariffs", full=True)

    row = Tariff.objects.get()
    assert (str(row), report.pull.repaired, report.refusals) == ("NL/ABC/TARIFF1", 1, [])
    assert '"08:00:00"' in row.received
    assert '"08:00"' in row.document


def test_a_currency_that_is_missing_is_made_up_by_nobody(cpo):
    report = pull(cpo, currency=None)

    assert [refusal["reason"] for refusal in report.refusals] == [
        "$.currency: required, so null is not allowed"
    ]


def test_a_partner_that_registered_before_the_module_was_there_gets_its_rules(cpo):
    RepairRule.objects.filter(module="tariffs").delete()

    tariff, used = pulled(cpo, elements=[element(price="2")])

    assert tariff["elements"] == [element(price=2)]
    assert used == {"text to number: anywhere": 1}
    rules = RepairRule.objects.filter(platform=cpo.platform, module="tariffs")
    assert rules.count() == len(repairs.STANDARD) + len(Tariff.repairs)


def test_rules_that_the_operator_took_out_stay_out(cpo):
    RepairRule.objects.filter(module="tariffs").exclude(kind="TEXT").delete()

    report = pull(cpo, elements=[element(price="2")])

    assert report.pull.refused == 1
    assert RepairRule.objects.filter(module="tariffs").count() == 1


def test_the_command_says_how_many_are_deleted_as_they_are_no_longer_listed(cpo, capsys):
    cpo.lists["tariffs"] = [examples.tariff(id=f"T{n}") for n in range(3)]
    sync.pull_platform(cpo.platform.pk, "tariffs", full=True)
    cpo.lists["tariffs"] = cpo.lists["tariffs"][1:]

    call_command("pull", platform=cpo.platform.pk, module="tariffs", full=True)

    told = capsys.readouterr().out.splitlines()
    assert told[1:] == ["  no longer listed: 1, deleted here and at whoever has them"]
    assert Tariff.objects.present().count() == 2
