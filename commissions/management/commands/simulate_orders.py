"""`manage.py simulate_orders`: the marketplace's orders over the HTTP API, and a report against the books."""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q
from django.utils import timezone

from commissions.demo import SOURCE_CODE
from commissions.progress import progress_bar
from commissions.simulation_report import compare, settle
from commissions.simulator import GENTLE_RATE, Plan, RunRefused, Simulation, Tally
from orders.models import Merchant, OrderSource


class Command(BaseCommand):
    help = (
        "Play a marketplace over the HTTP API: signed order events in realistic mixes, then a report that "
        "compares what the API answered with what the books say. Exit code 1 on a difference. Demo mode only."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--base-url", default=f"http://127.0.0.1:{settings.PORT}")
        parser.add_argument("--source", default="", help="code of the order source; default: the demo's")
        parser.add_argument("--secret", default="", help="its secret; default: read from the database")
        pace = parser.add_mutually_exclusive_group()
        pace.add_argument("--rate", type=float, help="orders a second, all clients together")
        pace.add_argument("--fast", action="store_true", help="as fast as possible")
        parser.add_argument("--gentle", action="store_true", help="a small trickle at a watchable pace")
        parser.add_argument("--orders", type=int, help="stop after so many orders")
        parser.add_argument("--seconds", type=float, help="stop after so many seconds")
        parser.add_argument("--batch", type=int, default=50, help="events in a request, 1 to 1000")
        parser.add_argument("--clients", type=int, default=1, help="parallel connections, 1 to 64")
        parser.add_argument("--seed", type=int, default=1, help="the same seed tells the same orders")
        parser.add_argument("--settle", type=float, default=15, help="seconds the timer gets at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Simulated orders are for demo mode only: set DEMO=1.")
        gentle = options["gentle"]
        if gentle and options["fast"]:
            raise CommandError("--gentle and --fast exclude each other")
        if not 1 <= options["batch"] <= 1000 or not 1 <= options["clients"] <= 64:
            raise CommandError("--batch takes 1 to 1000, --clients 1 to 64")
        if any(options[name] is not None and options[name] <= 0 for name in ("rate", "orders", "seconds")):
            raise CommandError("--rate, --orders and --seconds take positive numbers")
        source, secret, merchants = self._source(options, patient=gentle)
        plan = Plan(
            base_url=options["base_url"],
            source=source,
            secret=secret,
            orders=options["orders"],
            seconds=options["seconds"],
            rate=options["rate"] or (GENTLE_RATE if gentle else None),
            gentle=gentle,
            batch=options["batch"],
            clients=options["clients"],
            seed=options["seed"],
        )
        simulation = Simulation(plan, merchants)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, lambda *_: simulation.stop())
        try:
            with progress_bar("Orders", plan.orders, stream=sys.stderr) as advance:
                tally = simulation.run(advance)
        except RunRefused as refusal:
            raise CommandError(f"The API refuses: {refusal}") from refusal
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        try:
            self._report(simulation, tally, settle_seconds=options["settle"])
        except (OperationalError, InterfaceError):
            if not gentle:
                raise
            self.stdout.write("The database has stopped as well: no report.")

    def _report(self, simulation: Simulation, tally: Tally, *, settle_seconds: float) -> None:
        if not settle(seconds=0 if simulation.stopping.is_set() else settle_seconds):
            self.stdout.write("The timer still has something to do; is a worker running?")
        report = compare(tally, source=simulation.plan.source, seconds=simulation.seconds)
        for line in report.lines():
            self.stdout.write(line)
        if report.differences:
            raise CommandError(f"{len(report.differences)} differences between the answers and the books")

    def _source(self, options: dict[str, Any], *, patient: bool) -> tuple[str, str, list[Merchant]]:
        """The source's code and secret, and its merchants. Patient: waits for the database to be there."""
        while True:
            try:
                return self._read_source(options["source"], options["secret"])
            except (OperationalError, InterfaceError):
                if not patient:
                    raise
                connection.close()
                time.sleep(1)

    def _read_source(self, code: str, secret: str) -> tuple[str, str, list[Merchant]]:
        sources = OrderSource.objects.filter(is_active=True)
        source = sources.filter(code=code or SOURCE_CODE).first() or (None if code else sources.first())
        if source is None:
            raise CommandError("There is no such order source; run seed_demo first or give --source.")
        merchants = list(source.merchants.filter(status=Merchant.Status.ACTIVE).order_by("code"))
        if not merchants:
            raise CommandError(f"The order source {source.code} has no active merchant.")
        valid = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
        if not secret:
            newest = source.secrets.filter(valid).order_by("-created_at").first()
            if newest is None:
                raise CommandError(f"The order source {source.code} has no valid secret; give --secret.")
            secret = newest.secret
        return source.code, secret, merchants
