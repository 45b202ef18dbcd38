"""From an accepted change to the deliveries it causes."""

import pytest
from django.db import IntegrityError, connection, transaction

from locations.models import Location
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Message, Tally
from ocpi_hub.exchange.objects.ownedobject import Address
from ocpi_hub.exchange.objects.upserts import Stored
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.types import PartyRef
from sessions.models import Session
from tests import examples
from tests.partners import register

OWNER = PartyRef("NL", "ABC")
IDS = MessageIDs("request-1", "correlation-1")


def publish(source, *children, object_id="LOC1", row_id=1, method="PUT", body=b"{}"):
    address = Address(OWNER, object_id, children)
    outbox.publish(Location, address, Stored(row_id, created=True), source, IDS, method=method, body=body)


def deliveries(platform=None):
    rows = Delivery.objects.order_by("id").filter(**({"platform": platform} if platform else {}))
    return [(row.key, row.state, row.exact) for row in rows]


# ----------------------------------------------------------------------------------------------- messages
def test_a_push_writes_one_message_about_the_part_that_changed(cpo, emsp):
    cpo.put(
        "receiver/locations/nl/abc/loc1",
        examples.location(),
        **{"X-Request-ID": "r", "X-Correlation-ID": "c"},
    )

    message = Message.objects.get()
    assert (message.module, message.method, message.variant) == ("locations", "PUT", "")
    assert (message.path, message.key, message.parent_key) == ("nl/abc/loc1", "NL/ABC/LOC1", "NL/ABC/LOC1")
    assert message.row_id == Location.objects.get().pk
    assert (message.request_id, message.correlation_id) == ("r", "c")
    assert message.source == cpo.platform
    assert message.expanded_at is None
    assert Delivery.objects.count() == 0


def test_a_change_of_a_connector_names_it_and_the_whole_object(cpo, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    cpo.patch(
        "receiver/locations/NL/ABC/LOC1/EVSE1/1", {"max_amperage": 16, "last_updated": "2026-03-01T09:00:00Z"}
    )

    message = Message.objects.first()
    assert (message.key, message.parent_key) == ("NL/ABC/LOC1/EVSE1/1", "NL/ABC/LOC1")
    assert (message.method, message.body) == (
        "PATCH",
        '{"max_amperage": 16, "last_updated": "2026-03-01T09:00:00Z"}',
    )


def test_object_and_message_stand_or_fall_together(cpo, emsp, monkeypatch):
    def fail(*args, **kwargs):
        raise IntegrityError("no message can be written")

    monkeypatch.setattr(outbox, "publish_many", fail)
    answered = cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())

    assert answered.codes == (500, 3000)
    assert (Location.objects.count(), Message.objects.count()) == (0, 0)


def test_what_is_one_row_and_its_message_stand_or_fall_together(transactional_db, cpo, emsp, monkeypatch):
    """They are written by one statement, with no transaction around it."""
    noted = outbox.message

    def too_long(*args, **kwargs):
        message = noted(*args, **kwargs)
        message.module = "x" * 21
        return message

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "message", too_long)
        assert cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session()).codes == (500, 3000)
        left = (Session.objects.count(), Message.objects.count(), Tally.objects.count())

    assert left == (0, 0, 0)
    assert cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session()).codes == (201, 1000)
    assert (Session.objects.count(), Message.objects.count(), Tally.objects.count()) == (1, 1, 1)


