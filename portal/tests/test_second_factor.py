"""Staff reach nothing without a second factor, whatever the address (ONB-9)."""

from __future__ import annotations

import pytest
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings as product
from django.contrib import admin
from django.contrib.auth import SESSION_KEY
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.tests.factories import PASSWORD, make_staff, make_superuser, make_user, signed_in

pytestmark = pytest.mark.django_db
SAMPLES = {
    "int": "1",
    "slug": "x",
    "str": "x",
    "path": "1",
    "day": "2026-10-01",
    "uuid": "6f1c2c1e-5d5c-4d1a-9d5e-0f9f1f0f1f0f",
}


@pytest.fixture(autouse=True)
def required(settings):
    settings.STAFF_MFA_REQUIRED = True
    settings.MFA_TOTP_TOLERANCE = 1


def addresses_below(prefix: str) -> list[str]:
    """Every address of the site that begins so, from the URL map itself, with samples for what varies."""
    found: list[str] = []

    def walk(patterns, so_far: str) -> None:
        for pattern in patterns:
            piece = str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, so_far + piece)
            elif isinstance(pattern, URLPattern):
                found.append("/" + fill(so_far + piece))

    walk(get_resolver().url_patterns, "")
    return sorted({address for address in found if address.startswith(prefix)})


def fill(route: str) -> str:
    """A route with samples in it. The admin's list of an app and its last resort are regular expressions."""
    if "(?P<app_label>" in route:
        return route.partition("^")[0] + "affiliates/"
    if "(?P<url>" in route:
        return route.partition("(")[0] + "no-such-page/"
    while "<" in route:
        before, _, rest = route.partition("<")
        inside, _, after = rest.partition(">")
        kind = inside.partition(":")[0] if ":" in inside else "str"
        route = before + SAMPLES[kind] + after
    return route.split("(")[0].replace("^", "").replace("$", "")


ADMIN = addresses_below("/admin/")


def give_totp(user) -> str:
    """An authenticator app for `user`; returns its secret."""
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(user, secret)
    return secret


def confirmed(user) -> Client:
    """A browser in which `user` has signed in with a second factor."""
    client = signed_in(user)
    request = RequestFactory().get("/")
    request.session, request.user = client.session, user
    record_authentication(request, user, method="mfa", type="totp")
    request.session.save()
    return client


def test_the_map_of_the_admin_is_walked():
    assert len(ADMIN) > 80
    assert reverse("admin:affiliates_case_changelist") in ADMIN
    assert reverse("admin:affiliates_case_decide", args=[1, "x"]) in ADMIN
    assert reverse("admin:index") in ADMIN


def test_every_address_of_the_admin_sends_staff_without_a_factor_to_set_one_up():
    client = signed_in(make_superuser())
    for address in ADMIN:
        for answer in (client.get(address), client.post(address, {"x": "1"})):
            assert answer.status_code == 302, address
            assert answer.headers["Location"] == reverse("mfa_index"), address


def test_every_address_of_the_admin_asks_a_session_without_the_factor_for_it():
    root = make_superuser()
    give_totp(root)
    client = signed_in(root)
    for address in ADMIN:
        got, posted = client.get(address), client.post(address, {"x": "1"})
        for answer in (got, posted):
            assert answer.status_code == 302, address
            assert answer.headers["Location"].startswith(reverse("mfa_reauthenticate") + "?next="), address


def test_with_the_factor_the_admin_opens():
    root = make_superuser()
    give_totp(root)
    client = confirmed(root)
    assert client.get(reverse("admin:index")).status_code == 200
    assert client.get(reverse("admin:affiliates_case_changelist")).status_code == 200


def test_a_factor_that_was_shown_and_taken_away_counts_no_more():
    root = make_superuser()
    give_totp(root)
    client = confirmed(root)
    Authenticator.objects.all().delete()
    assert client.get(reverse("admin:index")).headers["Location"] == reverse("mfa_index")


def test_a_factor_shown_by_somebody_else_in_this_session_doesnt_count():
    root, other = make_superuser(), make_superuser("Other")
    give_totp(root)
    give_totp(other)
    client = confirmed(root)
    session = client.session
    session[SESSION_KEY] = str(other.pk)
    session["_auth_user_hash"] = other.get_session_auth_hash()
    session.save()
    assert client.get(reverse("admin:index")).status_code == 302


@pytest.mark.parametrize(
    "address", ["/", "/style/", "/private/", "/papers/pages/1/", "/papers/cases/1/reveal/id_number/"]
)
def test_other_pages_ask_staff_as_well(address):
    answer = signed_in(make_staff(groups=("kyc_senior",))).get(address)
    assert (answer.status_code, answer.headers["Location"]) == (302, reverse("mfa_index"))


@pytest.mark.parametrize("name", ["mfa_index", "account_logout", "profile", "account_reauthenticate"])
def test_ones_own_account_stays_open(name):
    answer = signed_in(make_staff()).get(reverse(name))
    assert answer.status_code == 200
    assert (
        signed_in(make_staff("Other")).post(reverse("switch_language"), {"language": "en"}).status_code == 302
    )


def test_people_who_are_no_staff_are_not_asked(client):
    assert signed_in(make_user("Alice")).get("/").status_code == 200
    assert client.get("/").status_code == 200
    assert client.get(reverse("admin:index")).headers["Location"].startswith(reverse("admin:login"))


def test_where_it_is_not_required_nobody_is_asked(settings):
    settings.STAFF_MFA_REQUIRED = False
    assert signed_in(make_staff()).get(reverse("admin:index")).status_code == 200


def test_signing_in_with_the_code_leads_into_the_admin(client):
    root = make_superuser()
    secret = give_totp(root)
    wanted = reverse("admin:index")
    answer = client.post(
        reverse("account_login"), {"login": root.email, "password": PASSWORD, "next": wanted}
    )
    assert answer.headers["Location"].startswith(reverse("mfa_authenticate"))
    assert client.get(wanted).status_code == 302
    wrong = client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert wrong.status_code == 200
    assert product.SESSION_COOKIE_NAME in client.cookies
    assert client.get(wanted).status_code == 302
    counters = list(totp.yield_hotp_counters_from_time())
    code = totp.format_hotp_value(totp.hotp_value(secret, counters[len(counters) // 2]))
    answer = client.post(reverse("mfa_authenticate"), {"code": code})
    assert answer.status_code == 302
    assert client.get(wanted).status_code == 200


def test_a_recovery_code_is_a_second_factor_too():
    root = make_superuser()
    give_totp(root)
    codes = RecoveryCodes.activate(root).get_unused_codes()
    client = signed_in(root)
    address = reverse("mfa_reauthenticate")
    answer = client.post(address, {"code": codes[0], "next": reverse("admin:index")})
    assert answer.headers["Location"] == reverse("admin:index")
    assert client.get(reverse("admin:index")).status_code == 200
    # Each of them opens the door once.
    other = signed_in(root)
    assert other.post(address, {"code": codes[0], "next": "/admin/"}).status_code == 200
    assert other.get(reverse("admin:index")).status_code == 302


def test_the_admin_site_is_the_one_that_is_walked():
    """Each model of the admin is among the addresses, so a new one is tested by being there."""
    for model in admin.site._registry:
        assert reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") in ADMIN
