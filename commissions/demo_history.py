"""The demo's past: day after day of orders, taken in and released as if it had been lived.

Nothing is written beside the operations: each hour's events go through `take_in` with that hour's clock, and
the release timer's sweep runs after it, so ledger, timelines and report days are as real as the live ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from affiliates.models import Affiliate, Pid
from affiliates.suspension import suspend
from commissions import demo
from commissions.intake import take_in
from commissions.marketplace import REAL, Step, Story, tell
from commissions.models import Commission, Journal, Transfer, Transition
from commissions.release import release_chunk, sweep
from orders.facts import AWAITING, COMPLETED, PAID
from orders.models import Click, Link, Merchant, Order, OrderEvent, OrderSource
from portal import audit, demo_logins
from portal.models import User

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAYS = 90
ORDERS = 5000
PERIOD = timedelta(days=10)
# How busy each Shanghai hour is; buyers west of China sleep through its morning.
HOURS = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 7, 7, 8, 8, 8, 9, 9, 10, 11, 11, 9, 6)
WEEKDAYS = (9, 9, 9, 10, 12, 14, 13)
# Payments come within these last minutes before an hour's intake, and are due, released half an hour after it.
PAID_BEFORE_INTAKE = timedelta(minutes=20)
SWEEP_AFTER_INTAKE = timedelta(minutes=30)
SHARE_WITHOUT_CLICK = 0.05
SHARE_TOLD_TWICE = 0.01
SHARE_TOLD_LATE = 0.01

Progress = Callable[[int], None]


class Planned(NamedTuple):
    """An order to be placed: when, where, and through whose PID."""

    ordered_at: datetime
    merchant: str
    pid: Pid


def seed(
    *,
    at: datetime,
    days: int = DAYS,
    orders: int = ORDERS,
    seed: int = 1,
    progress: Progress = lambda hours: None,
) -> None:
    """Build the demo network and live `days` of about `orders` orders up to `at`, the same for the same `seed`.

    Each hour is committed by itself, as it would have been; one transaction for all of it would drag every
    version of every balance along. `progress` is told how many of the hours of `intake_times` are done.

    Raises: NotInDemoMode, NotEmpty.
    Source: SPEC §10, LIFE-3.
    """
    demo.refuse_unless_demo_and_empty()
    random = Random(seed)  # noqa: S311  (a story, not a secret)
    start = at - timedelta(days=days)
    with _quick_commits():
        source = demo.build_network(start=start, at=at)
        _Past(source, start=start, at=at, random=random, progress=progress).live(orders)
        demo.leave_pids_idle(at=at)
    audit.record(demo.SEEDED, by=None, target=source, at=at, days=days, orders=orders, seed=seed)


@contextmanager
def _quick_commits() -> Iterator[None]:
    """Commits that don't wait for the disk: a lost past is begun anew."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        try:
            yield
        finally:
            if not connection.needs_rollback:
                cursor.execute("RESET synchronous_commit")


def _refresh_statistics() -> None:
    """Tell the planner how the tables have grown, ahead of the server's own timer."""
    with connection.cursor() as cursor:
        for model in (Click, Order, OrderEvent, Commission, Transition, Journal, Transfer):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def intake_times(start: datetime, at: datetime) -> list[datetime]:
    """The hourly moments of intake: each day its own minute, nothing in the small hours but just before `at`."""
    times = []
    day = start.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= at:
        minute = Random(day.toordinal()).randrange(20, 60)  # noqa: S311
        for hour, weight in enumerate(HOURS):
            moment = day + timedelta(hours=hour, minutes=minute)
            if start < moment <= at and (weight or at - moment < timedelta(hours=6)):
                times.append(moment.astimezone(at.tzinfo))
        day += timedelta(days=1)
    return times