def test_a_rollback_leaves_no_message_and_rings_nobody(cpo, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        publish(cpo.platform)
        transaction.set_rollback(True)

    assert Message.objects.count() == 0
    assert callbacks == []


def test_a_message_rings_once_after_the_commit(cpo, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        publish(cpo.platform)

    assert callbacks == [outbox.doorbell.ring]


def test_publishing_nothing_rings_nobody(db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        outbox.publish_many([])

    assert callbacks == []


def test_a_stale_push_is_not_published(cpo, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    answered = cpo.put(
        "receiver/locations/NL/ABC/LOC1", examples.location(last_updated="2026-03-01T07:00:00Z")
    )

    assert answered.codes == (200, 1000)
    assert Message.objects.count() == 1


# ---------------------------------------------------------------------------------------------- receivers
def test_every_platform_but_the_sender_gets_one_delivery(network, cpo, emsp, stranger):
    other = register(network, "CPB", "NL-CPB-CPO")
    publish(cpo.platform)

    assert outbox.expand() == {emsp.platform.pk, stranger.platform.pk}
    rows = Delivery.objects.order_by("platform_id").values_list(
        "platform_id", "to_party", "state", "exact", "tries"
    )
    assert list(rows) == [
        (emsp.platform.pk, "DE*MSP", "PENDING", True, 0),
        (stranger.platform.pk, "FR*XYZ", "PENDING", True, 0),
    ]
    assert not Delivery.objects.filter(platform=other.platform).exists()
    assert Message.objects.get().expanded_at is not None


def test_the_sender_gets_nothing_even_when_it_is_in_the_receiving_role_too(stranger):
    publish(stranger.platform)

    assert outbox.expand() == set()


def test_a_delivery_is_addressed_to_the_first_party_with_the_needed_role(network, cpo):
    register(network, "BIG", "BE-ONE-CPO", "BE-TWO-EMSP", "BE-TRE-NSP", "BE-FOR-EMSP")
    publish(cpo.platform)
    outbox.expand()

    assert [row.to_party for row in Delivery.objects.all()] == ["BE*TWO"]


@pytest.mark.parametrize(
    ("changes", "reached"),
    [
        ({"status": "CONNECTED"}, True),
        ({"status": "OFFLINE"}, True),
        ({"status": "PLANNED"}, False),
        ({"status": "SUSPENDED"}, False),
        ({"pull_only": True}, False),
        ({"token_cipher": ""}, False),
    ],
)
def test_only_registered_platforms_that_take_pushes_are_reached(cpo, emsp, changes, reached):
    Platform.objects.filter(pk=emsp.platform.pk).update(**changes)
    publish(cpo.platform)

    assert outbox.expand() == ({emsp.platform.pk} if reached else set())
    assert Delivery.objects.count() == int(reached)


@pytest.mark.parametrize(
    ("module", "role"), [("locations", "SENDER"), ("tokens", "RECEIVER"), ("cdrs", "RECEIVER")]
)
def test_only_the_receiver_endpoint_of_the_module_counts(cpo, emsp, module, role):
    emsp.platform.endpoints.all().delete()
    emsp.platform.endpoints.create(module=module, role=role, url="https://msp.example/x")
    publish(cpo.platform)

    assert outbox.expand() == set()


@pytest.mark.parametrize(
    ("role", "reached"),
    [
        ("EMSP", True),
        ("NSP", True),
        ("OTHER", True),
        ("NAP", True),
        ("CPO", False),
        ("SCSP", False),
        ("HUB", False),
    ],
)
def test_locations_are_for_those_who_offer_or_show_charging(network, cpo, role, reached):
    register(network, "ANY", f"BE-ANY-{role}")
    publish(cpo.platform)
    outbox.expand()

    assert Delivery.objects.exists() is reached


def test_a_message_for_one_party_reaches_its_platform_only(cpo, emsp, stranger):
    publish(cpo.platform)
    Message.objects.update(audience="FR*XYZ")

    assert outbox.expand() == {stranger.platform.pk}


def test_messages_of_a_module_that_is_switched_off_are_expanded_to_nobody(cpo, emsp):
    publish(cpo.platform)
    Message.objects.update(module="invoices")

    assert outbox.expand() == set()
    assert Message.objects.filter(expanded_at=None).count() == 0


# ---------------------------------------------------------------------------------------------- expansion
def test_expanding_twice_changes_nothing(cpo, emsp):
    publish(cpo.platform)
    outbox.expand()
    before = list(Delivery.objects.values())

    assert outbox.expand() == set()
    assert list(Delivery.objects.values()) == before


def test_many_messages_are_expanded_in_steps(cpo, emsp, monkeypatch):
    monkeypatch.setattr(outbox, "BATCH", 2)
    for number in range(5):
        publish(cpo.platform, object_id=f"LOC{number}")

    assert outbox.expand() == {emsp.platform.pk}
    assert [key for key, _, _ in deliveries()] == [f"NL/ABC/LOC{number}" for number in range(5)]


def test_many_messages_are_expanded_without_comparing_each_delivery_with_every_other(
    cpo, emsp, stranger, rows_read
):
    for number in range(300):
        publish(cpo.platform, object_id=f"OLD{number}")
    outbox.expand()
    Delivery.objects.update(state="DELIVERED")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE exchange_delivery")  # the statistics of a quiet hour: nothing is pending
    before = rows_read("exchange_delivery")
    for number in range(300):
        publish(cpo.platform, object_id=f"NEW{number}")
    outbox.expand()

    assert Delivery.objects.filter(state="PENDING").count() == 600
    assert rows_read("exchange_delivery") - before < 20 * 600


PENDING, SENDING, DELIVERED, ABSORBED = "PENDING", "SENDING", "DELIVERED", "ABSORBED"
WHOLE, EVSE1, EVSE2, CONNECTOR = (
    "NL/ABC/LOC1",
    "NL/ABC/LOC1/EVSE1",
    "NL/ABC/LOC1/EVSE2",
    "NL/ABC/LOC1/EVSE1/1",
)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([()], [(WHOLE, PENDING, True)]),
        ([(), ()], [(WHOLE, PENDING, False)]),
        ([("EVSE1",), ("evse1",)], [(EVSE1, PENDING, False)]),
        ([("EVSE1",), ("EVSE1",), ("EVSE1",)], [(EVSE1, PENDING, False)]),
        ([("EVSE1",), ()], [(EVSE1, ABSORBED, None), (WHOLE, PENDING, False)]),
        ([(), ("EVSE1",)], [(WHOLE, PENDING, False), (EVSE1, ABSORBED, None)]),
        ([("EVSE1", "1"), ("EVSE1",)], [(CONNECTOR, ABSORBED, None), (EVSE1, PENDING, False)]),
        ([("EVSE1",), ("EVSE1", "1")], [(EVSE1, PENDING, False), (CONNECTOR, ABSORBED, None)]),
        (
            [("EVSE1", "1"), ("EVSE2",), ()],
            [(CONNECTOR, ABSORBED, None), (EVSE2, ABSORBED, None), (WHOLE, PENDING, False)],
        ),
    ],
)
def test_deliveries_of_one_part_are_one_and_a_whole_carries_its_parts(cpo, emsp, at_once, parts, found):
    for children in parts:
        publish(cpo.platform, *children)
        if not at_once:
            outbox.expand()
    outbox.expand()

    assert [(key, state, None if state == ABSORBED else exact) for key, state, exact in deliveries()] == found


@pytest.mark.parametrize("at_once", [True, False])
def test_two_parts_of_one_object_are_both_sent_and_only_the_first_may_be_exact(cpo, emsp, at_once):
    publish(cpo.platform, "EVSE1")
    if not at_once:
        outbox.expand()
    publish(cpo.platform, "EVSE2")
    outbox.expand()

    assert deliveries() == [(EVSE1, PENDING, not at_once), (EVSE2, PENDING, False)]


def test_a_collapsed_delivery_carries_the_newest_message(cpo, emsp):
    publish(cpo.platform)
    outbox.expand()
    publish(cpo.platform, row_id=2)
    outbox.expand()

    delivery = Delivery.objects.get()
    assert delivery.message == Message.objects.latest("id")
    assert delivery.row_id == 2
    assert Message.objects.count() == 2


@pytest.mark.parametrize("state", [SENDING, PENDING])
def test_a_change_is_not_exact_while_anything_of_its_object_is_under_way(cpo, emsp, state):
    publish(cpo.platform, "EVSE2")
    outbox.expand()
    Delivery.objects.update(state=state)
    publish(cpo.platform, "EVSE1")
    outbox.expand()

    assert deliveries()[-1] == (EVSE1, PENDING, False)


@pytest.mark.parametrize("state", [DELIVERED, ABSORBED, "FAILED"])
def test_a_change_is_exact_when_all_before_is_over(cpo, emsp, state):
    publish(cpo.platform, "EVSE2")
    outbox.expand()
    Delivery.objects.update(state=state)
    publish(cpo.platform, "EVSE1")
    outbox.expand()

    assert deliveries() == [(EVSE2, state, True), (EVSE1, PENDING, True)]


def test_what_is_under_way_to_others_or_of_others_does_not_matter(cpo, emsp, stranger):
    publish(cpo.platform, object_id="LOC2")
    outbox.expand()
    Delivery.objects.filter(platform=stranger.platform).update(state=DELIVERED)
    publish(cpo.platform)
    outbox.expand()

    assert deliveries(emsp.platform) == [("NL/ABC/LOC2", PENDING, True), (WHOLE, PENDING, True)]
    assert deliveries(stranger.platform) == [("NL/ABC/LOC2", DELIVERED, True), (WHOLE, PENDING, True)]


def test_a_part_under_way_is_not_absorbed(cpo, emsp):
    publish(cpo.platform, "EVSE1")
    outbox.expand()
    Delivery.objects.update(state=SENDING)
    publish(cpo.platform)
    outbox.expand()

    assert deliveries() == [(EVSE1, SENDING, True), (WHOLE, PENDING, False)]


def test_an_object_whose_id_begins_like_another_is_not_its_part(cpo, emsp):
    publish(cpo.platform, object_id="LOC1")
    publish(cpo.platform, object_id="LOC11")
    publish(cpo.platform, object_id="LOC1/EVSE1")
    outbox.expand()

    assert [(key, state) for key, state, _ in deliveries()] == [
        ("NL/ABC/LOC1", PENDING),
        ("NL/ABC/LOC11", PENDING),
        ("NL/ABC/LOC1%2FEVSE1", PENDING),
    ]


def test_an_evse_whose_uid_begins_like_another_is_not_its_part(cpo, emsp):
    publish(cpo.platform, "EVSE1")
    publish(cpo.platform, "EVSE11")
    outbox.expand()

    assert [(key, state) for key, state, _ in deliveries()] == [(EVSE1, PENDING), (f"{EVSE1}1", PENDING)]


def test_a_message_without_a_body_is_sent_as_the_state(cpo, emsp):
    publish(cpo.platform, body=None)
    outbox.expand()

    assert deliveries() == [(WHOLE, PENDING, False)]


def test_tokens_of_one_uid_and_two_types_are_two_objects(cpo, emsp):
    for kind in ("RFID", "APP_USER"):
        emsp.put(f"receiver/tokens/DE/MSP/04A1B2C3D4?type={kind}", examples.token(type=kind))
    outbox.expand()

    assert deliveries() == [
        ("DE/MSP/04A1B2C3D4?RFID", PENDING, True),
        ("DE/MSP/04A1B2C3D4?APP_USER", PENDING, True),
    ]
    assert list(Delivery.objects.order_by("id").values_list("variant", flat=True)) == ["RFID", "APP_USER"]


def test_a_whole_object_that_takes_a_part_along_carries_its_message(cpo, emsp):
    publish(cpo.platform, body=None)
    publish(cpo.platform, "EVSE1", method="PATCH")
    outbox.expand()

    whole = Delivery.objects.get(state="PENDING")
    assert (whole.key, whole.message_id) == ("NL/ABC/LOC1", Message.objects.latest("id").pk)


def test_however_many_wait_an_expansion_ends_soon_and_has_the_rest_done_after_what_is_due(
    cpo, emsp, monkeypatch, settings
):
    rung = []
    for number in range(3):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    monkeypatch.setattr(outbox, "BATCH", 2)
    monkeypatch.setattr(outbox, "LONGEST", -1.0)
    monkeypatch.setattr(outbox.doorbell, "ring", lambda: rung.append(True))

    assert outbox.expand() == {emsp.platform.pk}
    assert (Delivery.objects.count(), rung) == (2, [True])

    assert outbox.expand() == {emsp.platform.pk}
    assert (Delivery.objects.count(), rung) == (3, [True])


def test_nothing_waits_for_a_partner_that_left_while_it_was_being_expanded(cpo, emsp, stranger, monkeypatch):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    real = outbox.receivers

    def receivers(*args):
        found = list(real(*args))
        Platform.objects.filter(pk=emsp.platform.pk).update(token_cipher="")
        return found

    monkeypatch.setattr(outbox, "receivers", receivers)
    outbox.expand()

    found = dict(Delivery.objects.values_list("platform", "state"))
    assert found == {emsp.platform.pk: "ABSORBED", stranger.platform.pk: "PENDING"}
    assert Delivery.objects.get(platform=emsp.platform).reason == "the partner ended its registration"


def test_a_message_that_cannot_be_expanded_waits_and_holds_up_no_other(cpo, emsp, monkeypatch, caplog):
    for number in range(3):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    real, broken = outbox.owner_in, ["NL/ABC/LOC1"]

    def owner_in(key):
        if key in broken:
            raise ValueError
        return real(key)

    monkeypatch.setattr(outbox, "owner_in", owner_in)
    assert outbox.expand() == {emsp.platform.pk}

    assert [row.key for row in Delivery.objects.order_by("id")] == ["NL/ABC/LOC0", "NL/ABC/LOC2"]
    waiting = Message.objects.get(expanded_at=None)
    assert waiting.key == "NL/ABC/LOC1"
    assert caplog.messages == [f"message {waiting.pk} cannot be expanded into deliveries; it waits"]

    broken.clear()
    outbox.expand()
    assert Delivery.objects.filter(key="NL/ABC/LOC1").count() == 1
    assert Message.objects.filter(expanded_at=None).count() == 0
