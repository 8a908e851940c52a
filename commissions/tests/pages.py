"""Reading pages in tests: who looks, and what they see."""

from __future__ import annotations

import re
from html import unescape

from django.http import HttpResponse
from django.test import Client

from affiliates.models import Affiliate, AffiliateMember
from orders.models import Merchant, MerchantMember
from portal.models import MemberRole
from portal.tests.factories import make_user, signed_in


def member_of(
    affiliate: Affiliate, name: str = "Alice", *, role: str = MemberRole.OWNER, language: str = "en"
) -> Client:
    """The browser of a member of `affiliate`."""
    user = make_user(name, language=language)
    AffiliateMember.objects.create(affiliate=affiliate, user=user, role=role)
    return signed_in(user)


def merchant_member(merchant: Merchant, name: str = "Alice", *, language: str = "en") -> Client:
    """The browser of a member of `merchant`."""
    user = make_user(name, language=language)
    MerchantMember.objects.create(merchant=merchant, user=user, role=MemberRole.OWNER)
    return signed_in(user)


def text(response: HttpResponse, *, status: int = 200) -> str:
    """What a page's main part says, tags and repeated blanks gone."""
    assert response.status_code == status, response.status_code
    body = "<main" + response.content.decode().partition("<main")[2].partition("</main>")[0]
    body = re.sub(r"<script.*?</script>", " ", body, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body))).strip()


def table(response: HttpResponse, index: int = 0, part: str = "tbody") -> list[list[str]]:
    """The cells of one part of the page's table number `index`, row by row."""
    parts = re.findall(rf"<{part}>(.*?)</{part}>", response.content.decode(), flags=re.S)
    rows = re.findall(r"<tr.*?>(.*?)</tr>", parts[index], flags=re.S)
    return [
        [
            re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", cell))).strip()
            for cell in re.findall(r"<t[hd](?:\s[^>]*)?>(.*?)</t[hd]>", row, flags=re.S)
        ]
        for row in rows
    ]


def next_page(response: HttpResponse) -> str:
    """Where the page's link to older rows leads; empty on the last page."""
    found = re.search(r'href="(\?[^"]*)" rel="next"', response.content.decode())
    return response.request["PATH_INFO"] + unescape(found.group(1)) if found else ""
