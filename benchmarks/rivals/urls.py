from django.urls import path

from benchmarks.rivals import views

urlpatterns = [
    path("bare/sessions/<country_code>/<party_id>/<session_id>", views.bare),
    path("framework/sessions/<country_code>/<party_id>/<session_id>", views.SessionView.as_view()),
]
