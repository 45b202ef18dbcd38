"""Django's middleware for the pages that people look at; partners' requests pass it by.

They have no session, no user and no messages, and looking for them would cost each request a share of its time.
"""

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class ForPeople(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith("/ocpi/"):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[return-value]  # the stubs know of coroutines as well


class SessionMiddleware(ForPeople, sessions.SessionMiddleware):
    pass


class AuthenticationMiddleware(ForPeople, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(ForPeople, messages.MessageMiddleware):
    pass
