"""The demo network and its history: real, complete, and refused wherever it has no business."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F, Max

from affiliates.models import Affiliate, CommissionPreference, Pid, Suspension
from commissions import demo
from commissions.demo_history import SHANGHAI, intake_times, seed
from commissions.models import Commission, Mode, State, TermsVersion, Transfer
from commissions.tests.assertions import assert_books_balance
from orders.models import Merchant, Order, OrderEvent
from portal.demo_logins import DEMO_LOGINS, DEMO_PASSWORD
from portal.models import User

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def demo_mode(settings):
    settings.DEMO = True


@pytest.fixture
def history():
    seed(at=NOW, days=14, orders=220, seed=3)


def test_the_history_is_lived_through_the_operations_and_its_books_balance(history):
    assert 150 < Order.objects.count() < 290
    states = set(Commission.objects.values_list("state", flat=True))
    assert {State.RELEASED, State.VOID, State.CLAWED_BACK} <= states
    released = Commission.objects.filter(released_at__isnull=False, mode=Mode.PRE_PAYMENT)
    slowest = released.aggregate(lag=Max(F("released_at") - F("paid_at")))["lag"]
    assert timedelta(minutes=30) <= slowest <= timedelta(hours=1)
    assert not OrderEvent.objects.filter(received_at__lt=F("occurred_at")).exists()
    assert Transfer.objects.aggregate(latest=Max("posted_at"))["latest"] <= NOW
    assert (
        len({moment.astimezone(SHANGHAI).date() for moment in released.values_list("released_at", flat=True)})
        > 8
    )
    assert_books_balance(at=NOW)


def test_the_network_has_every_kind_of_merchant_and_affiliate(history):
    assert set(Merchant.objects.values_list("store_rating", flat=True)) == {"L1", "L2", "L3", "L4", "L5"}
    assert set(Affiliate.objects.values_list("kind", flat=True)) == {"koc", "mcn", "independent_site"}
    assert list(Affiliate.objects.filter(unlocked_at__isnull=True).values_list("code", flat=True)) == ["mumu"]
    assert Pid.objects.filter(affiliate__code="mumu").count() == 1
    assert Suspension.objects.get(reinstated_at__isnull=True).affiliate.code == demo.SUSPENDED
    one_cent = CommissionPreference.objects.get(minimum_unit=CommissionPreference.ONE_CENT)
    assert one_cent.affiliate.code == demo.ONE_CENT
    assert TermsVersion.objects.filter(mode=Mode.TRADITIONAL).exists()
    assert not TermsVersion.objects.filter(published_at__isnull=True).exists()
    assert TermsVersion.objects.filter(merchant__code="M1001").count() == 3


def test_everybody_on_the_list_can_sign_in_with_a_confirmed_address(history):
    assert User.objects.count() == len(DEMO_LOGINS)
    for email, _role in DEMO_LOGINS:
        assert User.objects.get(email=email).check_password(DEMO_PASSWORD)
        assert EmailAddress.objects.get(email=email).verified
    assert authenticate(None, email="admin@demo.example", password=DEMO_PASSWORD).is_superuser


def test_the_same_seed_tells_the_same_history():
    def told() -> list[tuple]:
        return list(
            Commission.objects.order_by("order__order_id").values_list(
                "order__order_id", "affiliate__code", "state", "amount", "released_at"
            )
        )

    tellings = []
    for _ in range(2):
        with transaction.atomic():
            seed(at=NOW, days=3, orders=40, seed=5)
            tellings.append(told())
            transaction.set_rollback(True)
    assert tellings[0] == tellings[1]
    assert len(tellings[0]) > 20


def test_the_command_does_nothing_the_second_time():
    out = StringIO()
    call_command("seed_demo", days=2, orders=10, stdout=out, stderr=StringIO())
    assert "admin@demo.example" in out.getvalue()
    before = (Order.objects.count(), User.objects.count(), Transfer.objects.count())
    again = StringIO()
    call_command("seed_demo", days=2, orders=10, stdout=again, stderr=StringIO())
    assert "Nothing was changed" in again.getvalue() or "未做任何改动" in again.getvalue()
    assert (Order.objects.count(), User.objects.count(), Transfer.objects.count()) == before


def test_a_demo_that_was_interrupted_says_so():
    demo.build_network(start=NOW - timedelta(days=2), at=NOW)
    with pytest.raises(demo.NotEmpty) as refusal:
        demo.refuse_unless_demo_and_empty()
    assert "make reset" in str(refusal.value)


def test_outside_demo_mode_it_refuses_and_nothing_is_made(settings):
    settings.DEMO = False
    with pytest.raises(CommandError):
        call_command("seed_demo", stdout=StringIO(), stderr=StringIO())
    assert not User.objects.exists()
    assert not Merchant.objects.exists()


def test_the_small_hours_are_quiet_but_just_before_now():
    night = datetime(2026, 11, 20, 4, 0, tzinfo=SHANGHAI).astimezone(UTC)
    times = intake_times(night - timedelta(days=3), night)
    quiet = [moment for moment in times if moment.astimezone(SHANGHAI).hour < 11]
    assert quiet
    assert all(night - moment < timedelta(hours=6) for moment in quiet)
    assert times == sorted(times)
