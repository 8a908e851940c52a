"""Sellers who promote too: who may, what is asked again, and what a falling rating does (ONB-6)."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from affiliates import cases, declarations
from affiliates.evidence_digest import digest
from affiliates.models import Affiliate, Case, Company
from affiliates.steps import checklist, papers_of
from affiliates.tests.case_factories import NOW, USCC, accept_all, make_reviewer, make_senior, put_document
from orders import sellers
from orders.models import Click, MerchantMember, SellerAffiliate
from orders.tests.factories import make_merchant
from orders.tests.test_following import go, make_link
from portal.models import MemberRole
from portal.tests.factories import make_user, signed_in

pytestmark = pytest.mark.django_db


def make_seller(*, rating: str = "L3", mainland: bool = True, known: bool = True):
    company = Company.objects.create(
        uscc=USCC, name="深圳前海云选科技有限公司", entity="company", is_mainland=mainland, verified_at=NOW
    )
    return make_merchant("SELLER", store_rating=rating, company=company if known else None)


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"rating": "L2"}, sellers.RatingTooLow),
        ({"rating": "L1"}, sellers.RatingTooLow),
        ({"mainland": False}, sellers.NotMainland),
        ({"known": False}, sellers.CompanyUnknown),
    ],
)
def test_who_may_not_is_told_why_and_nothing_is_made(facts, refusal):
    merchant = make_seller(**facts)
    with pytest.raises(refusal):
        sellers.enable(merchant, by=make_user("Wu"), at=NOW)
    assert not Affiliate.objects.exists()
    assert not SellerAffiliate.objects.exists()


def test_what_is_verified_is_used_again_and_the_rest_is_asked():
    case = sellers.enable(make_seller(), by=make_user("Wu"), at=NOW)
    assert [(step.key, step.state, step.is_verified) for step in checklist(case)] == [
        ("profile", "todo", False),
        ("licence", "done", True),
        ("representative", "done", True),
        ("settlement", "todo", False),
        ("tax", "todo", False),
        ("consents", "todo", False),
    ]
    assert papers_of(case) == ["settlement_proof", "tax_proof"]


def test_a_second_time_is_refused():
    merchant, owner = make_seller(), make_user("Wu")
    sellers.enable(merchant, by=owner, at=NOW)
    with pytest.raises(sellers.PromotesAlready):
        sellers.enable(merchant, by=owner, at=NOW)
    assert Case.objects.count() == 1


def test_two_reviewers_approve_it_like_any_other_and_the_company_stays_the_same():
    merchant, owner = make_seller(), make_user("Wu")
    case = sellers.enable(merchant, by=owner, at=NOW)

    declarations.save_profile(
        case, by=owner, at=NOW, name="Seller", kind="independent_site",
        channels=[declarations.ChannelPlan(None, "website", "https://seller.example", 4000)],
    )  # fmt: skip
    declarations.save_settlement(
        case, by=owner, at=NOW, kind="bank", account_name="x", account_number="622202", bank_name="ICBC"
    )
    declarations.save_tax(
        case, by=owner, at=NOW, proof="registration", taxpayer_name="x", taxpayer_number=USCC
    )
    declarations.give_consents(case, kinds=["terms", "identity", "face"], by=owner, at=NOW)
    for kind in papers_of(case):
        put_document(case, kind, by=owner)
    case = cases.submit(Case.objects.get(pk=case.pk), by=owner, at=NOW)
    rita, sven = make_reviewer(), make_senior()
    cases.claim(case, by=rita, at=NOW)
    accept_all(case, by=rita)
    cases.approve(case, by=rita, at=NOW, digest=digest(Case.objects.get(pk=case.pk)))
    cases.claim(case, by=sven, at=NOW)
    case = cases.approve(case, by=sven, at=NOW, digest=digest(Case.objects.get(pk=case.pk)))
    case.affiliate.refresh_from_db()
    assert (case.state, case.affiliate.company) == ("approved", merchant.company)


def test_below_l3_new_clicks_do_not_count_and_at_l3_they_do_again():
    merchant = make_seller()
    link = make_link()
    SellerAffiliate.objects.create(
        merchant=merchant, affiliate=link.affiliate, enabled_by=make_user("Wu"), enabled_at=timezone.now()
    )
    for rating in ("L3", "L2", "L5"):
        merchant.store_rating = rating
        merchant.save(update_fields=["store_rating"])
        assert go(link).status_code == 302
    assert list(Click.objects.order_by("pk").values_list("invalid_reason", flat=True)) == [
        "",
        "seller_rating",
        "",
    ]


def test_the_page_is_for_members_and_the_button_for_owners():
    merchant = make_seller()
    page = reverse("orders:promote", args=[merchant.code])
    owner, clerk = make_user("Wu", language="en"), make_user("Clerk", language="en")
    MerchantMember.objects.create(merchant=merchant, user=owner, role=MemberRole.OWNER)
    MerchantMember.objects.create(merchant=merchant, user=clerk, role=MemberRole.MEMBER)
    assert signed_in(make_user("Mallory")).get(page).status_code == 404
    assert "Turn it on" not in signed_in(clerk).get(page).content.decode()
    assert signed_in(clerk).post(page).status_code == 403
    assert "Turn it on" in signed_in(owner).get(page).content.decode()
    case_url = signed_in(owner).post(page).url
    assert signed_in(owner).get(case_url).status_code == 200
    assert "You promote as" in signed_in(owner).get(page).content.decode()
