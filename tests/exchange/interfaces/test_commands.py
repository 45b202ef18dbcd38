"""What `manage.py pull` and `manage.py repairs` say about platforms that they can do nothing for."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ocpi_hub.partners.models import Endpoint, Platform
from tests.partners import Partner


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as reason:
        call_command(*arguments)
    return str(reason.value)


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["pull", "repairs"])
@pytest.mark.parametrize("number", ["99", str(2**70)])
def test_a_platform_that_is_not_there_is_named(command: str, number: str) -> None:
    assert refused(command, "--platform", number) == f"there is no platform {number}"


@pytest.mark.django_db
def test_a_platform_that_never_registered_has_nothing_yet() -> None:
    platform = Platform.objects.create(name="Later")
    number = str(platform.pk)

    assert refused("pull", "--platform", number) == (
        f"Later (#{number}) is not registered; it is planned: invited, never connected yet"
    )
    assert refused("repairs", "--platform", number) == (
        f"Later (#{number}) has no repair table yet: it gets one when it registers"
    )


def test_a_list_that_a_partner_does_not_offer_is_named(cpo: Partner) -> None:
    Endpoint.objects.filter(platform=cpo.platform, role=Endpoint.Role.SENDER).delete()

    said = refused("pull", "--platform", str(cpo.platform.pk), "--module", "locations")

    assert said == f"{cpo.platform} offers no list of locations that is ours to read"


def test_a_rule_is_switched_by_its_name(cpo: Partner) -> None:
    number, out = str(cpo.platform.pk), StringIO()

    call_command("repairs", "--platform", number, "--enable", "FILL:publish", stdout=out)

    assert "on  locations  FILL:publish" in out.getvalue()
    assert refused("repairs", "--platform", number, "--enable", "FILL:x") == (
        f"{cpo.platform} has no rule FILL:x"
    )
