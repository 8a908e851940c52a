"""The machine interface for orders: `POST /api/v1/order-events` (SPEC §10)."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from commissions.intake import MAX_EVENTS, take_in
from commissions.models import State
from commissions.tasks import nudge
from orders.models import OrderEvent
from orders.signatures import BadSignature, signing_source
from portal.api import ApiError, ErrorSerializer

logger = logging.getLogger(__name__)


class ErrorOfEventSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    field = serializers.CharField(required=False)


class CommissionAnswerSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=State.choices)
    amount = serializers.IntegerField(help_text="US cents")
    reason = serializers.CharField(allow_blank=True)


class ResultSerializer(serializers.Serializer[Any]):
    event_id = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=["applied", "parked", "duplicate", "rejected"])
    error = ErrorOfEventSerializer(required=False)
    commission = CommissionAnswerSerializer(required=False)


class ResultsSerializer(serializers.Serializer[Any]):
    results = ResultSerializer(many=True)


class EventSerializer(serializers.Serializer[Any]):
    """The part of an event that every type shares; `orders.facts.read_event` is what really reads it."""

    event_id = serializers.CharField(max_length=100)
    type = serializers.ChoiceField(choices=OrderEvent.Type.choices)
    occurred_at = serializers.DateTimeField()
    merchant = serializers.CharField(max_length=100)
    order_id = serializers.CharField(max_length=100)


class EventsSerializer(serializers.Serializer[Any]):
    events = serializers.ListField(child=EventSerializer(), min_length=1, max_length=MAX_EVENTS)


class SourceThrottle(SimpleRateThrottle):
    """Counts requests per signing source, before anything is read from the database but the source."""

    scope = "order_events"

    def get_rate(self) -> str:
        return str(settings.ORDER_EVENTS_RATE)

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"throttle:order-events:{view.source.pk}"


class OrderEventsView(APIView):
    """Takes order events in, 1 to 1000 at a time, signed by an order source."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    @extend_schema(
        operation_id="post_order_events",
        tags=["order events"],
        request=EventsSerializer,
        parameters=[
            OpenApiParameter("webhook-id", str, OpenApiParameter.HEADER, required=True),
            OpenApiParameter("webhook-timestamp", str, OpenApiParameter.HEADER, required=True),
            OpenApiParameter("webhook-signature", str, OpenApiParameter.HEADER, required=True),
            OpenApiParameter(
                "webhook-source", str, OpenApiParameter.HEADER, description="Code of the source"
            ),
        ],
        responses={
            200: ResultsSerializer,
            400: OpenApiResponse(ErrorSerializer, description="Malformed"),
            401: OpenApiResponse(ErrorSerializer, description="Bad signature"),
            413: OpenApiResponse(ErrorSerializer, description="Too large"),
            429: OpenApiResponse(ErrorSerializer, description="Too many requests; see Retry-After"),
        },
    )
    def post(self, request: Request) -> Response:
        at = timezone.now()
        try:
            body = request._request.body
        except RequestDataTooBig:
            raise ApiError(
                "too_large", "The request is too large.", status=status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
            ) from None
        try:
            self.source = signing_source(body, request.headers, at=at)
        except BadSignature as refusal:
            logger.warning("order events with a bad signature")
            raise ApiError(refusal.code, refusal.message, status=status.HTTP_401_UNAUTHORIZED) from None
        self._throttle(request)
        events = self._events(body)
        results = take_in(self.source, events, at=at)
        transaction.on_commit(nudge, robust=True)
        return Response({"results": [result.as_json() for result in results]})

    def _throttle(self, request: Request) -> None:
        throttle = SourceThrottle()
        if not throttle.allow_request(request, self):
            self.throttled(request, throttle.wait() or 1)

    @staticmethod
    def _events(body: bytes) -> list[Any]:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ApiError("malformed", f"The body is not JSON: {error.msg}.") from None
        events = document.get("events") if isinstance(document, dict) else None
        if not isinstance(events, list) or not events:
            raise ApiError("malformed", 'The body must be {"events": [ … ]} with 1 to 1000 events.')
        if len(events) > MAX_EVENTS:
            raise ApiError(
                "too_large",
                f"At most {MAX_EVENTS} events are taken at once.",
                status=status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
            )
        return events