class _Past:
    """The run through the past: a calendar of events by hour, filled a period ahead and worked off in order."""

    def __init__(
        self, source: OrderSource, *, start: datetime, at: datetime, random: Random, progress: Progress
    ) -> None:
        self.source, self.start, self.at = source, start, at
        self.random, self.progress = random, progress
        self.times = intake_times(start, at)
        self.calendar: dict[datetime, list[dict[str, Any]]] = defaultdict(list)
        self.merchants = {merchant.code: merchant for merchant in Merchant.objects.all()}
        self.suspended_from = at - timedelta(days=min(20.0, (at - start).days / 4))
        self.links: dict[tuple[str, int], Link] = {}
        self.number = 0

    def live(self, orders: int) -> None:
        share = self._shares(orders)
        suspension_due = True
        for begin, end in self._periods():
            if begin > self.start:
                demo.open_more_pids(at=begin)
            self._place_orders(begin, end, share)
            for moment in (moment for moment in self.times if begin < moment <= end):
                if suspension_due and moment >= self.suspended_from:
                    self._suspend()
                    suspension_due = False
                self._live_hour(moment)
            _refresh_statistics()
        sweep(at=self.at)

    def _periods(self) -> Iterator[tuple[datetime, datetime]]:
        begin = self.start
        while begin < self.at:
            end = min(begin + PERIOD, self.at)
            yield begin, end
            begin = end

    def _shares(self, orders: int) -> dict[datetime, float]:
        """How many orders to expect before each intake; the network grows, and weekends are busier."""
        span = (self.at - self.start).total_seconds()
        weights = {}
        for moment in self.times:
            local = moment.astimezone(SHANGHAI)
            growth = 0.5 + (moment - self.start).total_seconds() / span
            weights[moment] = max(HOURS[local.hour], 1) * WEEKDAYS[local.weekday()] * growth
        total = sum(weights.values())
        return {moment: orders * weight / total for moment, weight in weights.items()}

    def _live_hour(self, moment: datetime) -> None:
        events = self.calendar.pop(moment, [])
        if events:
            events.sort(key=lambda event: event["occurred_at"])
            take_in(self.source, events, at=moment)
        swept_at = moment + SWEEP_AFTER_INTAKE
        if swept_at <= self.at:
            # Expiries and suspensions are looked for every third hour, releases in each.
            (sweep if moment.astimezone(SHANGHAI).hour % 3 == 0 else release_chunk)(at=swept_at)
        self.progress(1)

    def _suspend(self) -> None:
        suspend(
            Affiliate.objects.get(code=demo.SUSPENDED),
            by=User.objects.get(email=demo_logins.RISK.email),
            at=self.suspended_from,
            reason="Orders from one device across many buyer accounts",
        )

    # --- placing orders ---------------------------------------------------------------------------------------

    def _place_orders(self, begin: datetime, end: datetime, share: dict[datetime, float]) -> None:
        plans = self._plans(begin, end, share)
        clicks = [self._click(plan) for plan in plans]
        idle = [self._idle_click(plan) for plan in plans if self.random.random() < 0.6]
        idle += self._probation_clicks(begin, end)
        Click.objects.bulk_create([click for click in clicks if click is not None] + idle, batch_size=2000)
        for plan, click in zip(plans, clicks, strict=True):
            self._schedule(plan, click)

    def _plans(self, begin: datetime, end: datetime, share: dict[datetime, float]) -> list[Planned]:
        pids: dict[str, list[Pid]] = defaultdict(list)
        for pid in Pid.objects.select_related("affiliate").order_by("pk"):
            pids[pid.affiliate.code].append(pid)
        weight = {plan.code: plan.weight for plan in demo.MERCHANTS}
        plans = []
        for moment in (moment for moment in self.times if begin < moment <= end):
            count = int(share[moment]) + (self.random.random() < share[moment] % 1)
            for _ in range(count):
                affiliate = self.random.choices(demo.AFFILIATES, [plan.weight for plan in demo.AFFILIATES])[0]
                merchant = self.random.choices(
                    affiliate.merchants, [weight[code] for code in affiliate.merchants]
                )[0]
                ordered_at = moment - timedelta(seconds=self.random.uniform(20, 3590))
                plans.append(
                    Planned(max(ordered_at, self.start), merchant, self.random.choice(pids[affiliate.code]))
                )
        return plans

    def _click(self, plan: Planned, *, before: tuple[float, float] = (30, 20000)) -> Click | None:
        """The click that an order comes from; now and then there is none."""
        if self.random.random() < SHARE_WITHOUT_CLICK:
            return None
        seconds = self.random.uniform(*before)
        if self.random.random() < 0.03:
            seconds += self.random.uniform(5, 40) * 86400  # thought about for long: some beyond the window
        return self._record(plan, plan.ordered_at - timedelta(seconds=seconds))

    def _idle_click(self, plan: Planned) -> Click:
        """A click that nothing was ordered after, some of them not valid (ATTR-3)."""
        moment = plan.ordered_at - timedelta(seconds=self.random.uniform(0, 30000))
        kinds = [Click.Invalid.BOT, Click.Invalid.PREFETCH, Click.Invalid.HEAD, Click.Invalid.RATE_LIMITED]
        invalid = self.random.choice(kinds) if self.random.random() < 0.18 else ""
        return self._record(plan, moment, invalid=invalid)

    def _probation_clicks(self, begin: datetime, end: datetime) -> list[Click]:
        pid = Pid.objects.get(affiliate__code=demo.ON_PROBATION)
        span = (end - begin).total_seconds()
        return [
            self._record(Planned(begin + timedelta(seconds=self.random.uniform(0, span)), "M1003", pid), None)
            for _ in range(6)
        ]

    def _record(self, plan: Planned, clicked_at: datetime | None, *, invalid: str = "") -> Click:
        clicked_at = clicked_at or plan.ordered_at
        suspended = plan.pid.affiliate.code == demo.SUSPENDED and clicked_at >= self.suspended_from
        return Click(
            click_id=f"{self.random.getrandbits(192):048x}",
            link=self._link(plan),
            pid=plan.pid,
            affiliate_id=plan.pid.affiliate_id,
            merchant=self.merchants[plan.merchant],
            clicked_at=clicked_at,
            invalid_reason=Click.Invalid.AFFILIATE_SUSPENDED if suspended else invalid,
        )

    def _link(self, plan: Planned) -> Link:
        """The affiliate's link to the merchant with this PID, made before its first click."""
        key = (plan.merchant, plan.pid.pk)
        if key not in self.links:
            self.links[key] = Link.objects.create(
                pid=plan.pid,
                affiliate_id=plan.pid.affiliate_id,
                merchant=self.merchants[plan.merchant],
                target=demo.page_of(plan.merchant),
                utm_source=plan.pid.channel.platform,
                created_at=self.start,
            )
        return self.links[key]

    def _schedule(self, plan: Planned, click: Click | None) -> None:
        """Tell the order's story and put its events into the calendar, as far as they have happened by now."""
        self.number += 1
        story = tell(
            self.random,
            merchant=plan.merchant,
            order_id=f"8211{self.random.randrange(10**6):06d}{self.number:06d}",
            click_ids=[click.click_id] if click else [],
            pace=REAL,
            products=demo.products_of(plan.merchant),
        )
        shift = 0.0
        last = 0
        for number, step in enumerate(story.steps, start=1):
            step.after += shift
            if step.type == PAID:
                shift += self._align_payment(plan, step)
            elif step.type == COMPLETED:
                self._align_completion(plan, step)
            occurred_at = plan.ordered_at + timedelta(seconds=step.after)
            hour = max(bisect_left(self.times, occurred_at), last)
            if step.type not in (AWAITING, PAID) and self.random.random() < SHARE_TOLD_LATE:
                hour += 1
            if hour >= len(self.times):
                return
            last = hour
            self._enter(story, plan, step, number, hour)

    def _enter(self, story: Story, plan: Planned, step: Step, number: int, hour: int) -> None:
        event = story.event(step, ordered_at=plan.ordered_at, event_id=f"mp-{story.order_id}-{number}")
        self.calendar[self.times[hour]].append(event)
        if self.random.random() < SHARE_TOLD_TWICE and hour + 1 < len(self.times):
            self.calendar[self.times[hour + 1]].append(event)

    def _align_payment(self, plan: Planned, step: Step) -> float:
        """Move a payment to shortly before an hour's intake, mostly the next; returns by how many seconds.

        So it is released 30 to 50 minutes after it, though the past is lived in steps of an hour.
        """
        wanted = plan.ordered_at + timedelta(seconds=step.after)
        hour = bisect_left(self.times, wanted)
        if self.random.random() < 0.8:
            hour = max(hour, bisect_left(self.times, plan.ordered_at) + 1)
        if hour >= len(self.times):
            return 0.0
        seconds = self.random.uniform(30, PAID_BEFORE_INTAKE.total_seconds())
        moment = max(self.times[hour] - timedelta(seconds=seconds), plan.ordered_at + timedelta(seconds=8))
        before = step.after
        step.after = (moment - plan.ordered_at).total_seconds()
        return step.after - before

    def _align_completion(self, plan: Planned, step: Step) -> None:
        """Parcels are handed over by day; then what falls due days later does so while the timer runs hourly."""
        local = (plan.ordered_at + timedelta(seconds=step.after)).astimezone(SHANGHAI)
        if not 12 <= local.hour < 20:
            local = local.replace(hour=12 + local.hour % 7) + timedelta(days=1)
            step.after = (local - plan.ordered_at).total_seconds()
