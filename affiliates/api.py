"""The ground of an affiliate's machine interfaces: who asks, for which affiliate, and how lists are paged (SPEC §10).

Two ways to say who one is are foreseen. A signed-in member's session is one; it names the affiliate by `affiliate`
where the person has several. A key belongs to one affiliate: an authenticator for it puts that into
`request.auth.affiliate` and joins `AFFILIATE_AUTHENTICATION`, and no view changes.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request
from rest_framework.views import APIView

from affiliates.models import Affiliate
from portal.api import ApiError, ErrorSerializer
from portal.paging import Mark, read_mark

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


class MemberSession(SessionAuthentication):
    """The session of a signed-in person; what changes something needs the CSRF token as on a page."""

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="api"'


class MemberSessionScheme(SessionScheme):
    """The same in the OpenAPI document."""

    target_class = MemberSession  # type: ignore[assignment]
    name = "session"


AFFILIATE_AUTHENTICATION: tuple[type[BaseAuthentication], ...] = (MemberSession,)

AFFILIATE_PARAMETER = OpenApiParameter(
    "affiliate", str, description="Code of the affiliate; needed by people who are members of several"
)
PAGE_PARAMETERS = [
    OpenApiParameter("after", str, description="`next` of the page before; without it, the first page"),
    OpenApiParameter("limit", int, description=f"Rows a page, 1 to {MAX_PAGE_SIZE}; {PAGE_SIZE} by default"),
]
REFUSALS = {
    400: OpenApiResponse(ErrorSerializer, description="A parameter or field can't be read"),
    401: OpenApiResponse(ErrorSerializer, description="Nobody is signed in"),
    403: OpenApiResponse(ErrorSerializer, description="The CSRF token is missing"),
    404: OpenApiResponse(ErrorSerializer, description="No such affiliate, or not yours"),
}


class AffiliateAPIView(APIView):
    """A view for an affiliate's members and keys; `self.affiliate` is the one that is asked for."""

    authentication_classes = AFFILIATE_AUTHENTICATION
    affiliate: Affiliate

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.affiliate = self._affiliate(request)

    def _affiliate(self, request: Request) -> Affiliate:
        """Raises: NotFound for a stranger's, ApiError where it must be named."""
        code = request.query_params.get("affiliate", "")
        bound: Affiliate | None = getattr(request.auth, "affiliate", None)
        own = [bound] if bound else list(self._memberships(request, code)[:2])
        found = [affiliate for affiliate in own if not code or affiliate.code == code]
        if not found:
            raise exceptions.NotFound
        if len(found) > 1:
            raise ApiError("affiliate_required", _("Name one of your affiliates by its code: ?affiliate=…"))
        return found[0]

    @staticmethod
    def _memberships(request: Request, code: str) -> Any:
        own = Affiliate.objects.of(request.user).order_by("pk")
        # No code has a NUL in it, and the database can't be asked for one.
        return own.filter(code=code.replace("\x00", "\ufffd")) if code else own


def read_page(request: Request) -> tuple[Mark | None, int]:
    """Where a page begins and how long it is. Raises: ApiError for what is neither."""
    after, limit = request.query_params.get("after", ""), request.query_params.get("limit", str(PAGE_SIZE))
    mark = read_mark(after)
    if after and mark is None:
        raise ApiError("bad_cursor", _("`after` is no `next` of ours."))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 6 and 1 <= int(limit) <= MAX_PAGE_SIZE):
        raise ApiError("bad_limit", _("`limit` takes 1 to %(most)d.") % {"most": MAX_PAGE_SIZE})
    return mark, int(limit)


class Text(serializers.CharField):
    """Text and nothing that merely could be written as text: a number or a boolean is refused."""

    default_error_messages = {"not_text": _("This must be a text.")}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        return super().to_internal_value(data)
