"""Links and PIDs for machines: `GET|POST /api/v1/links`, `GET|POST /api/v1/pids` (SPEC §10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from affiliates.api import AFFILIATE_PARAMETER, PAGE_PARAMETERS, REFUSALS, AffiliateAPIView, Text, read_page
from affiliates.models import Pid, code_part
from affiliates.pids import create_pid
from orders.link_clicks import NONE, Clicks, clicks_of
from orders.link_views import matching, page_of_links
from orders.links import MAX_SUB_IDS, MAX_TEXT, UTM, Wish, make_link
from orders.models import Link
from orders.pid_clicks import PidFigures, figures
from orders.tracking.addresses import link_url
from portal.api import ErrorSerializer
from portal.paging import Mark

ARCHIVED = {"": False, "false": False, "true": True}


class ClicksSerializer(serializers.Serializer[Any]):
    valid = serializers.IntegerField()
    invalid = serializers.IntegerField()
    last_valid_at = serializers.DateTimeField(allow_null=True)


class LinkSerializer(serializers.Serializer[Any]):
    """A link as it is answered."""

    code = serializers.CharField()
    url = serializers.URLField(help_text="The short link to hand out")
    target = serializers.URLField()
    merchant = serializers.CharField(help_text="Code of the merchant")
    pid = serializers.CharField()
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    utm_source = serializers.CharField(allow_blank=True)
    utm_campaign = serializers.CharField(allow_blank=True)
    utm_content = serializers.CharField(allow_blank=True)
    utm_term = serializers.CharField(allow_blank=True)
    sub_ids = serializers.ListField(child=serializers.CharField(allow_blank=True))
    created_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)
    clicks = ClicksSerializer()


class LinksSerializer(serializers.Serializer[Any]):
    results = LinkSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="`after` of the next page; null on the last")


def _text(**options: Any) -> Text:
    return Text(required=False, allow_blank=True, default="", max_length=MAX_TEXT, **options)


class NewLinkSerializer(serializers.Serializer[Any]):
    """A link that is asked for."""

    target = Text(max_length=2000, help_text="A page on a verified domain of a merchant")
    pid = Text(max_length=80, help_text="Your PID, not frozen")
    label = _text(help_text="For yourself")  # type: ignore[assignment]
    utm_source = _text()
    utm_campaign = _text()
    utm_content = _text()
    utm_term = _text()
    sub_ids = serializers.ListField(
        child=Text(allow_blank=True, max_length=MAX_TEXT),
        required=False,
        default=list,
        max_length=MAX_SUB_IDS,
    )


class PidSerializer(serializers.Serializer[Any]):
    """A PID as it is answered, with its health."""

    pid = serializers.CharField()
    channel = serializers.CharField(help_text="Code of the channel")
    placement = serializers.CharField()
    state = serializers.ChoiceField(choices=["active", "freezing", "frozen"])
    created_at = serializers.DateTimeField()
    frozen_at = serializers.DateTimeField(allow_null=True)
    freezes_at = serializers.DateTimeField(allow_null=True, help_text="Unless a valid click comes before")
    last_valid_click_at = serializers.DateTimeField(allow_null=True)
    clicks_30_days = serializers.IntegerField(help_text="Valid ones")


class PidsSerializer(serializers.Serializer[Any]):
    results = PidSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="`after` of the next page; null on the last")


class NewPidSerializer(serializers.Serializer[Any]):
    """A PID that is asked for."""

    channel = Text(max_length=20, help_text="Code of one of your channels")
    placement = Text(max_length=20, validators=[code_part], help_text="1 to 20 lower-case letters and digits")


def _moment(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def link_json(link: Link, clicks: Clicks) -> dict[str, Any]:
    return {
        "code": link.code,
        "url": link_url(link),
        "target": link.target,
        "merchant": link.merchant.code,
        "pid": link.pid.value,
        "label": link.label,
        **{name: getattr(link, name) for name in UTM},
        "sub_ids": link.sub_ids,
        "created_at": _moment(link.created_at),
        "archived_at": _moment(link.archived_at),
        "clicks": {
            "valid": clicks.valid,
            "invalid": clicks.invalid,
            "last_valid_at": _moment(clicks.last_valid_at),
        },
    }


def pid_json(pid: Pid, known: PidFigures) -> dict[str, Any]:
    return {
        "pid": pid.value,
        "channel": pid.channel.code,
        "placement": pid.placement,
        "state": known.health.state,
        "created_at": _moment(pid.created_at),
        "frozen_at": _moment(pid.frozen_at),
        "freezes_at": _moment(known.health.freezes_at),
        "last_valid_click_at": _moment(known.health.last_valid_click_at),
        "clicks_30_days": known.valid,
    }


CONFLICT = {409: OpenApiResponse(ErrorSerializer, description="Refused; `code` and `fields` say why")}


class LinksView(AffiliateAPIView):
    """An affiliate's tracking links."""

    @extend_schema(
        operation_id="list_links",
        tags=["links"],
        parameters=[
            AFFILIATE_PARAMETER,
            *PAGE_PARAMETERS,
            OpenApiParameter("pid", str, description="Only links with this PID"),
            OpenApiParameter("merchant", str, description="Only links to this merchant, by its code"),
            OpenApiParameter("q", str, description="Only links with this in label, address or sub-id"),
            OpenApiParameter("archived", bool, description="The archived links in place of those in use"),
        ],
        responses={200: LinksSerializer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """The newest first."""
        mark, limit = read_page(request)
        asked = {name: request.query_params.get(name, "") for name in ("pid", "merchant", "q", "archived")}
        errors = {name: ["Not a text that can be looked for."] for name in asked if "\x00" in asked[name]}
        if asked["archived"].lower() not in ARCHIVED:
            errors["archived"] = ["true or false"]
        if errors:
            raise serializers.ValidationError(errors)
        links = Link.objects.filter(
            affiliate=self.affiliate, archived_at__isnull=not ARCHIVED[asked["archived"].lower()]
        )
        if asked["pid"]:
            links = links.filter(pid__value=asked["pid"])
        if asked["merchant"]:
            links = links.filter(merchant__code=asked["merchant"])
        if asked["q"]:
            links = matching(links, asked["q"])
        page, following = page_of_links(links, mark, limit)
        clicks = clicks_of(page)
        results = [link_json(link, clicks.get(link.pk, NONE)) for link in page]
        return Response({"results": results, "next": str(following) if following else None})

    @extend_schema(
        operation_id="make_link",
        tags=["links"],
        parameters=[AFFILIATE_PARAMETER],
        request=NewLinkSerializer,
        responses={
            201: OpenApiResponse(LinkSerializer, description="Made"),
            200: OpenApiResponse(LinkSerializer, description="Known already: the same was made before"),
            **REFUSALS,
            **CONFLICT,
        },
    )
    def post(self, request: Request) -> Response:
        """Make a link. The same request again answers with the link that it made."""
        asked = NewLinkSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        by = request.user if request.user.is_authenticated else None
        outcome = make_link(self.affiliate, Wish(**asked.validated_data), by=by, at=timezone.now())
        link = outcome.link
        assert link is not None  # noqa: S101 - a refusal was raised
        clicks = NONE if outcome.made else clicks_of([link]).get(link.pk, NONE)
        code = status.HTTP_201_CREATED if outcome.made else status.HTTP_200_OK
        return Response(link_json(link, clicks), status=code)


class PidsView(AffiliateAPIView):
    """An affiliate's PIDs."""

    @extend_schema(
        operation_id="list_pids",
        tags=["pids"],
        parameters=[AFFILIATE_PARAMETER, *PAGE_PARAMETERS],
        responses={200: PidsSerializer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """The newest first, with their health."""
        mark, limit = read_page(request)
        pids = self.affiliate.pids.select_related("channel").order_by("-pk")
        if mark is not None:
            pids = pids.filter(pk__lt=mark.pk)
        found = list(pids[: limit + 1])
        last = found[limit - 1] if len(found) > limit else None
        known = figures(found[:limit], at=timezone.now())
        return Response(
            {
                "results": [pid_json(pid, known[pid.pk]) for pid in found[:limit]],
                "next": str(Mark(last.created_at, last.pk)) if last else None,
            }
        )

    @extend_schema(
        operation_id="make_pid",
        tags=["pids"],
        parameters=[AFFILIATE_PARAMETER],
        request=NewPidSerializer,
        responses={201: PidSerializer, **REFUSALS, **CONFLICT},
    )
    def post(self, request: Request) -> Response:
        """Make a PID on one of the affiliate's channels."""
        at = timezone.now()
        asked = NewPidSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        channel = self.affiliate.channels.filter(code=asked.validated_data["channel"]).first()
        if channel is None:
            raise serializers.ValidationError({"channel": ["None of your channels has this code."]})
        by = request.user if request.user.is_authenticated else None
        pid = create_pid(channel, placement=asked.validated_data["placement"], by=by, at=at)
        return Response(pid_json(pid, figures([pid], at=at)[pid.pk]), status=status.HTTP_201_CREATED)
