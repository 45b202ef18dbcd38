"""What the hub keeps of a Tariff beside its document."""

import pytest

from tariffs.models import Tariff
from tests import examples

pytestmark = pytest.mark.django_db

PATH = "receiver/tariffs/NL/ABC/TARIFF1"
LATER = "2026-03-02T08:00:00Z"


def test_what_looks_wrong_is_noted_and_refuses_nothing(cpo, emsp, deliver):
    made = examples.tariff(currency="XYZ")

    assert cpo.put(PATH, made).codes == (201, 1000)
    deliver()

    assert Tariff.objects.get().findings == [
        "$.currency: XYZ is no currency of ISO 4217; write one such as EUR."
    ]
    assert emsp.received("PUT")[0].body == made


def test_findings_are_gone_with_the_mistake(cpo):
    cpo.put(PATH, examples.tariff(currency="XYZ"))

    cpo.put(PATH, examples.tariff(last_updated=LATER))

    assert Tariff.objects.get().findings == []
