"""The page that makes a link: the check of the page, the terms, the limits in words (ATTR-2, RATE-1, ONB-7)."""

from __future__ import annotations

import pytest
from django.utils import timezone

from affiliates.models import Affiliate, Pid
from affiliates.tests.factories import make_affiliate, make_pid
from commissions.tests.factories import make_terms
from commissions.tests.pages import member_of, table, text
from orders.links import PROBATION_LINKS, Wish, make_link, make_links
from orders.models import Link, Merchant, MerchantDomain
from orders.tests.factories import NOON, make_merchant
from portal.tests.factories import speaking

pytestmark = pytest.mark.django_db
BASE = "/affiliate/alice/links/"
PAGE = "https://shop.example/p/1"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def merchant():
    merchant = make_merchant(name="Lumo")
    MerchantDomain.objects.create(merchant=merchant, host="shop.example", verified_at=NOON)
    return merchant


@pytest.fixture
def pid(merchant):
    return make_pid(make_affiliate("alice", name="Alice Media"))


@pytest.fixture
def alice(pid):
    return member_of(pid.affiliate)


def said(response) -> str:
    """A fragment's words."""
    assert response.status_code == 200
    return text_of(response)


def text_of(response) -> str:
    class Whole:
        status_code = 200
        content = b"<main>" + response.content + b"</main>"

    return text(Whole())  # type: ignore[arg-type]


# --- the check ------------------------------------------------------------------------------------------------


def test_the_check_names_the_shop_its_terms_and_the_rules_that_can_apply(merchant, pid, alice):
    bob = make_affiliate("bob")
    make_terms(
        merchant,
        rate_bps=790,
        threshold=3000,
        rules=(
            {"category_id": "phone-cases", "rate_bps": 900},
            {"affiliate": pid.affiliate, "country": "RU", "rate_bps": 1250},
            {"affiliate": bob, "rate_bps": 2000},
        ),
    )
    words = said(alice.get(f"{BASE}check/", {"target": f" {PAGE} "}))
    assert "Lumo verified domain" in words
    assert "Rate 7.9\N{NO-BREAK SPACE}% up to 12.5\N{NO-BREAK SPACE}%" in words.replace("&nbsp;", " ") or (
        "Rate 7.9 % up to 12.5 %" in words
    )
    assert "Minimum order US$30.00" in words
    assert "within the hour of the payment" in words
    assert "orders within 30 days of the click" in words
    assert "phone-cases" in words
    assert "for you" in words
    assert "20 %" not in words
    assert "20\N{NO-BREAK SPACE}%" not in words


def test_the_check_says_when_orders_earn_nothing_and_when_the_link_is_there_already(merchant, pid, alice):
    made = make_link(pid.affiliate, Wish(target=PAGE, pid=pid.value, label="Mine"), by=None, at=NOON)
    words = said(alice.get(f"{BASE}check/", {"target": PAGE}))
    assert "no terms in force" in words
    assert "You have a link to this page already: Mine" in words
    assert made.link


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "javascript:alert(1)",
        "x",
        "https://shop.example\x00/",
        "https://[",
        "//",
        "🦊",
    ],
)
def test_the_check_refuses_what_no_link_may_lead_to(merchant, alice, target):
    words = said(alice.get(f"{BASE}check/", {"target": target}))
    assert words.startswith("No link can lead there.")


def test_the_check_of_nothing_waits_and_strangers_get_none(pid, alice):
    assert "are shown here" in said(alice.get(f"{BASE}check/"))
    bob = member_of(make_affiliate("bob"), "Bob")
    for page in ("new/", "check/", "utm/"):
        assert bob.get(f"{BASE}{page}").status_code == 404
        assert speaking("en").get(f"{BASE}{page}").status_code == 302
    assert bob.post(f"{BASE}new/", {"target": PAGE, "pid": pid.value}).status_code == 404
    assert not Link.objects.exists()


# --- making ---------------------------------------------------------------------------------------------------


