"""Who looks at a merchant's pages; what reading pages needs besides is passed on."""

from __future__ import annotations

from django.test import Client

from affiliates.tests.pages import member_of
from orders.models import Merchant, MerchantMember
from portal.models import MemberRole
from portal.testing.pages import next_page, table, text
from portal.tests.factories import make_user, signed_in

__all__ = ["member_of", "merchant_member", "next_page", "table", "text"]


def merchant_member(merchant: Merchant, name: str = "Alice", *, language: str = "en") -> Client:
    """The browser of a member of `merchant`."""
    user = make_user(name, language=language)
    MerchantMember.objects.create(merchant=merchant, user=user, role=MemberRole.OWNER)
    return signed_in(user)
