"""The path that real sequences of events leave, for each code of DIAG-2 that they can cause (DIAG-1…3)."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone, translation

from affiliates.suspension import suspend
from affiliates.tests.factories import make_affiliate, make_pid
from commissions.diagnosis_codes import CAUSES
from commissions.diagnosis_path import Hop
from commissions.diagnosis_words import TITLES
from commissions.holds import hold
from commissions.tests.factories import Shop, make_terms
from commissions.tests.pages import member_of, merchant_member
from orders.tests.factories import NOON, make_click, make_merchant
from portal.tests.factories import make_user

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
AT = NOON + 2 * HOUR


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: AT)


@pytest.fixture
def shop():
    return Shop(pid=make_pid(make_affiliate("alice")))


def untracked(event: dict) -> dict:
    """The event of a shop that knows nothing of clicks."""
    return {**event, "attribution": {}}


def carrying(event: dict, *ids: str) -> dict:
    return {**event, "attribution": {"click_ids": list(ids)}}


# --- one real sequence for each code --------------------------------------------------------------------------


def _pid_missing(shop):
    shop.send(untracked(shop.awaiting(clicks=())))


def _pid_unknown(shop):
    shop.send(carrying(shop.awaiting(), "mm_nobody_blog_top"))


def _click_with(reason):
    def play(shop):
        click = make_click(shop.merchant, shop.pid, invalid_reason=reason)
        shop.send(shop.awaiting(clicks=(click,)))

    return play


def _click_not_found(shop):
    shop.send(carrying(shop.awaiting(), "no-such-click"))


def _click_expired(shop):
    shop.send(
        shop.awaiting(clicks=(make_click(shop.merchant, shop.pid, at=NOON - timedelta(days=30, seconds=1)),))
    )


def _click_other_merchant(shop):
    shop.send(shop.awaiting(clicks=(make_click(make_merchant(), shop.pid),)))


def _cookie_lost(shop):
    shop.send(shop.awaiting(clicks=()))


def _evidence_conflict(shop):
    """Another affiliate's click is newer: the shop's affiliate sees that its own lost."""
    newer = make_click(shop.merchant, make_pid(), at=NOON - timedelta(minutes=1))
    shop.send(shop.awaiting(clicks=(shop.click, newer)))


def _no_rate(shop):
    early = NOON - timedelta(days=400)
    click = make_click(shop.merchant, shop.pid, at=early - HOUR)
    shop.send(shop.awaiting(ordered_at=early, clicks=(click,)))


def _zero_base(shop):
    shop.send(shop.awaiting(amounts={"platform_fee": 1000}))


def _below_threshold(shop):
    make_terms(shop.merchant, threshold=3000, starts_at=NOON - timedelta(days=2))
    shop.send(shop.awaiting(paid=2850))


def _below_minimum(shop):
    shop.send(shop.awaiting(paid=100))


def _unpaid_expired(shop):
    at = NOON - timedelta(hours=25)
    click = make_click(shop.merchant, shop.pid, at=at - HOUR)
    shop.send(shop.awaiting(at=at, ordered_at=at, clicks=(click,)))
    shop.sweep(at=NOON)


def _cancelled(shop):
    shop.send(shop.awaiting(), shop.event("cancelled"))


def _dispute(shop):
    shop.send(shop.paid(), shop.dispute(at=NOON + timedelta(minutes=10)))


def _held_for(reason):
    def play(shop):
        shop.send(shop.paid())
        hold(shop.commission(), reason=reason, by=make_user("Risk"), at=NOON + HOUR)

    return play


def _suspended(shop):
    shop.send(shop.paid())
    suspend(shop.affiliate, reason="checks", by=make_user("Ops"), at=NOON + timedelta(minutes=10))
    shop.sweep(at=NOON + HOUR)


def _refunded(shop):
    shop.send(shop.paid())
    shop.sweep(at=NOON + HOUR)
    shop.send(shop.refund())


SEQUENCES = {
    "pid_missing": ("pid", _pid_missing),
    "pid_unknown": ("pid", _pid_unknown),
    "pid_frozen": ("pid", _click_with("pid_frozen")),
    "click_not_found": ("click", _click_not_found),
    "click_invalid": ("click", _click_with("bot")),
    "click_expired": ("match", _click_expired),
    "click_other_merchant": ("match", _click_other_merchant),
    "merchant_inactive": ("click", _click_with("merchant_inactive")),
    "cookie_lost": ("cookie", _cookie_lost),
    "evidence_conflict": ("match", _evidence_conflict),
    "no_rate": ("rate", _no_rate),
    "zero_base": ("rate", _zero_base),
    "below_order_threshold": ("threshold", _below_threshold),
    "below_minimum_unit": ("threshold", _below_minimum),
    "unpaid_expired": ("payment", _unpaid_expired),
    "order_cancelled": ("payment", _cancelled),
    "dispute_open": ("release", _dispute),
    "self_purchase": ("release", _held_for("self_purchase")),
    "risk_hold": ("release", _held_for("risk_hold")),
    "affiliate_suspended": ("release", _suspended),
    "refunded": ("release", _refunded),
}
# What leaves no evidence of an affiliate's is seen by the merchant and by ops.
NOBODYS = {"pid_missing", "pid_unknown", "click_not_found", "cookie_lost"}


@pytest.mark.parametrize("code", SEQUENCES)
def test_a_real_sequence_breaks_the_path_at_the_right_hop_in_both_languages(shop, code):
    hop, play = SEQUENCES[code]
    play(shop)
    to_merchant = code in NOBODYS
    base = f"/merchant/{shop.merchant.code}" if to_merchant else "/affiliate/alice"
    for language in ("en", "zh-hans"):
        client = (
            merchant_member(shop.merchant, language, language=language)
            if to_merchant
            else member_of(shop.affiliate, language, language=language)
        )
        page = unescape(client.get(f"{base}/diagnosis/?q=A1").content.decode())
        assert f'data-outcome="broken" data-code="{code}"' in page
        broken = page.split(f'data-hop="{hop}" data-state="broken"')
        assert len(broken) == 2
        step = broken[1].partition("</li>")[0]
        with translation.override(language):
            cause = CAUSES[code]
            for said in (TITLES[Hop(hop)], cause.label, cause.cause, cause.fix(merchant=to_merchant)):
                assert str(said) in step
