"""The repair tables, which the operator switches and adds to."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin.pages import CompactAdmin, list_link, short
from ocpi_hub.exchange.models import RepairRule
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.exchange.pulls import repairplaces


class RepairRuleForm(forms.ModelForm):
    module = forms.ChoiceField(choices=lambda: [(module, module) for module in owned_models()])

    class Meta:
        model = RepairRule
        fields = ["platform", "module", "kind", "path", "argument", "enabled"]
        help_texts = {
            "path": "such as evses[].status; empty, for TEXT, NUMBER, TIME and OWNER only: wherever it occurs",
            "argument": "JSON, by kind. "
            + ". ".join(f"{kind}: {text}" for kind, text in repairplaces.ARGUMENTS.items()),
        }

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        model = owned_models().get(given.get("module", ""))
        if model and {"kind", "path", "argument"} <= given.keys():
            found = repairplaces.faults(given["kind"], given["path"], given["argument"], model.wire)
            for field, fault in found.items():
                self.add_error(field, fault)
        return given


@admin.register(RepairRule)
class RepairRuleAdmin(CompactAdmin):
    """A partner's repair table; the operator switches rules on and off and adds his own."""

    form = RepairRuleForm
    list_display = ["rule", "enabled", "used", "platform", "module", "shortened", "last_used_at"]
    list_filter = ["platform", "module", "kind", "enabled", ("last_used_at", admin.EmptyFieldListFilter)]
    list_editable = ["enabled"]
    list_select_related = ["platform"]
    search_fields = ["path__icontains", "kind__iexact"]
    search_help_text = "a kind such as FILL, or a part of the path"
    readonly_fields = ["times", "last_used_at", "sample"]

    @admin.display(description="rule", ordering="kind")
    def rule(self, row: RepairRule) -> SafeString:
        return short(row.name.removesuffix(":"))

    @admin.display(description="argument", empty_value="")
    def shortened(self, row: RepairRule) -> SafeString:
        return short("" if row.argument is None else json.dumps(row.argument, ensure_ascii=False))

    @admin.display(description="times", ordering="times")
    def used(self, row: RepairRule) -> Any:
        """A link to the partner's repaired objects, by whichever rules."""
        model = owned_models().get(row.module)
        if model is None or not row.times:
            return row.times
        return list_link(model, row.times, repaired="yes", source__id__exact=row.platform_id)