def test_a_link_is_made_by_the_form_and_a_repeat_leads_to_it(pid, alice):
    data = {
        "target": PAGE,
        "pid": pid.value,
        "label": "Reds",
        "utm_source": "blog",
        "sub1": "a",
        "sub3": "c",
    }
    page = alice.post(f"{BASE}new/", data, follow=True)
    link = Link.objects.get()
    assert page.redirect_chain == [(f"/affiliate/alice/link/{link.code}/", 302)]
    assert "Your link is ready." in text(page)
    assert (link.target, link.label, link.utm_source, link.sub_ids) == (PAGE, "Reds", "blog", ["a", "", "c"])
    assert link.created_by is not None
    assert link.created_by.name == "Alice"
    page = alice.post(f"{BASE}new/", data, follow=True)
    assert "You have this link already. Here it is." in text(page)
    assert Link.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"target": ""}, "Paste the address of a page first."),
        ({"target": "https://evil.example/"}, "isn't a verified domain"),
        ({"pid": "mm_bob_x_y"}, "This is none of your PIDs."),
        ({"utm_term": "x" * 101}, "at most 100 characters"),
        ({"label": "a\tb"}, "can't be part of a link"),
        ({"sub2": "a\tb"}, "can't be part of a link"),
    ],
)
def test_a_refusal_keeps_what_was_typed_and_makes_nothing(pid, alice, data, words):
    page = alice.post(f"{BASE}new/", {"target": PAGE, "pid": pid.value, "label": "Keep me", **data})
    assert words in text(page)
    body = page.content.decode()
    assert "Keep me" in body or "label" in data
    assert not Link.objects.exists()


def test_without_javascript_the_page_itself_checks(merchant, alice):
    make_terms(merchant)
    page = alice.get(f"{BASE}new/", {"target": PAGE, "label": "Kept"})
    assert "Lumo verified domain" in text(page)
    assert 'value="Kept"' in page.content.decode()


def test_utm_values_follow_the_pid_unless_something_was_typed(pid, alice):
    side = make_pid(pid.affiliate, placement="side")
    make_link(pid.affiliate, Wish(target=PAGE, pid=pid.value, utm_source="top"), by=None, at=NOON)
    make_link(pid.affiliate, Wish(target=PAGE, pid=side.value, utm_source="side"), by=None, at=NOON)
    page = alice.get(f"{BASE}new/").content.decode()
    assert f'value="{side.value}" selected' in page
    assert 'name="utm_source" value="side"' in page
    ask = {"pid": pid.value, "utm_of": side.value, "utm_campaign": "", "utm_content": "", "utm_term": ""}
    fresh = alice.get(f"{BASE}utm/", {**ask, "utm_source": "side"}).content.decode()
    assert 'name="utm_source" value="top"' in fresh
    assert f'name="utm_of" value="{pid.value}"' in fresh
    typed = alice.get(f"{BASE}utm/", {**ask, "utm_source": "typed"}).content.decode()
    assert 'name="utm_source" value="typed"' in typed


# --- limits in words ------------------------------------------------------------------------------------------


def test_who_is_not_approved_is_sent_to_the_application(pid, alice):
    Affiliate.objects.update(approved_at=None)
    page = alice.get(f"{BASE}new/")
    assert "Links come with the approval" in text(page)
    assert b'name="target"' not in page.content
    assert "isn't approved yet" in text(alice.post(f"{BASE}new/", {"target": PAGE, "pid": pid.value}))
    assert not Link.objects.exists()


def test_without_a_pid_the_page_says_to_make_one(pid, alice):
    Pid.objects.update(frozen_at=NOON)
    page = alice.get(f"{BASE}new/")
    assert "A link needs a PID" in text(page)
    alice.post(f"{BASE}new/", {"target": PAGE, "pid": pid.value})
    assert not Link.objects.exists()


def test_probation_counts_down_in_words_and_stops_at_ten(merchant):
    pid = make_pid(make_affiliate("alice", on_probation=True))
    alice = member_of(pid.affiliate)
    wishes = [Wish(target=f"{PAGE}?n={n}", pid=pid.value) for n in range(PROBATION_LINKS)]
    make_links(pid.affiliate, wishes[:9], by=None, at=NOON)
    assert "You can make 1 more link until" in text(alice.get(f"{BASE}new/"))
    make_links(pid.affiliate, wishes[9:], by=None, at=NOON)
    assert "You have made your ten links." in text(alice.get(f"{BASE}new/"))
    page = alice.post(f"{BASE}new/", {"target": f"{PAGE}?n=11", "pid": pid.value})
    assert "you can have ten links" in text(page)
    assert Link.objects.count() == 10


def test_terms_that_are_made_for_another_affiliate_are_never_shown(merchant, alice):
    make_terms(merchant, rules=({"affiliate": make_affiliate("bob"), "rate_bps": 2000},))
    page = alice.get(f"{BASE}check/", {"target": PAGE})
    assert table(page) if b"<tbody>" in page.content else True
    assert "Rules that can apply to you" not in said(page)


def test_a_suspended_merchant_is_refused_by_the_check(merchant, alice):
    Merchant.objects.update(status="suspended")
    assert "isn't taking part" in said(alice.get(f"{BASE}check/", {"target": PAGE}))
