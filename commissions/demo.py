"""The demo network: merchants with their terms, affiliates with their channels, and the people who sign in.

Everything with a rule behind it is made by the operation that holds the rule (terms are published, PIDs created,
the $0.01 switch chosen), at the time when it would have happened. `demo_history` then plays the orders.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate, AffiliateMember, Channel, CommissionPreference, Pid
from affiliates.pids import create_pid
from affiliates.preferences import choose_minimum_unit
from commissions.marketplace import BEAUTY, CATALOGUE, HOME, PHONE, Product
from commissions.models import Mode, RateRule, TermsVersion
from commissions.terms import publish
from orders import pid_clicks
from orders.models import (
    AttributionWindow,
    Link,
    Merchant,
    MerchantDomain,
    MerchantMember,
    OrderSource,
    OrderSourceSecret,
)
from portal import demo_logins
from portal.demo_logins import DemoLogin
from portal.errors import DomainError
from portal.models import AuditEntry, MemberRole, User

SOURCE_CODE = "marketplace"
SEEDED = "demo.seed"


class NotInDemoMode(DomainError):
    """Demo data has no business anywhere but in demo mode."""

    code = "not_in_demo_mode"


class NotEmpty(DomainError):
    """There are merchants or affiliates already."""

    code = "not_empty"


class MerchantPlan(NamedTuple):
    """A demo merchant: who it is, what it sells, how busy it is beside the others."""

    code: str
    name: str
    rating: str
    host: str
    categories: tuple[str, ...]
    weight: int
    window_days: int = 30


class AffiliatePlan(NamedTuple):
    """A demo affiliate; channels are (code, platform, handle, audience), merchants the codes that it promotes."""

    code: str
    name: str
    kind: str
    weight: int
    merchants: tuple[str, ...]
    channels: tuple[tuple[str, str, str, int], ...]


MERCHANTS = (
    MerchantPlan("M1001", "Lumo Mobile 流光数码", "L5", "lumo.demo-shops.example", (PHONE,), 30),
    MerchantPlan("M1002", "Peach & Pearl 桃珠美妆", "L4", "peach.demo-shops.example", (BEAUTY,), 22, 15),
    MerchantPlan("M1003", "Nestwell 巢居生活", "L4", "nestwell.demo-shops.example", (HOME,), 20),
    MerchantPlan("M1004", "Volt Harbor 伏港配件", "L3", "volt.demo-shops.example", (PHONE, HOME), 14, 60),
    MerchantPlan(
        "M1005", "Silk Route Select 丝路优选", "L2", "silkroute.demo-shops.example", (BEAUTY, HOME), 9
    ),
    MerchantPlan(
        "M1006", "Corner Bazaar 街角集市", "L1", "corner.demo-shops.example", (PHONE, BEAUTY, HOME), 5, 7
    ),
)

SHOP = MerchantPlan("SHOP", "Corner Fitting Room 街角试衣间", "L4", "127.0.0.1", (PHONE, BEAUTY, HOME), 0)
"""The merchant whose site `manage.py demo_shop` serves. Its orders are placed by people, never by the simulator."""
SHOP_SOURCE = "demo-shop"
SHOP_AFFILIATES = ("qingkong", "gadgetlane")

_ALL = tuple(plan.code for plan in MERCHANTS)
_KOC, _MCN, _SITE = (kind.value for kind in Affiliate.Kind)
AFFILIATES = (
    AffiliatePlan("qingkong", "晴空好物", _KOC, 20, ("M1001", "M1003", "M1004"),
                  (("wx", "wechat", "晴空好物分享", 86000), ("qq", "qq", "晴空好物群", 52000))),
    AffiliatePlan("gadgetlane", "Gadget Lane", _SITE, 18, ("M1001", "M1004", "M1006"),
                  (("site", "website", "https://gadgetlane.example", 5400), ("tg", "telegram", "@gadgetlane", 3100))),
    AffiliatePlan("nanxing", "南星传媒", _MCN, 16, _ALL,
                  (("tiktok", "tiktok", "@nanxing.deals", 420000), ("ins", "instagram", "@nanxing.picks", 180000))),
    AffiliatePlan("xiaoman", "小满的梳妆台", _KOC, 12, ("M1002", "M1005"),
                  (("wx", "wechat", "小满的梳妆台", 64000),)),
    AffiliatePlan("ruhaul", "RuHaul Обзоры", _SITE, 11, ("M1001", "M1002", "M1003"),
                  (("vk", "vk", "vk.com/ruhaul", 97000), ("site", "website", "https://ruhaul.example", 8200))),
    AffiliatePlan("homeling", "Homeling Finds", _SITE, 9, ("M1003", "M1005"),
                  (("site", "website", "https://homeling.example", 3900),)),
    AffiliatePlan("casabonita", "Casa Bonita ES", _SITE, 8, ("M1003", "M1002"),
                  (("site", "website", "https://casabonita.example", 4600), ("yt", "youtube", "@casabonita", 58000))),
    AffiliatePlan("yunfan", "云帆出海", _MCN, 8, ("M1001", "M1002", "M1005"),
                  (("tiktok", "tiktok", "@yunfan.global", 265000),)),
    AffiliatePlan("desertdeals", "Desert Deals", _MCN, 6, ("M1002", "M1004"),
                  (("ins", "instagram", "@desert.deals", 143000),)),
    AffiliatePlan("ashi", "阿释的小店推荐", _KOC, 4, ("M1006", "M1001"),
                  (("wx", "wechat", "阿释好物", 51000),)),
    AffiliatePlan("flashpick", "FlashPick Media", _MCN, 5, ("M1001", "M1005", "M1006"),
                  (("tg", "telegram", "@flashpick", 120000),)),
    AffiliatePlan("mumu", "木木新手村", _KOC, 0, ("M1003",),
                  (("wx", "wechat", "木木新手村", 50500),)),
)  # fmt: skip
ON_PROBATION, ONE_CENT, SUSPENDED = "mumu", "ashi", "flashpick"


def products_of(merchant_code: str) -> tuple[Product, ...]:
    """What a merchant sells: the demo merchants their own categories, any other everything."""
    for plan in MERCHANTS:
        if plan.code == merchant_code:
            return tuple(product for product in CATALOGUE if product.category_id in plan.categories)
    return CATALOGUE


def refuse_unless_demo_and_empty() -> None:
    """Raises: NotInDemoMode; NotEmpty when there is anything that a demo could get mixed up with."""
    if not settings.DEMO:
        raise NotInDemoMode(_("Demo data is for demo mode only: set DEMO=1."))
    begun = OrderSource.objects.filter(code=SOURCE_CODE).exists()
    if begun and not AuditEntry.objects.filter(action=SEEDED).exists():
        raise NotEmpty(
            _("The demo data is incomplete: making it was interrupted. Begin anew with make reset.")
        )
    if Merchant.objects.exists() or Affiliate.objects.exists():
        raise NotEmpty(_("There are merchants or affiliates already. Nothing was changed."))


@transaction.atomic
def build_network(*, start: datetime, at: datetime) -> OrderSource:
    """Make people, merchants, terms, affiliates and the order source as of `start`; terms change up to `at`."""
    people = _people()
    merchants = {plan.code: _merchant(plan, start=start) for plan in MERCHANTS}
    affiliates = {plan.code: _affiliate(plan, start=start) for plan in AFFILIATES}
    for login, owned in (
        (demo_logins.AFFILIATE_ZH, "qingkong"),
        (demo_logins.AFFILIATE_EN, "gadgetlane"),
    ):
        AffiliateMember.objects.create(
            affiliate=affiliates[owned], user=people[login.email], role=MemberRole.OWNER
        )
    owner = people[demo_logins.MERCHANT.email]
    MerchantMember.objects.create(merchant=merchants["M1001"], user=owner, role=MemberRole.OWNER)
    _publish_terms(merchants, affiliates, owner=owner, start=start, at=at)
    choose_minimum_unit(
        affiliates[ONE_CENT],
        minimum_unit=CommissionPreference.ONE_CENT,
        by=None,
        at=start + (at - start) / 5,
    )
    choose_minimum_unit(
        affiliates["qingkong"], minimum_unit=CommissionPreference.TEN_CENTS, by=None, at=start
    )
    _open_shop(owner, affiliates, start=start)
    return _order_source(SOURCE_CODE, "Marketplace", list(merchants.values()), start=start)


def open_more_pids(*, at: datetime) -> None:
    """The second placement of each channel, and the first of further channels, once an affiliate is unlocked.

    Source: SPEC ONB-7.
    """
    for channel in Channel.objects.filter(affiliate__unlocked_at__isnull=False).order_by("pk"):
        for placement in ("top", "group"):
            if not channel.pids.filter(placement=placement).exists():
                pid = create_pid(channel, placement=placement)
                Pid.objects.filter(pk=pid.pk).update(created_at=at, active_since=at)


def page_of(merchant_code: str) -> str:
    """The page of a demo merchant that its affiliates link to."""
    host = next(plan.host for plan in MERCHANTS if plan.code == merchant_code)
    return f"https://{host}/new-arrivals"


def leave_pids_idle(*, at: datetime) -> None:
    """A PID that is about to freeze, and one that is frozen, for the people who look around (ATTR-4)."""
    for code, days in (("qingkong", 27), ("gadgetlane", 34)):
        channel = Channel.objects.filter(affiliate__code=code).order_by("pk")[0]
        create_pid(channel, placement="flyer", by=None, at=at - timedelta(days=days))
    pid_clicks.sweep(at=at)


def _people() -> dict[str, User]:
    """The demo users, their addresses confirmed, the staff in their groups."""
    people = {}
    password = make_password(demo_logins.DEMO_PASSWORD)  # hashed once: it takes a quarter of a second
    group_of = {login.email: group for group, login in demo_logins.STAFF.items()}
    logins: list[DemoLogin] = [
        demo_logins.ADMIN,
        demo_logins.MERCHANT,
        demo_logins.AFFILIATE_ZH,
        demo_logins.AFFILIATE_EN,
        *demo_logins.STAFF.values(),
    ]
    for login in logins:
        user = User.objects.create(
            email=login.email,
            password=password,
            name=login.name,
            language=login.language,
            is_staff=login is demo_logins.ADMIN or login.email in group_of,
            is_superuser=login is demo_logins.ADMIN,
        )
        if login.email in group_of:
            group, _created = Group.objects.get_or_create(name=group_of[login.email])
            user.groups.add(group)
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
        people[login.email] = user
    return people


def _merchant(plan: MerchantPlan, *, start: datetime) -> Merchant:
    merchant = Merchant.objects.create(
        code=plan.code, name=plan.name, store_rating=plan.rating, created_at=start - timedelta(days=20)
    )
    MerchantDomain.objects.create(merchant=merchant, host=plan.host, verified_at=start - timedelta(days=19))
    AttributionWindow.objects.create(merchant=merchant, days=plan.window_days, effective_at=start)
    return merchant


def _affiliate(plan: AffiliatePlan, *, start: datetime) -> Affiliate:
    created_at = start - timedelta(days=9)
    affiliate = Affiliate.objects.create(
        code=plan.code,
        name=plan.name,
        kind=plan.kind,
        created_at=created_at,
        approved_at=start - timedelta(days=7),
    )
    for code, platform, handle, audience in plan.channels:
        Channel.objects.create(
            affiliate=affiliate, code=code, platform=platform, handle=handle, audience=audience
        )
    pid = create_pid(affiliate.channels.order_by("pk")[0], placement="top")
    Pid.objects.filter(pk=pid.pk).update(created_at=start - timedelta(days=6))
    return affiliate


def _order_source(code: str, name: str, merchants: list[Merchant], *, start: datetime) -> OrderSource:
    """An order system. Its demo secret follows from the installation's own key."""
    source = OrderSource.objects.create(code=code, name=name, created_at=start)
    source.merchants.set(merchants)
    OrderSourceSecret.objects.create(
        source=source, secret=demo_secret(f"order source {code}"), created_at=start
    )
    return source


