"""Commands (mod_commands.asciidoc): what was asked of whom, and what became of it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper

from commands.states import Facts, State
from ocpi_hub.exchange.models import Callback


class Command(models.Model):
    """A command that the hub passed on; tracing.py keeps its state up to date."""

    State = State

    callback = models.OneToOneField(Callback, models.CASCADE, primary_key=True, related_name="command")
    command = models.CharField(max_length=18)
    from_party = models.CharField(max_length=6, help_text="who asked")
    to_party = models.CharField(max_length=6, help_text="who was asked")
    token_uid = models.CharField(max_length=36, default="", blank=True)
    token_type = models.CharField(max_length=11, default="", blank=True)
    location_id = models.CharField(max_length=36, default="", blank=True)
    evse_uid = models.CharField(max_length=36, default="", blank=True)
    connector_id = models.CharField(max_length=36, default="", blank=True)
    session_id = models.CharField(max_length=36, default="", blank=True)
    reservation_id = models.CharField(max_length=36, default="", blank=True)
    authorization_reference = models.CharField(max_length=36, default="", blank=True)
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=11, choices=State, default=State.SENT)
    since = models.DateTimeField(help_text="when it came into this state")
    note = models.TextField(default="", blank=True, help_text="what that means, and who must act")
    look_at = models.DateTimeField(null=True, help_text="when time or a Session may have changed it")
    led_to_owner = models.CharField(max_length=6, default="", blank=True)
    led_to_id = models.CharField(max_length=36, default="", blank=True, help_text="the Session's id")

    class Meta:
        ordering = ["-requested_at", "-callback_id"]
        indexes = [
            models.Index(fields=["-requested_at", "-callback_id"], name="command_order"),
            models.Index(fields=["look_at"], name="command_open", condition=Q(look_at__isnull=False)),
            models.Index(fields=["state", "-requested_at"], name="command_state"),
            models.Index("from_party", Upper("reservation_id"), name="command_reservation"),
            models.Index("from_party", Upper("token_uid"), name="command_token"),
            models.Index("led_to_owner", Upper("led_to_id"), name="command_session"),
        ]

    def __str__(self) -> str:
        return f"{self.command} from {self.from_party} to {self.to_party}"

    @property
    def short_token(self) -> str:
        """As it may stand in lists and logs."""
        return f"…{self.token_uid[-4:]}" if self.token_uid else ""

    @property
    def place(self) -> str:
        """What it is about: the place, the Session or the reservation."""
        places = [self.location_id, self.evse_uid, self.connector_id]
        about = self.session_id or self.reservation_id
        return " / ".join(filter(None, places)) or about

    def facts(self, callback: Callback) -> Facts:
        return Facts(
            self.command,
            self.requested_at,
            callback.status_code,
            callback.answered_at,
            callback.answer,
            callback.timeout,
            callback.result,
            callback.result_at,
            bool(self.led_to_id),
        )
