"""Charging profiles (mod_charging_profiles.asciidoc): who asked for what, and so whom updates are for."""

from django.db import models
from django.db.models.functions import Upper

from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.relays.callbacks import ACCEPTED
from ocpi_hub.protocol.types import PartyRef


class ProfileRequest(models.Model):
    """A request about the charging profile of a Session, which the hub passed on."""

    class Method(models.TextChoices):
        GET = "GET", "tell the active profile"
        PUT = "PUT", "set a profile"
        DELETE = "DELETE", "clear the profile"

    callback = models.OneToOneField(
        Callback, models.CASCADE, primary_key=True, related_name="profile_request"
    )
    method = models.CharField(max_length=6, choices=Method)
    session_id = models.CharField(max_length=36)
    from_party = models.CharField(max_length=6, help_text="who asked")
    to_party = models.CharField(max_length=6, help_text="who was asked")
    requested_at = models.DateTimeField()

    class Meta:
        ordering = ["-requested_at", "-callback_id"]
        indexes = [
            models.Index(fields=["-requested_at", "-callback_id"], name="profile_request_order"),
            models.Index("to_party", Upper("session_id"), name="profile_request_session"),
        ]

    def __str__(self) -> str:
        return f"{self.get_method_display()} of {self.to_party}'s {self.session_id}, from {self.from_party}"

    @classmethod
    def setter_of(cls, operator: PartyRef, session_id: str) -> PartyRef | None:
        """Who last set a profile of this Session successfully (interpretations, P53).

        Where no result has come at all, it is who was last told that the profile is accepted.
        """
        wanted = cls.objects.filter(
            method=cls.Method.PUT, to_party=operator.key, session_id__iexact=session_id
        )
        accepted = wanted.filter(callback__answer__in=("", ACCEPTED), callback__result=ACCEPTED)
        promised = wanted.filter(callback__answer=ACCEPTED, callback__result="")
        found = accepted.first() or promised.first()
        return PartyRef.parse(found.from_party) if found else None
