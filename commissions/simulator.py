"""Plays the marketplace: orders told by `marketplace`, posted as signed events over the HTTP API and nothing else.

Each client is a thread with orders and a connection of its own; an order stays with one client, so the last
answer to it is known. A request that fails is sent again, the very same bytes, until it is answered: that
nothing is lost or counted twice then is what the end report (`simulation_report`) proves.
"""

from __future__ import annotations

import heapq
import http.client
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from secrets import token_hex
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from affiliates.models import Pid, Suspension
from commissions.demo import products_of
from commissions.marketplace import BRISK, GENTLE, Story, tell
from orders.models import Click, Merchant

PATH = "/api/v1/order-events"
CLICKS_PER_MERCHANT = 40
GENTLE_RATE = 0.4
# Hours before the run: ahead of every order of it, those that are told of late included.
CLICKED_BEFORE = (36.0, 100.0)
CLICKED_BEFORE_GENTLY = (0.02, 1.5)
# How long the clicks of a gentle run serve before new ones are made.
CLICK_LIFE = timedelta(hours=6)
# An endless run forgets its oldest orders beyond this number, so that it doesn't grow for ever.
REMEMBERED_ORDERS = 50_000
TIMEOUT = 30.0
LONGEST_WAIT = 5.0

SHARE_DUPLICATED = 0.04
SHARE_SHUFFLED = 0.12
SHARE_WRONG = 0.006
SHARE_WITHOUT_CLICK = 0.04


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do. `rate` None: as fast as possible; `orders` and `seconds` None: without end."""

    base_url: str
    source: str
    secret: str
    orders: int | None = None
    seconds: float | None = None
    rate: float | None = None
    gentle: bool = False
    batch: int = 50
    clients: int = 1
    seed: int = 1


class Told(NamedTuple):
    """The commission of an order as the API last told it."""

    id: str
    state: str
    amount: int
    reason: str


@dataclass(slots=True)
class Tally:
    """What one client, or all of them together, sent and was answered."""

    # By (merchant, order id); None when the order has no commission.
    orders: OrderedDict[tuple[str, str], Told | None] = field(default_factory=OrderedDict)
    # Event ids that were sent and are answered, oldest first, without those that had to be rejected.
    event_ids: OrderedDict[str, None] = field(default_factory=OrderedDict)
    statuses: Counter[str] = field(default_factory=Counter)
    plots: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    requests: int = 0
    retries: int = 0
    placed: int = 0
    # Events of a last request that nobody had answered when the run was stopped.
    unanswered: int = 0

    def add(self, other: Tally) -> None:
        self.orders.update(other.orders)
        self.event_ids.update(other.event_ids)
        self.unanswered += other.unanswered
        self.statuses += other.statuses
        self.plots += other.plots
        self.surprises += other.surprises
        self.requests += other.requests
        self.retries += other.retries
        self.placed += other.placed


class Sending(NamedTuple):
    """One event on its way: when it is to be sent (seconds of the client's clock), and what is expected of it."""

    moment: float
    number: int
    body: dict[str, Any]
    again: bool
    wrong: bool


class RunRefused(Exception):
    """The API refuses the requests themselves, and would for ever: a wrong secret, a wrong address."""


def record_clicks(
    *, at: datetime, hours: tuple[float, float], random: Random, merchants: list[Merchant]
) -> dict[str, list[str]]:
    """Let buyers click on links to these merchants so many hours before `at`; click ids by merchant code."""
    suspended = Suspension.objects.filter(reinstated_at__isnull=True).values("affiliate")
    pids = list(
        Pid.objects.filter(frozen_at__isnull=True, affiliate__unlocked_at__isnull=False)
        .exclude(affiliate__in=suspended)
        .order_by("pk")
    )
    if not pids:
        return {merchant.code: [] for merchant in merchants}
    clicks = [
        Click(
            pid=(pid := random.choice(pids)),
            affiliate_id=pid.affiliate_id,
            merchant=merchant,
            clicked_at=at - timedelta(hours=random.uniform(*hours)),
        )
        for merchant in merchants
        for _ in range(CLICKS_PER_MERCHANT)
    ]
    Click.objects.bulk_create(clicks)
    found: dict[str, list[str]] = {merchant.code: [] for merchant in merchants}
    for click in clicks:
        found[click.merchant.code].append(click.click_id)
    return found


class Simulation:
    """One run: starts the clients, waits for them, adds up what they were told."""

    def __init__(self, plan: Plan, merchants: list[Merchant]) -> None:
        self.plan, self.merchants = plan, merchants
        self.run_id = token_hex(4)
        self.stopping = threading.Event()
        self.clicks: dict[str, list[str]] = {}
        self.clicks_made_at = datetime.min.replace(tzinfo=UTC)
        self.clients = [Client(self, index) for index in range(plan.clients)]
        self.began = self.ended = 0.0

    def run(self, progress: Callable[[int], None] = lambda orders: None) -> Tally:
        """Play until the plan is fulfilled or `stop` is called. Raises: RunRefused."""
        self._make_clicks()
        self.began = time.monotonic()
        threads = [threading.Thread(target=client.run, daemon=True) for client in self.clients]
        for thread in threads:
            thread.start()
        reported = 0
        while any(thread.is_alive() for thread in threads):
            threads[0].join(0.2) if threads[0].is_alive() else time.sleep(0.05)
            placed = sum(client.tally.placed for client in self.clients)
            progress(placed - reported)
            reported = placed
            if self.plan.gentle and timezone.now() - self.clicks_made_at > CLICK_LIFE:
                try:
                    self._make_clicks()
                except (OperationalError, InterfaceError):
                    connection.close()  # the database is starting again; the old clicks do meanwhile
        self.ended = time.monotonic()
        progress(sum(client.tally.placed for client in self.clients) - reported)
        for client in self.clients:
            if client.refusal is not None:
                raise client.refusal
        total = Tally()
        for client in self.clients:
            total.add(client.tally)
        return total

    def stop(self) -> None:
        """Place no more orders; what has been sent is still waited for."""
        self.stopping.set()

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def _make_clicks(self) -> None:
        at = timezone.now()
        random = Random(f"{self.plan.seed}:clicks")  # noqa: S311
        hours = CLICKED_BEFORE_GENTLY if self.plan.gentle else CLICKED_BEFORE
        self.clicks = record_clicks(at=at, hours=hours, random=random, merchants=self.merchants)
        self.clicks_made_at = at


class Client:
    """One connection and the orders that are sent over it, in a queue by the moment of sending."""

    def __init__(self, simulation: Simulation, index: int) -> None:
        self.simulation, self.plan = simulation, simulation.plan
        self.webhook = Webhook(self.plan.secret)
        self.tally = Tally()
        self._index = index
        self.refusal: RunRefused | None = None
        self._numbers = range(index, 10**9, self.plan.clients).__iter__()
        self._sequence = count()
        self._queue: list[Sending] = []
        self._clock = 0.0
        url = urlsplit(self.plan.base_url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._path = url.path.rstrip("/") + PATH
        self._connection = kind(url.hostname or "localhost", url.port, timeout=TIMEOUT)

    # --- what to send, and when -------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            if self.plan.rate is None:
                self._run_fast()
            else:
                self._run_paced(self.plan.rate / self.plan.clients)
        except RunRefused as refusal:
            self.refusal = refusal
            self.simulation.stop()
        finally:
            self._connection.close()

    def _may_place(self, elapsed: float) -> bool:
        plan = self.plan
        mine = None if plan.orders is None else len(range(self._index, plan.orders, plan.clients))
        return (
            not self.simulation.stopping.is_set()
            and (mine is None or self.tally.placed < mine)
            and (plan.seconds is None or elapsed < plan.seconds)
        )

    def _run_fast(self) -> None:
        """Without waiting: the clock turns by one with each order, and an order's events spread over some turns."""
        began = time.monotonic()
        while True:
            while len(self._queue) < 4 * self.plan.batch and self._may_place(time.monotonic() - began):
                self._clock += 1
                self._place(self._clock, spread=max(3.0, self.plan.batch / 6))
            if not self._queue:
                return
            self._post([heapq.heappop(self._queue) for _ in range(min(self.plan.batch, len(self._queue)))])

    def _run_paced(self, rate: float) -> None:
        """By the clock on the wall, `rate` orders a second, each event when its time has come."""
        began = time.monotonic()
        next_order = 0.0
        while True:
            self._clock = time.monotonic() - began
            while next_order <= self._clock and self._may_place(self._clock):
                self._place(self._clock, spread=1.0)
                next_order += 1 / rate
            may_place = self._may_place(self._clock)
            if not may_place and (self.simulation.stopping.is_set() or not self._queue):
                return
            due: list[Sending] = []
            while self._queue and self._queue[0].moment <= self._clock and len(due) < self.plan.batch:
                due.append(heapq.heappop(self._queue))
            if due:
                self._post(due)
                continue
            wake = min([next_order] if may_place else [], default=self._clock + 0.5)
            if self._queue:
                wake = min(wake, self._queue[0].moment)
            self.simulation.stopping.wait(min(0.5, max(0.005, wake - self._clock)))

    def _place(self, moment: float, *, spread: float) -> None:
        """Make up the next order and queue its events."""
        number = next(self._numbers)
        random = Random(f"{self.plan.seed}:{number}")  # noqa: S311
        merchant = random.choice(self.simulation.merchants).code
        story = tell(
            random,
            merchant=merchant,
            order_id=f"83{int(self.simulation.run_id, 16):010d}{number:07d}",
            click_ids=self._click_ids(random, merchant),
            pace=GENTLE if self.plan.gentle else BRISK,
            products=products_of(merchant),
        )
        self.tally.plots[story.plot] += 1
        self.tally.placed += 1
        ordered_at = self._ordered_at(story, random)
        shuffled = random.random() < SHARE_SHUFFLED
        for step_number, step in enumerate(story.steps, start=1):
            body = story.event(
                step,
                ordered_at=ordered_at,
                event_id=f"sim-{self.simulation.run_id}-{number}-{step_number}",
            )
            after = step.after if self.plan.gentle else spread * step_number
            if shuffled:
                # Late, early, in the wrong order; in a gentle run never before it has occurred.
                after += random.uniform(0, 6) if self.plan.gentle else spread * random.uniform(-4, 4)
            self._queue_event(moment + after, body)
            if random.random() < SHARE_DUPLICATED:
                self._queue_event(moment + after + spread * random.uniform(0, 4), body, again=True)
            if random.random() < SHARE_WRONG:
                wrong = {**body, "event_id": f"{body['event_id']}-wrong", "occurred_at": "yesterday"}
                self._queue_event(moment + after, wrong, wrong=True)

    def _queue_event(
        self, moment: float, body: dict[str, Any], *, again: bool = False, wrong: bool = False
    ) -> None:
        heapq.heappush(self._queue, Sending(moment, next(self._sequence), body, again, wrong))

    def _click_ids(self, random: Random, merchant: str) -> list[str]:
        clicks = self.simulation.clicks[merchant]
        if not clicks or random.random() < SHARE_WITHOUT_CLICK:
            return [f"lost-{random.getrandbits(64):016x}"] if random.random() < 0.5 else []
        return random.sample(clicks, random.choices((1, 2, 3), (80, 15, 5))[0])

    def _ordered_at(self, story: Story, random: Random) -> datetime:
        """Gently: now. Else as long ago as it takes for everything to have occurred by now."""
        now = datetime.now(UTC)
        if self.plan.gentle:
            return now
        past = max(step.after for step in story.steps) + random.uniform(1, 3600)
        if story.plot == "unpaid" and random.random() < 0.5:
            past += 24 * 3600  # left unpaid for so long that it has expired
        return now - timedelta(seconds=past)

    # --- sending ----------------------------------------------------------------------------------------------

    def _post(self, sendings: list[Sending]) -> None:
        """Post a batch until it is answered, and note the answers."""
        body = orjson.dumps({"events": [sending.body for sending in sendings]})
        results = self._answer(body)
        if results is None:
            # Taken in or not: nobody knows, so nothing can be said of these orders.
            self.tally.unanswered += len(sendings)
            for sending in sendings:
                self.tally.orders.pop((sending.body["merchant"], sending.body["order_id"]), None)
            return
        if len(results) != len(sendings):
            self.tally.surprises.append(f"{len(sendings)} events were answered by {len(results)} results")
            return
        for sending, result in zip(sendings, results, strict=True):
            self._note(sending, result)
        while self.plan.orders is None and len(self.tally.orders) > REMEMBERED_ORDERS:
            self.tally.orders.popitem(last=False)
        while self.plan.orders is None and len(self.tally.event_ids) > 4 * REMEMBERED_ORDERS:
            self.tally.event_ids.popitem(last=False)

    def _answer(self, body: bytes) -> list[dict[str, Any]] | None:
        """The results for this body. Connection errors, 5xx and 429 are tried again with the same events.

        None: the run was stopped while nobody answered. Raises: RunRefused.
        """
        wait = 0.2
        while True:
            try:
                status, headers, answer = self._request(body)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                status, headers, answer = 0, {}, str(error).encode()
            if status == 200:
                return list(orjson.loads(answer)["results"])
            if 0 < status < 500 and status != 429:
                raise RunRefused(f"HTTP {status}: {answer[:300].decode(errors='replace')}")
            if self.simulation.stopping.is_set():
                return None
            self.tally.retries += 1
            try:
                asked = float(headers.get("retry-after", ""))
            except ValueError:
                asked = 0.0
            self.simulation.stopping.wait(max(asked, wait))
            wait = min(wait * 2, LONGEST_WAIT)

    def _request(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        message_id = f"msg_{token_hex(8)}"
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self.webhook.sign(message_id, now, body.decode()),
            "webhook-source": self.plan.source,
        }
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        self.tally.requests += 1
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()

    def _note(self, sending: Sending, result: dict[str, Any]) -> None:
        status, event = result["status"], sending.body
        self.tally.statuses[status] += 1
        if result["event_id"] != event["event_id"]:
            self.tally.surprises.append(f"{event['event_id']} was answered as {result['event_id']}")
        if (status == "rejected") != sending.wrong:
            error = result.get("error")
            self.tally.surprises.append(f"{event['event_id']} is {status}, {error}")
        if sending.wrong:
            return
        key = (event["merchant"], event["order_id"])
        self.tally.event_ids[event["event_id"]] = None
        if sending.again:
            # A repeat is answered as it was the first time, which may be older news than we have.
            if status != "duplicate":
                self.tally.surprises.append(f"{event['event_id']} was sent twice and is {status} again")
            return
        told = result.get("commission")
        self.tally.orders[key] = (
            Told(told["id"], told["state"], told["amount"], told["reason"]) if told else None
        )
