import pytest

from tests import examples


@pytest.mark.django_db
def test_a_pushed_location_reaches_the_provider(cpo, emsp, deliver):
    answered = cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())

    assert answered.codes == (201, 1000), answered.message
    assert deliver() == 1
    assert [(call.method, call.path, call.body) for call in emsp.received()] == [
        ("PUT", "/receiver/locations/NL/ABC/LOC1", examples.location())
    ]
    assert emsp.get("sender/locations").data == [examples.location()]
