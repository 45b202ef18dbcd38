"""Every address of the hub."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from ocpi_hub import health, scrape

admin.site.site_header = admin.site.site_title = settings.HUB_NAME
admin.site.index_title = "Operating the hub"

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", scrape.answer),
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("favicon.ico", lambda request: HttpResponse(status=204)),  # browsers ask for one on every page
    path("", RedirectView.as_view(url="/admin/")),
    *(
        re_path(rf"^ocpi/{version}/", include(f"{module}.urls"))
        for version in (r"(?P<version>2\.2\.1)",)
        for module in settings.OCPI_MODULES
    ),
    path("ocpi/", include("credentials.urls")),
]
