"""`manage.py seed_demo`: a believable network with 90 days of history, for demo mode only."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from commissions import demo, demo_history
from commissions.models import Commission, Transfer
from commissions.progress import progress_bar
from orders.models import Order
from portal.demo_logins import DEMO_LOGINS, DEMO_PASSWORD


class Command(BaseCommand):
    help = "Fill an empty demo with merchants, affiliates, people and 90 days of orders. Does nothing twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=demo_history.DAYS, help="days of history")
        parser.add_argument("--orders", type=int, default=demo_history.ORDERS, help="orders, about")
        parser.add_argument("--seed", type=int, default=1, help="the same seed tells the same history")

    def handle(self, *args: Any, **options: Any) -> None:
        at = timezone.now()
        days, orders = options["days"], options["orders"]
        if not 1 <= days <= 365 or not 1 <= orders <= 100_000:
            raise CommandError("--days takes 1 to 365, --orders 1 to 100000")
        began = time.monotonic()
        hours = len(demo_history.intake_times(at - timedelta(days=days), at))
        try:
            demo.refuse_unless_demo_and_empty()
            with progress_bar("Living the past, hours", hours, stream=sys.stderr) as advance:
                demo_history.seed(at=at, days=days, orders=orders, seed=options["seed"], progress=advance)
        except demo.NotInDemoMode as refusal:
            raise CommandError(str(refusal)) from refusal
        except demo.NotEmpty as refusal:
            self.stdout.write(str(refusal))
            return
        self.stdout.write(
            f"{Order.objects.count():,} orders, {Commission.objects.count():,} commissions, "
            f"{Transfer.objects.count():,} transfers in {time.monotonic() - began:.0f} s"
        )
        self.stdout.write(f"Demo logins, password {DEMO_PASSWORD}:")
        for email, role in DEMO_LOGINS:
            self.stdout.write(f"  {email:28} {role}")
