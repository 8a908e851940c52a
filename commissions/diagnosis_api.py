"""`GET /api/v1/orders/<order_id>/diagnosis`: the attribution path of an order for machines (SPEC §10, DIAG-1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from affiliates.api import AFFILIATE_PARAMETER, REFUSALS, AffiliateAPIView
from commissions.diagnosis import Viewer, of_orders
from commissions.diagnosis_codes import CAUSES
from commissions.diagnosis_path import Hop, StepState
from commissions.diagnosis_words import Said, SaidStep, say


class EvidenceSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.CharField()


class StepSerializer(serializers.Serializer[Any]):
    step = serializers.ChoiceField(choices=[hop.value for hop in Hop])
    state = serializers.ChoiceField(choices=[state.value for state in StepState])
    at = serializers.DateTimeField(allow_null=True, help_text="When it happened, or until when it is awaited")
    code = serializers.ChoiceField(choices=["", *CAUSES], help_text="Why it broke; empty where it didn't")
    bridged = serializers.BooleanField(help_text="Broken, but the other proof carried the order across")
    text = serializers.CharField()
    evidence = EvidenceSerializer(many=True)
    cause = serializers.CharField(allow_blank=True)
    fix = serializers.CharField(allow_blank=True)


class OtherClickSerializer(serializers.Serializer[Any]):
    click_id = serializers.CharField()
    clicked_at = serializers.DateTimeField()
    pid = serializers.CharField()
    code = serializers.ChoiceField(choices=["", *CAUSES])


class DiagnosisSerializer(serializers.Serializer[Any]):
    """One order's path; the texts are in the language of the request."""

    order_id = serializers.CharField()
    merchant = serializers.CharField(help_text="Code of the merchant")
    outcome = serializers.ChoiceField(choices=["passed", "broken", "waiting"])
    code = serializers.ChoiceField(choices=["", *CAUSES], help_text="Why the path broke")
    headline = serializers.CharField()
    steps = StepSerializer(many=True)
    other_clicks = OtherClickSerializer(many=True, help_text="Your further clicks that came with the order")


class DiagnosesSerializer(serializers.Serializer[Any]):
    results = DiagnosisSerializer(many=True)


def _moment(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def step_json(step: SaidStep) -> dict[str, Any]:
    return {
        "step": step.hop,
        "state": step.state,
        "at": _moment(step.at),
        "code": step.code,
        "bridged": step.bridged,
        "text": step.note,
        "evidence": [{"label": row.label, "value": row.value} for row in step.rows],
        "cause": step.cause,
        "fix": step.fix,
    }


def diagnosis_json(said: Said) -> dict[str, Any]:
    return {
        "order_id": said.diagnosis.number,
        "merchant": said.diagnosis.merchant_code,
        "outcome": said.outcome,
        "code": said.code,
        "headline": said.headline,
        "steps": [step_json(step) for step in said.steps],
        "other_clicks": [
            {
                "click_id": other["click_id"],
                "clicked_at": _moment(other["clicked_at"]),
                "pid": other["pid"],
                "code": other["code"],
            }
            for other in said.others
        ],
    }


class OrderDiagnosisView(AffiliateAPIView):
    """The path of the orders of that number of which the affiliate has evidence; 404 where it has none."""

    @extend_schema(
        operation_id="order_diagnosis",
        summary="Diagnose an order",
        description=(
            "The attribution path of an order, step by step, by your own evidence. The same number may exist at "
            "several merchants. An order that has none of your evidence answers like one that doesn't exist."
        ),
        parameters=[AFFILIATE_PARAMETER],
        responses={200: DiagnosesSerializer, **REFUSALS},
    )
    def get(self, request: Request, order_id: str) -> Response:
        found = of_orders(order_id, viewer=Viewer(affiliate_id=self.affiliate.pk), at=timezone.now())
        if not found:
            raise exceptions.NotFound
        return Response({"results": [diagnosis_json(say(one)) for one in found]})
