"""The admin of the hub: Django's, with the pages that tell where a message went and why a partner has not got one."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path, reverse


class HubAdminSite(AdminSite):
    def get_urls(self) -> list[URLPattern | URLResolver]:
        from ocpi_hub.exchange.admin.journeys import journey  # models are there by now
        from ocpi_hub.exchange.admin.questions import why_not

        return [
            path("why-not/", self.admin_view(why_not), name="why_not"),
            path("journey/", self.admin_view(journey), name="journey"),
            *super().get_urls(),
        ]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """The pages stand among those of the exchange, on the index and at the side; what goes wrong stands first."""
        found = super().get_app_list(request, app_label)
        found.sort(key=lambda app: app["app_label"] != "errorreports")
        for app in found:
            if app["app_label"] == "exchange":
                app["models"] = [*self._questions(request), *app["models"]]
            if app["app_label"] == "errorreports":
                _count_open(app["models"])
        return found

    def _questions(self, request: HttpRequest) -> list[dict[str, Any]]:
        from ocpi_hub.exchange.admin.journeys import may_follow
        from ocpi_hub.exchange.admin.questions import may_ask

        pages = (("Journey", "journey", may_follow), ("Why not", "why_not", may_ask))
        return [
            _entry(name, reverse(f"admin:{page}", current_app=self.name))
            for name, page, may in pages
            if may(request.user)
        ]


def _count_open(models: list[dict[str, Any]]) -> None:
    """The reports stand above the mails about them, with the number of those that wait for somebody."""
    from ocpi_hub.errorreports.models import ErrorReport

    models.sort(key=lambda model: model["model"] is not ErrorReport)
    if models[0]["model"] is ErrorReport:
        models[0]["name"] = f"Error reports ({ErrorReport.objects.open().count()} open)"


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
