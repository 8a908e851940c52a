"""Signing up, signing in and choosing a new password, as a browser does it."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.test import Client

from portal.models import User
from portal.tests.factories import PASSWORD, make_user, speaking

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_rate_limits():
    cache.clear()
    yield
    cache.clear()


def sign_up(client: Client, email: str = "erin@example.com", password: str = PASSWORD):
    form = {"email": email, "name": "Erin", "password1": password, "password2": password}
    return client.post("/account/signup/", form)


def link_in(message: str) -> str:
    found = re.search(r"https?://testserver(/\S+)", message)
    assert found, message
    return found.group(1)


@pytest.mark.parametrize(
    ("language", "subject"), [("en", "Confirm your e-mail address"), ("zh-hans", "确认邮箱地址")]
)
def test_a_sign_up_is_confirmed_by_e_mail_in_the_visitors_language(language, subject):
    client = speaking(language)
    assert sign_up(client)["Location"] == "/account/confirm-email/"
    user = User.objects.get()
    assert (user.name, user.language) == ("Erin", language)
    assert [m.subject for m in mail.outbox] == [subject]
    assert client.get("/account/profile/").status_code == 302
    assert client.post(link_in(mail.outbox[0].body)).status_code == 302
    client.post("/account/login/", {"login": user.email, "password": PASSWORD})
    assert client.get("/account/profile/").status_code == 200


def test_a_weak_password_is_refused_and_nobody_is_made():
    response = sign_up(speaking("en"), password="short")
    assert response.status_code == 200
    assert "at least 10 characters" in response.content.decode()
    assert not User.objects.exists()


def test_a_second_sign_up_looks_the_same_but_tells_the_owner_in_their_language():
    make_user(language="zh-hans")
    response = sign_up(speaking("en"), "alice@example.com")
    assert response["Location"] == "/account/confirm-email/"
    assert User.objects.count() == 1
    assert [m.subject for m in mail.outbox] == ["您已有账号"]
    assert "/account/password/reset/" in mail.outbox[0].body


def test_sign_in_takes_the_address_in_any_case_and_refuses_a_wrong_password_without_saying_which():
    make_user()
    client = speaking("en")
    for login, password in (("alice@example.com", "wrong-secret-123"), ("nobody@example.com", PASSWORD)):
        response = client.post("/account/login/", {"login": login, "password": password})
        assert "The email address and/or password you specified are not correct." in response.content.decode()
    client.post("/account/login/", {"login": "ALICE@example.com", "password": PASSWORD})
    assert client.get("/account/profile/").status_code == 200


def test_an_unconfirmed_address_does_not_sign_in():
    make_user(verified=False)
    client = Client()
    client.post("/account/login/", {"login": "alice@example.com", "password": PASSWORD})
    assert client.get("/account/profile/").status_code == 302


@pytest.mark.parametrize(
    ("language", "subject"), [("en", "Choose a new password"), ("zh-hans", "设置新密码")]
)
def test_a_forgotten_password_is_replaced_by_the_link(language, subject):
    user = make_user(language=language)
    client = speaking("en")
    client.post("/account/password/reset/", {"email": user.email})
    assert [m.subject for m in mail.outbox] == [subject]
    page = client.get(link_in(mail.outbox[0].body), follow=True)
    assert page.status_code == 200
    fresh = "another-long-secret-4"
    client.post(page.request["PATH_INFO"], {"password1": fresh, "password2": fresh})
    user.refresh_from_db()
    assert user.check_password(fresh)
    again = Client().get(link_in(mail.outbox[0].body), follow=True)
    assert "链接已失效" in again.content.decode()


def test_asking_for_a_password_of_nobody_looks_the_same_and_writes_to_nobody():
    response = Client().post("/account/password/reset/", {"email": "nobody@example.com"})
    assert response["Location"] == "/account/password/reset/done/"
    assert mail.outbox == []


def test_guessing_passwords_is_stopped_for_that_account_even_with_the_right_one():
    make_user()
    client = speaking("en")
    for _attempt in range(5):
        client.post("/account/login/", {"login": "alice@example.com", "password": "wrong-secret-123"})
    client.post("/account/login/", {"login": "alice@example.com", "password": PASSWORD})
    assert client.get("/account/profile/").status_code == 302


def test_too_many_sign_ups_from_one_address_get_the_429_page():
    client = speaking("en")
    answers = [client.post("/account/signup/", {}) for _attempt in range(21)]
    assert [a.status_code for a in answers[:20]] == [200] * 20
    assert answers[20].status_code == 429
    assert "Too many attempts" in answers[20].content.decode()


def test_the_second_factor_is_asked_for_and_its_secret_is_not_readable_in_the_database():
    user = make_user()
    secret = "JBSWY3DPEHPK3PXP"
    TOTP.activate(user, secret)
    stored = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP).data["secret"]
    assert secret not in stored
    client = speaking("en")
    response = client.post("/account/login/", {"login": user.email, "password": PASSWORD})
    assert response["Location"] == "/account/two-step/authenticate/"
    assert client.get("/account/profile/").status_code == 302
    assert client.get("/account/two-step/authenticate/").status_code == 200
    client.post("/account/two-step/authenticate/", {"code": "000000"})
    assert client.get("/account/profile/").status_code == 302
    code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    client.post("/account/two-step/authenticate/", {"code": code})
    assert client.get("/account/profile/").status_code == 200


def test_a_changed_address_counts_once_it_is_confirmed():
    user = make_user(language="en")
    client = Client()
    client.post("/account/login/", {"login": user.email, "password": PASSWORD})
    client.post("/account/email/", {"action_add": "1", "email": "new@example.com"})
    user.refresh_from_db()
    assert user.email == "alice@example.com"
    assert "new@example.com" in client.get("/account/email/").content.decode()
    sent = next(m for m in mail.outbox if m.to == ["new@example.com"])
    client.post(link_in(sent.body))
    user.refresh_from_db()
    assert user.email == "new@example.com"


def test_the_greeting_after_signing_in_speaks_the_persons_own_language():
    user = make_user("Wu", language="zh-hans")
    client = speaking("en")
    response = client.post("/account/login/", {"login": user.email, "password": PASSWORD}, follow=True)
    greetings = [str(message) for message in response.context["messages"]]
    assert greetings
    assert not any("Successfully" in greeting for greeting in greetings)
