"""What the operator fills in to invite a partner or to register with one."""

import re

from django import forms

from ocpi_hub.partners.claims import Claim

PARTIES_HELP = (
    "Parties and roles that it may announce, with commas or lines between them, such as NL-ABC-CPO."
)


class InviteForm(forms.Form):
    name = forms.CharField(max_length=100, help_text="What to call the partner here.")
    parties = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), help_text=PARTIES_HELP)

    def clean_parties(self) -> list[Claim]:
        try:
            return [Claim.parse(text) for text in re.split(r"[\s,;]+", self.cleaned_data["parties"]) if text]
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class RegisterForm(InviteForm):
    versions_url = forms.URLField(
        max_length=255, assume_scheme="https", help_text="The partner's versions endpoint."
    )
    token = forms.CharField(
        max_length=64,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="The token A that the partner gave us.",
    )
    parties = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=PARTIES_HELP + " Empty: any that nobody else holds.",
    )