def demo_secret(purpose: str) -> str:
    """A signing secret that is this installation's own, and the same whenever its demo data are made."""
    digest = hashlib.sha256(f"demo {purpose} {settings.SECRET_KEY}".encode()).digest()
    return "whsec_" + base64.b64encode(digest).decode()


def _open_shop(owner: User, affiliates: dict[str, Affiliate], *, start: datetime) -> None:
    """The demo shop's merchant, and a link to it for each affiliate that people sign in as."""
    merchant = _merchant(SHOP, start=start)
    MerchantMember.objects.create(merchant=merchant, user=owner, role=MemberRole.OWNER)
    publish(
        TermsVersion.objects.create(
            merchant=merchant, default_rate_bps=1000, threshold_amount=1000, created_at=start
        ),
        by=owner,
        at=start,
    )
    _order_source(SHOP_SOURCE, "Corner Fitting Room", [merchant], start=start)
    for code in SHOP_AFFILIATES:
        pid = affiliates[code].pids.get()
        Link.objects.create(
            pid=pid,
            affiliate=affiliates[code],
            merchant=merchant,
            target=f"http://{SHOP.host}:{settings.DEMO_SHOP_PORT}/",
            label="Corner Fitting Room 街角试衣间",
            utm_source="demo",
            utm_campaign="try-it",
            created_at=start,
        )


