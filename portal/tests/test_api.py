"""Every error of the API has the one shape, `{"code", "message", "fields"}`, wherever it arises (SPEC §10)."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.errors import DomainError
from portal.tests.factories import PASSWORD  # noqa: F401  (the kit must be importable without a database)
from portal.urls import *  # noqa: F403  (the handlers and addresses of the site)
from portal.urls import urlpatterns as site

pytestmark = pytest.mark.urls(__name__)


class AlreadyClosed(DomainError):
    code = "already_closed"


class NotYours(DomainError):
    code = "not_yours"
    status = 400


class PairSerializer(serializers.Serializer):
    amount = serializers.IntegerField(min_value=0)


class InputSerializer(serializers.Serializer):
    name = serializers.CharField()
    pairs = PairSerializer(many=True)


ERRORS = {
    "closed": lambda: AlreadyClosed("It is closed."),
    "yours": lambda: NotYours("Not yours.", field="merchant"),
    "missing": Http404,
    "forbidden": PermissionDenied,
    "throttled": lambda: exceptions.Throttled(wait=7.2),
    "who": exceptions.NotAuthenticated,
    "crash": lambda: ZeroDivisionError("the password is hunter2"),
}


class Failing(APIView):
    permission_classes = ()

    def get(self, request: Request, kind: str) -> Response:
        raise ERRORS[kind]()

    def post(self, request: Request, kind: str) -> Response:
        InputSerializer(data=request.data).is_valid(raise_exception=True)
        return Response({})


class Guarded(APIView):
    def get(self, request: Request) -> Response:
        return Response({})


urlpatterns = [path("api/failing/<kind>", Failing.as_view()), path("api/guarded", Guarded.as_view()), *site]


@pytest.fixture
def caller():
    return Client(raise_request_exception=False, headers={"Accept-Language": "en"})


@pytest.mark.parametrize(
    ("kind", "status", "code", "fields"),
    [
        ("closed", 409, "already_closed", {}),
        ("yours", 400, "not_yours", {"merchant": ["Not yours."]}),
        ("missing", 404, "not_found", {}),
        ("forbidden", 403, "permission_denied", {}),
        ("throttled", 429, "throttled", {}),
        ("who", 403, "not_authenticated", {}),
        ("crash", 500, "server_error", {}),
    ],
)
def test_an_error_has_a_code_a_message_and_fields(caller, kind, status, code, fields):
    response = caller.get(f"/api/failing/{kind}")
    assert response.status_code == status
    body = response.json()
    assert set(body) == {"code", "message", "fields"}
    assert (body["code"], body["fields"]) == (code, fields)
    assert body["message"]
    assert "hunter2" not in response.text


def test_whoever_is_throttled_hears_when_to_come_back(caller):
    assert caller.get("/api/failing/throttled").headers["Retry-After"] == "8"


def test_bad_fields_are_named_by_path(caller):
    body = {"pairs": [{"amount": 1}, {"amount": -1}]}
    response = caller.post("/api/failing/x", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["code"] == "invalid"
    assert set(response.json()["fields"]) == {"name", "pairs.1.amount"}


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [("{", "application/json", 400, "parse_error"), ("a=1", "text/plain", 415, "unsupported_media_type")],
)
def test_a_body_that_cannot_be_read_is_refused(caller, body, kind, status, code):
    response = caller.post("/api/failing/x", body, content_type=kind)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_method_that_is_not_there_is_refused(caller):
    assert caller.put("/api/failing/x").json()["code"] == "method_not_allowed"


def test_a_view_that_opens_itself_to_nobody_is_closed(caller):
    assert caller.get("/api/guarded").status_code == 403


def test_an_unknown_address_answers_machines_in_json_and_people_with_a_page(caller):
    response = caller.get("/api/v1/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    page = caller.get("/nothing")
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")


def test_a_foreign_host_is_refused_in_json(caller):
    response = caller.get("/api/v1/nothing", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_the_schema_is_openapi_3_and_names_the_endpoints(caller):
    response = caller.get("/api/schema/", headers={"Accept": "application/json"})
    assert response.status_code == 200
    assert response.json()["openapi"].startswith("3.")
    assert "/api/v1/order-events" in response.json()["paths"]


def test_the_docs_page_has_no_inline_script(caller):
    response = caller.get("/api/docs/")
    assert response.status_code == 200
    assert "swagger-ui" in response.text


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_docs_page_works_under_the_strict_policy(open_page):
    page = open_page(locale="en-GB")
    page.goto("/api/docs/")
    page.get_by_text("/api/v1/order-events").wait_for()
    page.get_by_text("/api/v1/order-events").click()
    page.get_by_text("Bad signature").wait_for()
