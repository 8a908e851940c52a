"""Who looks at an affiliate's pages."""

from __future__ import annotations

from django.test import Client

from affiliates.models import Affiliate, AffiliateMember
from portal.models import MemberRole
from portal.tests.factories import make_user, signed_in


def member_of(
    affiliate: Affiliate, name: str = "Alice", *, role: str = MemberRole.OWNER, language: str = "en"
) -> Client:
    """The browser of a member of `affiliate`."""
    user = make_user(name, language=language)
    AffiliateMember.objects.create(affiliate=affiliate, user=user, role=role)
    return signed_in(user)
