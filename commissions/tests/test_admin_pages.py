"""Every admin page opens for who may see it, for nobody else, and costs the same for 2 rows and for 20."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from affiliates.models import Channel
from affiliates.preferences import choose_minimum_unit
from affiliates.suspension import suspend
from commissions import holds
from commissions.models import Commission, RateRule, TermsVersion
from commissions.release import sweep
from commissions.tests.factories import Shop
from orders.models import Link, LinkUpload, MerchantDomain, Order
from orders.tests.factories import NOON, make_click
from orders.windows import choose_window
from portal.tests.factories import make_staff, make_superuser, make_user, signed_in

pytestmark = pytest.mark.django_db
OURS = ("affiliates", "orders", "commissions")
# Cases and what reviews leave behind have pages, and tests, of their own (affiliates/tests).
REVIEWED = ("Case", "CalendarDay", "Company", "RetentionReport")
MODELS = sorted(
    (
        model
        for model in admin.site._registry
        if (model._meta.app_label in OURS or model.__name__ == "AuditEntry")
        and model.__name__ not in REVIEWED
    ),
    key=lambda model: model._meta.label,
)
IDS = [model._meta.label for model in MODELS]
DUE = NOON + timedelta(minutes=36)


def play(root) -> Shop:
    """A shop with one of everything the admin shows."""
    shop = Shop(rules=({"product_id": "p9", "rate_bps": 900},))
    number = shop.merchant.pk
    orders = [f"{name}{number}" for name in ("A", "B", "C")]
    lines = [{"line_id": "1", "product_id": "p9", "category_id": "phone", "paid": 1000}]
    subsidies = [{"name": "Super Deals", "amount": 100, "commissionable": False}]
    shop.send(
        shop.awaiting(orders[0], lines=lines, amounts={"subsidies": subsidies, "platform_fee": 50}),
        shop.paid(orders[0], lines=lines, amounts={"subsidies": subsidies, "platform_fee": 50}),
        shop.awaiting(orders[1], clicks=()),
        shop.dispute(order_id=orders[2]),
        {"event_id": "broken", "occurred_at": NOON.isoformat()},
    )
    sweep(at=DUE)
    shop.send(shop.refund(400, order_id=orders[0], lines=[{"line_id": "1", "amount": 100}]))
    placed = holds.hold(shop.commission(orders[0]), reason="risk_hold", by=root, at=DUE + timedelta(hours=3))
    holds.propose_forfeit(placed, by=root, at=DUE + timedelta(hours=3))
    choose_window(shop.merchant, days=7, by=root, at=NOON)
    choose_minimum_unit(shop.affiliate, minimum_unit=1, by=root, at=NOON)
    suspend(shop.affiliate, by=root, at=DUE + timedelta(hours=4), reason="test")
    MerchantDomain.objects.create(merchant=shop.merchant, host=f"shop{number}.example.com")
    draft = TermsVersion.objects.create(merchant=shop.merchant, default_rate_bps=500)
    RateRule.objects.create(terms=draft, position=1, rate_bps=700, country="RU")
    link = Link.objects.create(
        affiliate=shop.affiliate, pid=shop.pid, merchant=shop.merchant, target="https://shop.example.com/"
    )
    make_click(shop.merchant, shop.pid, invalid_reason="bot", link=link)
    LinkUpload.objects.create(
        affiliate=shop.affiliate,
        file_name="links.csv",
        rows=[{"line": 2, "status": "made", "link": link.code, "cells": {}}],
        uploaded_by=root,
        uploaded_at=NOON,
    )
    return shop


@pytest.fixture
def root():
    return make_superuser()


def list_url(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_url(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_every_list_and_every_row_opens(root, model):
    play(root)
    client = signed_in(root)
    assert client.get(list_url(model)).status_code == 200
    rows = list(model._default_manager.all())
    assert rows
    for row in rows:
        assert client.get(page_url(row)).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_visitors_are_sent_to_sign_in_and_members_are_refused(root, model, client):
    play(root)
    row = model._default_manager.all()[0]
    alice = signed_in(make_user("Alice"))
    for url in (list_url(model), page_url(row)):
        assert client.get(url).status_code == 302
        assert client.get(url, follow=True).redirect_chain[-1][0].startswith(reverse("account_login"))
        assert alice.get(url, follow=True).status_code == 403


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_a_list_costs_the_same_for_2_and_for_20_rows(root, model):
    client = signed_in(root)
    for _ in range(2):
        play(root)
    client.get(list_url(model))
    few = queries(client, list_url(model))
    for _ in range(8):
        play(root)
    assert queries(client, list_url(model)) == few


@pytest.mark.parametrize("kind", ["commission", "order", "account", "journal"])
def test_a_page_costs_the_same_however_much_is_on_it(root, kind):
    shop = Shop()
    client = signed_in(root)
    shop.send(shop.awaiting(), shop.paid())
    row = {
        "commission": shop.commission,
        "order": lambda: shop.commission().order,
        "account": lambda: shop.affiliate.accounts.get(kind="affiliate.pending"),
        "journal": lambda: shop.commission().order.journals.first(),
    }[kind]()
    client.get(page_url(row))
    few = queries(client, page_url(row))
    for number in range(10):
        shop.send(shop.refund(10, refund_id=f"r{number}"))
    assert queries(client, page_url(row)) <= few


def queries(client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize(
    "model",
    [m for m in MODELS if m.__name__ in ("Click", "Order", "OrderEvent", "Commission", "Transfer", "Hold")],
)
def test_what_happened_is_neither_added_changed_nor_deleted(root, model):
    play(root)
    client = signed_in(root)
    row = model._default_manager.all()[0]
    before = model.objects.count()
    opts = row._meta
    add = reverse(f"admin:{opts.app_label}_{opts.model_name}_add")
    delete = reverse(f"admin:{opts.app_label}_{opts.model_name}_delete", args=[row.pk])
    assert client.get(add).status_code == 403
    assert client.post(page_url(row), {"amount": 1}).status_code == 403
    assert client.post(delete, {"post": "yes"}).status_code == 403
    assert model.objects.count() == before


def test_the_commission_page_explains_the_amount_to_the_cent(root):
    shop = play(root)
    commission = shop.commission(f"A{shop.merchant.pk}")
    page = signed_in(root).get(page_url(commission), headers={"accept-language": "en"}).content.decode()
    # base 1000 - 50 - 100 = 850 of 1000 at 9 %: 76.5 → 76; 600 left → 45.9 → 45.
    assert commission.amount == 45
    for text in ("US$8.50", "US$0.765", "US$0.76", "9\u00a0%", "US$0.45", "Super Deals"):
        assert text in page


def test_the_order_page_shows_events_evidence_commission_and_postings(root):
    shop = play(root)
    number = shop.merchant.pk
    client = signed_in(root)
    page = client.get(page_url(Order.objects.get(order_id=f"A{number}"))).content.decode()
    assert shop.click.click_id in page
    assert shop.pid.value in page
    assert page_url(shop.commission(f"A{number}")) in page
    assert "refund_id" in page
    for journal in shop.commission(f"A{number}").order.journals.all():
        assert page_url(journal) in page
    unattributed = client.get(page_url(Order.objects.get(order_id=f"B{number}"))).content.decode()
    assert "click_not_found" in unattributed


def test_parked_orders_are_listed_after_a_day(root):
    shop, now = Shop(), timezone.now()
    shop.send(shop.dispute(order_id="young", at=NOON), at=now - timedelta(hours=23))
    shop.send(shop.dispute(order_id="old", at=NOON), at=now - timedelta(hours=25))
    shop.send(shop.awaiting("known"), at=now - timedelta(hours=25))
    client = signed_in(root)
    assert listed(client, Order, parked="old") == [Order.objects.get(order_id="old")]
    assert {order.order_id for order in listed(client, Order, parked="yes")} == {"young", "old"}


def test_orders_are_found_by_number_and_commissions_by_id_number_and_affiliate(root):
    shop, other = play(root), play(root)
    client = signed_in(root)
    number = f"A{shop.merchant.pk}"
    found = client.get(reverse("admin:orders_order_changelist"), {"q": number}).context["cl"].result_list
    assert [order.order_id for order in found] == [number]
    commission = shop.commission(number)
    for term in (number, str(commission.public_id), shop.affiliate.code):
        url = reverse("admin:commissions_commission_changelist")
        assert list(client.get(url, {"q": term}).context["cl"].result_list) == [commission]
    assert other.affiliate.code != shop.affiliate.code


def test_traditional_commissions_never_completed_are_listed_after_60_days(root):
    shop, now = Shop(mode="traditional"), timezone.now()
    for number, days in (("old", 61), ("young", 59), ("done", 61)):
        paid = now - timedelta(days=days)
        click = make_click(shop.merchant, shop.pid, at=paid - timedelta(hours=1))
        shop.send(shop.paid(number, at=paid, ordered_at=paid, clicks=(click,)))
    shop.send(shop.event("completed", "done", at=now))
    client = signed_in(root)
    assert shop.commission("old").state == "confirmed"
    assert listed(client, Commission, never_completed="60") == [shop.commission("old")]


def test_what_is_due_and_what_is_late_can_be_listed(root):
    shop, now = Shop(), timezone.now()
    for number, minutes in (("late", 95), ("due", 35), ("waiting", 5)):
        paid = now - timedelta(minutes=minutes)
        click = make_click(shop.merchant, shop.pid, at=paid - timedelta(hours=1))
        shop.send(shop.paid(number, at=paid, ordered_at=paid, clicks=(click,)))
    client = signed_in(root)
    assert {row.order.order_id for row in listed(client, Commission, timer="due")} == {"late", "due"}
    assert [row.order.order_id for row in listed(client, Commission, timer="late")] == ["late"]


def listed(client, model, **query) -> list:
    return list(client.get(list_url(model), query).context["cl"].result_list)


def test_no_secret_is_ever_on_a_page(root):
    shop = play(root)
    secret = shop.source.secrets.get().secret
    client = signed_in(root)
    for url in (page_url(shop.source), list_url(type(shop.source))):
        assert secret not in client.get(url).content.decode()


def test_the_account_pages_through_its_lines_without_counting(root):
    shop = Shop()
    shop.send(*[shop.awaiting(f"N{index}") for index in range(60)])
    client = signed_in(root)
    account = shop.affiliate.accounts.get(kind="affiliate.pending")
    with CaptureQueriesContext(connection) as captured:
        first = client.get(page_url(account))
    assert not any("COUNT(" in query["sql"].upper() for query in captured)
    page = first.context["page"]
    assert len(page.lines) == 50
    rest = client.get(page_url(account), {"after": str(page.next)}).context["page"]
    assert len(rest.lines) == 10
    assert rest.next is None
    seen = {line.transfer.pk for line in [*page.lines, *rest.lines]}
    assert len(seen) == 60


@pytest.mark.parametrize("mark", ["", "x", "2026-01-01~1", "2026-01-01T00:00:00+00:00~x"])
def test_a_mark_that_is_none_shows_the_first_page(root, mark):
    shop = Shop()
    shop.send(shop.awaiting())
    account = shop.affiliate.accounts.get(kind="affiliate.pending")
    page = signed_in(root).get(page_url(account), {"after": mark}).context["page"]
    assert len(page.lines) == 1


# --- groups -----------------------------------------------------------------------------------------------------


def test_each_group_sees_its_part(root):
    play(root)
    expected = {
        "support": {"affiliate", "merchant", "order", "commission", "hold", "account"},
        "finance": {"affiliate", "merchant", "order", "commission", "hold", "account", "auditentry"},
        "risk": {"affiliate", "merchant", "order", "commission", "hold", "account", "auditentry"},
        "kyc_reviewer": {"affiliate"},
        "kyc_senior": {"affiliate", "auditentry"},
    }
    asked = {"affiliate", "merchant", "order", "commission", "hold", "account", "auditentry"}
    for group, seen in expected.items():
        client = signed_in(make_staff(f"In-{group}", groups=(group,)))
        for model in MODELS:
            if model._meta.model_name in asked:
                status = client.get(list_url(model)).status_code
                assert status == (200 if model._meta.model_name in seen else 403), (group, model)


def test_support_changes_nothing(root):
    shop = play(root)
    client = signed_in(make_staff("Sue", groups=("support",)))
    assert client.post(page_url(shop.affiliate), {"name": "Other"}).status_code == 403
    shop.affiliate.refresh_from_db()
    assert shop.affiliate.name != "Other"
    assert Channel.objects.filter(affiliate=shop.affiliate).count() == 1


# --- the timer board ---------------------------------------------------------------------------------------------


def test_the_timer_board_shows_what_is_due_and_is_linked_from_the_overview(root):
    shop = Shop()
    shop.send(shop.paid())
    client = signed_in(root)
    url = reverse("admin:commissions_commission_timer")
    assert url in client.get(reverse("admin:index")).content.decode()
    answer = client.get(url)
    assert answer.status_code == 200
    assert [entry["commission"] for entry in answer.context["coming"]] == [shop.commission()]


def test_the_timer_board_is_for_those_who_see_commissions(client):
    url = reverse("admin:commissions_commission_timer")
    assert client.get(url).status_code == 302
    assert signed_in(make_user("Alice")).get(url, follow=True).status_code == 403
    assert signed_in(make_staff("Kim", groups=("kyc_reviewer",))).get(url).status_code == 403
    assert signed_in(make_staff("Sue", groups=("support",))).get(url).status_code == 200
