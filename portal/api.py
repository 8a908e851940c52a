"""The machine interfaces' common ground: one shape for every error, `{"code", "message", "fields"}` (SPEC §10)."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from rest_framework import exceptions, serializers, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from portal.errors import DomainError

logger = logging.getLogger(__name__)


class ErrorSerializer(serializers.Serializer[Any]):
    """What every error looks like; `fields` names what is wrong with which field."""

    code = serializers.CharField()
    message = serializers.CharField()
    fields = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))  # type: ignore[assignment]


class ApiError(exceptions.APIException):
    """A refusal of the interface itself, with its code and HTTP status."""

    def __init__(
        self, code: str, message: str | Promise, *, status: int = status.HTTP_400_BAD_REQUEST
    ) -> None:
        super().__init__(detail=str(message), code=code)
        self.status_code = status
        self.code = code


def error_body(code: str, message: object, fields: dict[str, list[str]] | None = None) -> dict[str, Any]:
    return {"code": code, "message": str(message), "fields": fields or {}}


def speaks_json(request: HttpRequest) -> bool:
    """Whether whoever asks is a machine, which gets errors in the API's shape and not as a page."""
    return request.path.startswith("/api/") and not request.path.startswith("/api/docs/")


def json_error(code: str, message: object, *, status: int) -> JsonResponse:
    """An error that arises outside the API's views: an unknown address, a crash."""
    return JsonResponse(error_body(code, message), status=status)


def _flatten(detail: Any, path: str = "") -> dict[str, list[str]]:
    """DRF's nested validation errors by dotted field path."""
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for name, inner in detail.items():
            found.update(_flatten(inner, f"{path}.{name}" if path else str(name)))
        return found
    if isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        found = {}
        for index, inner in enumerate(detail):
            found.update(_flatten(inner, f"{path}[{index}]"))
        return found
    messages = detail if isinstance(detail, list) else [detail]
    return {path: [str(message) for message in messages]}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every exception that a view of the API lets out, as an answer in the one shape. Django handles the rest."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, DomainError):
        set_rollback()
        fields = {error.field: [str(error.message)]} if error.field else {}
        return Response(error_body(error.code, error.message, fields), status=error.status)
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    headers = {}
    if authenticate := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = authenticate
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    if isinstance(error, exceptions.ValidationError):
        body = error_body("invalid", _("Some fields need mending."), _flatten(error.detail))
    else:
        code = error.code if isinstance(error, ApiError) else error.get_codes()
        body = error_body(code if isinstance(code, str) else "error", error.detail)
    return Response(body, status=error.status_code, headers=headers)
