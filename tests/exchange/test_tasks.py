"""What the tasks add to what they call: when a pull is asked for once more."""

import pytest

from ocpi_hub.exchange import tasks
from tests import examples
from tests.partners import enveloped


@pytest.fixture
def asked_for(monkeypatch):
    """Pulls that are asked for, each with the seconds until then."""
    asked = []
    monkeypatch.setattr(
        tasks.pull, "apply_async", lambda args, countdown, expires: asked.append((args, countdown))
    )
    return asked


def unknown(request):
    return enveloped(status_code=2000, http_status=401)


def test_a_full_pull_that_cannot_begin_is_tried_again_twice_and_then_by_its_schedule(cpo, asked_for, caplog):
    """As when the hub reads the list of a partner that is still at work on its registration."""
    caplog.set_level("INFO", logger="ocpi_hub.exchange.tasks")
    pk = cpo.platform.pk
    cpo.answers.append(unknown)

    for tries in range(3):
        tasks.pull(pk, "locations", True, None, tries)

    assert asked_for == [((pk, "locations", True, None, 1), 5), ((pk, "locations", True, None, 2), 60)]
    said = [record.message for record in caplog.records if record.name == "ocpi_hub.exchange.tasks"]
    assert said == [
        f"full pull of locations from platform {pk} could not begin, and is tried again in {seconds} s"
        for seconds in (5, 60)
    ]


def test_a_pull_that_has_read_something_or_was_not_full_waits_for_its_schedule(cpo, asked_for):
    cpo.lists["locations"], cpo.page_size = [examples.location(id=f"LOC{n}") for n in range(2)], 1
    tasks.pull(cpo.platform.pk, "locations", True)
    cpo.answers.append(lambda request: unknown(request) if "offset" in str(request.url) else None)
    tasks.pull(cpo.platform.pk, "locations", True)
    cpo.answers.append(unknown)
    tasks.pull(cpo.platform.pk, "locations", False)

    assert asked_for == []
