"""The admin of the hub: Django's, with the page that answers why a partner has not got something."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path, reverse


class HubAdminSite(AdminSite):
    def get_urls(self) -> list[URLPattern | URLResolver]:
        from ocpi_hub.exchange.admin.questions import why_not  # models are there by now

        return [path("why-not/", self.admin_view(why_not), name="why_not"), *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """The page stands among those of the exchange, on the index and at the side; what goes wrong stands first."""
        from ocpi_hub.errorreports.models import ErrorReport
        from ocpi_hub.exchange.admin.questions import may_ask

        found = super().get_app_list(request, app_label)
        found.sort(key=lambda app: app["app_label"] != "errorreports")
        for app in found:
            if app["app_label"] == "exchange" and may_ask(request.user):
                app["models"].insert(0, _entry("Why not", reverse("admin:why_not", current_app=self.name)))
            if app["app_label"] == "errorreports":
                app["models"][0]["name"] = f"Error reports ({ErrorReport.objects.open().count()} open)"
        return found


def _entry(name: str, url: str) -> dict[str, Any]:
    """A line of the list of pages, as Django makes one for a model that may only be looked at."""
    rights = {"add": False, "change": False, "delete": False, "view": True}
    return {
        "name": name,
        "object_name": name.replace(" ", ""),
        "perms": rights,
        "admin_url": url,
        "add_url": None,
        "view_only": True,
    }
