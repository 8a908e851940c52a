"""Terms for tests, and a small shop that plays an order from click to release."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from affiliates.models import Affiliate, Pid
from affiliates.tests.factories import make_pid
from commissions.intake import Result, take_in
from commissions.ledger import account_ids
from commissions.models import Account, Commission, Mode, RateRule, TermsVersion
from commissions.release import sweep
from commissions.terms import publish
from orders.models import Click, Merchant, OrderSource
from orders.tests.factories import NOON, event, make_click, make_merchant, make_source, pricing_event

TERMS_START = datetime(2026, 1, 1, tzinfo=UTC)


def make_terms(
    merchant: Merchant,
    *,
    rate_bps: int = 790,
    threshold: int = 0,
    mode: str = Mode.PRE_PAYMENT,
    completion_days: int = 7,
    starts_at: datetime = TERMS_START,
    rules: tuple[dict[str, Any], ...] = (),
) -> TermsVersion:
    draft = TermsVersion.objects.create(
        merchant=merchant,
        default_rate_bps=rate_bps,
        threshold_amount=threshold,
        mode=mode,
        completion_days=completion_days,
    )
    for position, rule in enumerate(rules, start=1):
        RateRule.objects.create(terms=draft, **{"position": position, **rule})
    return publish(draft, by=None, at=starts_at)


class Shop:
    """A merchant with terms, one affiliate's valid click, and an order source: sends events and turns the clock."""

    def __init__(self, *, pid: Pid | None = None, **terms: Any) -> None:
        self.merchant: Merchant = make_merchant()
        self.source: OrderSource = make_source(self.merchant)
        self.terms = make_terms(self.merchant, **terms)
        self.pid = pid or make_pid()
        self.affiliate: Affiliate = self.pid.affiliate
        self.click: Click = make_click(self.merchant, self.pid)

    def send(self, *events: dict[str, Any], at: datetime | None = None) -> list[Result]:
        """Take `events` in; received when the latest of them occurred unless `at` says otherwise."""
        received = at or max(datetime.fromisoformat(one["occurred_at"]) for one in events)
        return take_in(self.source, list(events), at=received)

    def awaiting(self, order_id: str = "A1", **kwargs: Any) -> dict[str, Any]:
        return pricing_event(
            "awaiting_payment", self.merchant, order_id, **{"clicks": (self.click,), **kwargs}
        )

    def paid(self, order_id: str = "A1", *, at: datetime = NOON + timedelta(minutes=5), **kwargs: Any):
        return pricing_event("paid", self.merchant, order_id, at=at, **{"clicks": (self.click,), **kwargs})

    def event(
        self, type_: str, order_id: str = "A1", *, at: datetime = NOON + timedelta(hours=2), **body: Any
    ):
        return event(type_, self.merchant, order_id, at=at, **body)

    def refund(
        self,
        amount: int | None = None,
        *,
        order_id: str = "A1",
        refund_id: str = "r1",
        at: datetime = NOON + timedelta(hours=2),
        **more: Any,
    ) -> dict[str, Any]:
        body = {"refund_id": refund_id, **({"full": True} if amount is None else {"amount": amount}), **more}
        return self.event("refunded", order_id, at=at, refund=body)

    def dispute(
        self, dispute_id: str = "d1", *, order_id: str = "A1", at: datetime = NOON + timedelta(hours=1)
    ):
        return self.event("dispute_opened", order_id, at=at, dispute={"dispute_id": dispute_id})

    def resolution(
        self,
        compensation: int,
        dispute_id: str = "d1",
        *,
        order_id: str = "A1",
        at: datetime = NOON + timedelta(hours=3),
    ):
        body = {"dispute_id": dispute_id, "compensation": compensation}
        return self.event("dispute_resolved", order_id, at=at, dispute=body)

    def sweep(self, *, at: datetime = NOON + timedelta(minutes=40)) -> None:
        sweep(at=at)

    def commission(self, order_id: str = "A1") -> Commission:
        return Commission.objects.get(
            order__merchant=self.merchant, order__order_id=order_id, affiliate=self.affiliate
        )

    def balances(self) -> dict[str, int]:
        """The non-zero balances of the affiliate and the merchant, in cents, by account kind."""
        ids = account_ids(affiliates=[self.affiliate.pk], merchants=[self.merchant.pk])
        accounts = Account.objects.filter(pk__in=ids.values())
        return {account.kind: account.balance for account in accounts if account.balance}
