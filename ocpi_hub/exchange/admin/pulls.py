"""Pulls and what they could not take, and the upkeep that beat does."""

from django.contrib import admin
from django.utils.safestring import SafeString
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import ClockedSchedule, PeriodicTask, SolarSchedule

from ocpi_hub.exchange.admin.pages import ReadOnlyAdmin, list_link, pretty, short
from ocpi_hub.exchange.models import Pull, RefusedObject, RepairRule


def counted(pull: Pull) -> str:
    told = f"{pull.received}: {pull.new} new, {pull.changed} changed, {pull.refused} refused"
    return f"{told}, {pull.missing} no longer listed" if pull.missing else told


@admin.register(Pull)
class PullAdmin(ReadOnlyAdmin):
    list_display = ["started_at", "short_state", "counts", "fault", "kind", "module", "party", "platform"]
    list_filter = ["state", "module", "full", "platform"]
    search_fields = ["party__iexact"]
    search_help_text = "a party such as NL*ABC"
    list_select_related = ["platform"]
    readonly_fields = ["kind", "refusals"]
    exclude = ["full", "next_url", "counted"]

    @admin.display(description="state", ordering="state")
    def short_state(self, row: Pull) -> str:
        return row.get_state_display()

    @admin.display(description="objects", ordering="received")
    def counts(self, row: Pull) -> str:
        return counted(row)

    @admin.display(description="error", empty_value="", ordering="error")
    def fault(self, row: Pull) -> SafeString:
        return short(row.error)

    @admin.display(description="kind", ordering="full")
    def kind(self, row: Pull) -> str:
        return "full" if row.full else "changes"

    @admin.display(description="refused objects")
    def refusals(self, row: Pull) -> SafeString:
        text = f"what {row.platform} sent of this module and the hub could not take"
        return list_link(RefusedObject, text, platform__id__exact=row.platform_id, module=row.module)


@admin.register(RefusedObject)
class RefusedObjectAdmin(ReadOnlyAdmin):
    list_display = ["object_key", "why", "times", "last_seen_at", "module", "platform"]
    list_filter = ["module", "platform"]
    search_fields = ["object_key", "reason"]
    search_help_text = "a part of the owner, the id or the reason"
    list_select_related = ["platform"]
    exclude = ["document"]
    readonly_fields = ["repair_rules", "as_sent"]

    @admin.display(description="reason", ordering="reason")
    def why(self, row: RefusedObject) -> SafeString:
        return short(row.reason, 60)

    @admin.display(description="repair rules")
    def repair_rules(self, row: RefusedObject) -> SafeString:
        text = f"the repair table of {row.platform} for {row.module}"
        return list_link(RepairRule, text, platform__id__exact=row.platform_id, module=row.module)

    @admin.display(description="document")
    def as_sent(self, row: RefusedObject) -> SafeString:
        return pretty(row.document)


# The hub's upkeep runs by intervals; these kinds of schedule would only be in the way.
admin.site.unregister([PeriodicTask, ClockedSchedule, SolarSchedule])


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):
    """The hub's upkeep; when partners' lists are read is in the plans of the pulls."""

    list_display = ("name", "enabled", "scheduler", "last_run_at")
    search_fields = ("name", "description")
    search_help_text = "a part of the name or the description"
