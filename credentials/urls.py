from django.urls import re_path

from credentials.views import CredentialsView, VersionDetailsView, VersionsView

# Partners come with and without a slash at the end; both are served, without a redirect (interpretations, P11).
urlpatterns = [
    re_path(r"^versions/?$", VersionsView.as_view(), name="versions"),
    re_path(r"^(?P<version>[^/]+)/credentials/?$", CredentialsView.as_view(), name="credentials"),
    re_path(r"^(?P<version>\d[^/]*)/?$", VersionDetailsView.as_view(), name="version-details"),
]
