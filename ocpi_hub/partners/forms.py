"""How the operator fills in an agreement; who is a party is offered while he types."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ocpi_hub.partners import naming
from ocpi_hub.partners.models import Agreement, Party

PARTIES_LIST = "known-parties"  # the id of the datalist that known_parties.html makes


class PartyField(forms.CharField):
    """A party by its name, with a list of all that there are; cleaned to its key, whoever it is."""

    def __init__(self, **more: Any) -> None:
        attributes = {"list": PARTIES_LIST, "autocomplete": "off", "placeholder": "NL*ABC", "size": 16}
        super().__init__(max_length=40, widget=forms.TextInput(attributes), **more)

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        try:
            return naming.Name.parse(text).party.key if text else ""
        except ValueError as error:
            raise ValidationError(str(error)) from error


class TermsForm(forms.ModelForm):
    """What may change of an agreement that stands."""

    allowed = forms.TypedChoiceField(
        label="Exchange",
        choices=[("True", "open"), ("False", "closed")],
        coerce=lambda value: value == "True",
        widget=forms.RadioSelect,
        help_text="Open: they exchange it. Closed: they do not, and are not connected to each other.",
    )

    class Meta:
        model = Agreement
        fields = ["allowed", "note"]
        widgets = {"note": forms.TextInput(attrs={"size": 60})}


class AgreementForm(TermsForm):
    """Agreement.clean() holds for whoever makes one; here is only what helps against a slip of the hand."""

    first = PartyField(
        label="Between", help_text="One of the two, such as NL*ABC; their order does not matter."
    )
    second = PartyField(label="And", help_text="The other.")
    module = forms.ChoiceField(
        required=False,
        choices=lambda: [("", "every module"), *((module, module) for module in Agreement.modules())],
        help_text="An agreement on one module counts before one on every module.",
    )
    new = forms.BooleanField(
        required=False,
        label="One of them is new",
        help_text="A party that this hub does not know yet is no mistake: it will come.",
    )

    class Meta(TermsForm.Meta):
        fields = ["first", "second", "module", "allowed", "note"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("first", "second"):
            if given.get(name) and not given.get("new"):
                self._must_be_known(name, given[name])
        return given

    def _must_be_known(self, name: str, key: str) -> None:
        try:
            naming.party_named(key)
        except ValueError as error:
            self.add_error(name, str(error))


def known_parties() -> list[tuple[str, str]]:
    """(key, who that is) of every party, for the list that a PartyField offers."""
    rows = Party.objects.select_related("platform").order_by("key")
    return [(party.key, who(party)) for party in rows]


def who(party: Party) -> str:
    """A party's names and roles in one line."""
    names = {str(details.get("name", "")) for details in party.business_details.values()}
    names |= {party.platform.name}
    roles = "/".join(party.roles) or "invited"
    return f"{', '.join(sorted(filter(None, names)))} ({roles})"