def _publish_terms(
    merchants: dict[str, Merchant],
    affiliates: dict[str, Affiliate],
    *,
    owner: User,
    start: datetime,
    at: datetime,
) -> None:
    """Every merchant's versions over time, each published when it would have been (RATE-1…3, LIFE-10)."""
    opening = start - timedelta(days=5)
    span = at - start
    earlier, later = start + span * 0.4, start + span * 0.75
    campaign = {"window_start": at - timedelta(days=20), "window_end": at + timedelta(days=10)}

    def version(
        code: str, published_at: datetime, rate_bps: int, *rules: dict[str, Any], **terms: Any
    ) -> None:
        draft = TermsVersion.objects.create(
            merchant=merchants[code], default_rate_bps=rate_bps, created_at=published_at, **terms
        )
        RateRule.objects.bulk_create(
            RateRule(terms=draft, position=position, **rule) for position, rule in enumerate(rules, start=1)
        )
        publish(draft, by=owner if code == "M1001" else None, at=published_at)

    star, lane = {"affiliate": affiliates["nanxing"]}, {"affiliate": affiliates["gadgetlane"]}
    version("M1001", opening, 700, threshold_amount=1500)
    version("M1001", earlier, 790, {"product_id": "earbuds-air4", "rate_bps": 1200}, threshold_amount=1500)
    version(
        "M1001", later, 790,
        {"product_id": "earbuds-air4", "rate_bps": 1200},
        {**lane, "rate_bps": 950},
        {"country": "KZ", **campaign, "rate_bps": 1050},
        threshold_amount=1500,
    )  # fmt: skip
    version("M1002", opening, 900, {**star, "rate_bps": 1250}, threshold_amount=1500)
    version(
        "M1002", later, 1000,
        {**star, "category_id": BEAUTY, "rate_bps": 1400},
        {"product_id": "gua-sha-set", "rate_bps": 400},
        threshold_amount=1500,
    )  # fmt: skip
    version("M1003", opening, 650, {"country": "ES", "rate_bps": 800}, threshold_amount=3000)
    version(
        "M1003",
        later,
        680,
        {"country": "ES", "rate_bps": 850},
        campaign | {"rate_bps": 1100},
        threshold_amount=3000,
    )
    version("M1004", opening, 500, {"category_id": HOME, "rate_bps": 750})
    version("M1005", opening, 850, mode=Mode.TRADITIONAL, completion_days=7)
    version(
        "M1005",
        later,
        850,
        {"category_id": BEAUTY, "rate_bps": 1000},
        mode=Mode.TRADITIONAL,
        completion_days=10,
    )
    version("M1006", opening, 300, {"category_id": PHONE, "country": "RU", "rate_bps": 50})
