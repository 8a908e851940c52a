"""Every page of the shell answers, in both languages, under one policy, and says what it should to whom."""

from __future__ import annotations

import re

import pytest
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import translation

from portal import views
from portal.models import StaffGroup, User
from portal.testing import staff_groups
from portal.tests.factories import make_staff, make_superuser, make_user, signed_in, speaking

pytestmark = pytest.mark.django_db

LANGUAGES = {"zh-hans": 'lang="zh-Hans"', "en": 'lang="en"'}
PUBLIC = ["home", "account_login", "account_signup", "account_reset_password", "account_reset_password_done"]
OWN = ["profile", "account_email", "account_change_password", "mfa_index", "account_logout"]


def assert_policy(response) -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";") if " " in part
    )
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(r"'self'( 'nonce-[^']+')?", policy["script-src"])
    assert policy["style-src"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert policy["form-action"] == "'self'"
    assert {policy[name] for name in ("frame-ancestors", "base-uri", "object-src")} == {"'none'"}
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "camera=()" in response["Permissions-Policy"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PUBLIC)
def test_a_visitor_reads_every_public_page(name, language):
    response = speaking(language).get(reverse(name))
    assert response.status_code == 200
    assert LANGUAGES[language] in response.content.decode()
    assert_policy(response)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", OWN)
def test_a_signed_in_person_reads_every_page_of_the_account(name, language):
    response = signed_in(make_user(language=language)).get(reverse(name))
    assert response.status_code == 200
    assert LANGUAGES[language] in response.content.decode()
    assert response["Cache-Control"] == "private, no-store" or "no-cache" in response["Cache-Control"]
    assert_policy(response)


@pytest.mark.parametrize("name", OWN)
def test_a_visitor_is_sent_to_the_sign_in_page_and_nowhere_else(name):
    response = Client().get(reverse(name))
    target = reverse("home") if name == "account_logout" else reverse("account_login")
    assert response.status_code == 302
    assert response["Location"].split("?")[0] == target


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/portal/user/", "/admin/portal/user/add/", "/admin/auth/group/", "/style/"]
)
def test_the_admin_keeps_the_same_policy(path, language):
    response = signed_in(make_superuser(language=language)).get(path)
    assert response.status_code == 200
    assert_policy(response)
    assert "先付联盟" in response.content.decode() or language == "en"


def test_the_admin_sends_visitors_to_our_sign_in_page_and_strangers_away():
    visitor = Client().get("/admin/", follow=True)
    assert visitor.redirect_chain[-1][0] == "/account/login/?next=/admin/"
    assert signed_in(make_user()).get("/admin/login/").status_code == 403
    assert signed_in(make_user("Bob")).get("/style/", follow=True).status_code == 403


def test_visitors_see_the_landing_page_and_members_of_nothing_a_welcome():
    assert "account/signup" in Client().get("/").content.decode()
    response = signed_in(make_user(language="en")).get("/")
    assert response.status_code == 200
    assert "Your account is ready" in response.content.decode()


def test_staff_go_home_to_the_admin():
    assert signed_in(make_staff()).get("/")["Location"] == reverse("admin:index")


def test_the_language_switch_is_remembered_in_the_cookie():
    client = speaking("zh-hans")
    response = client.post("/language/", {"language": "en", "next": "/account/login/"})
    assert response["Location"] == "/account/login/"
    assert response.cookies["django_language"].value == "en"
    assert 'lang="en"' in client.get("/").content.decode()


def test_the_language_switch_is_remembered_with_the_user_on_every_device():
    user = make_user(language="zh-hans")
    signed_in(user).post("/language/", {"language": "en"})
    assert User.objects.get(pk=user.pk).language == "en"
    assert 'lang="en"' in signed_in(user).get("/account/profile/").content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_language_switch_leads_nowhere_else(target):
    assert Client().post("/language/", {"language": "en", "next": target})["Location"] == "/"


def test_an_unknown_language_changes_nothing():
    user = make_user(language="en")
    response = signed_in(user).post("/language/", {"language": "xx"})
    assert "django_language" not in response.cookies
    assert User.objects.get(pk=user.pk).language == "en"


def test_chinese_is_spoken_when_nobody_says_otherwise():
    assert 'lang="zh-Hans"' in Client().get("/").content.decode()


def test_the_profile_saves_name_and_language_and_answers_in_the_new_language():
    user = make_user(language="zh-hans")
    client = signed_in(user)
    response = client.post("/account/profile/", {"name": "Alice Chen", "language": "en"}, follow=True)
    user.refresh_from_db()
    assert (user.name, user.language) == ("Alice Chen", "en")
    assert "Your profile is saved." in response.content.decode()


def test_the_profile_refuses_a_language_that_we_do_not_speak():
    user = make_user(language="en")
    response = signed_in(user).post("/account/profile/", {"name": "X", "language": "fr"})
    assert response.status_code == 200
    user.refresh_from_db()
    assert (user.name, user.language) == ("Alice", "en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("view", "arguments", "status", "zh"),
    [
        ("bad_request", [ValueError()], 400, "无法识别该请求"),
        ("permission_denied", [PermissionError()], 403, "您无权查看此页面"),
        ("csrf_failure", [], 403, "页面停留时间过长"),
        ("page_not_found", [ValueError()], 404, "页面不存在"),
    ],
)
def test_error_pages_speak_both_languages(rf, language, view, arguments, status, zh):
    request = rf.get("/")
    request.user = make_user(language=language)
    with translation.override(language):
        response = getattr(views, view)(request, *arguments)
    assert response.status_code == status
    assert (zh in response.content.decode()) == (language == "zh-hans")


def test_a_missing_page_is_ours():
    response = speaking("en").get("/nothing-here/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()
    assert_policy(response)


@override_settings(DEBUG=False)
def test_a_form_without_its_token_is_explained():
    client = Client(enforce_csrf_checks=True)
    client.cookies["django_language"] = "en"
    response = client.post("/language/", {"language": "en"})
    assert response.status_code == 403
    assert "This page stood open too long" in response.content.decode()


@pytest.mark.parametrize(
    ("language", "text"), [("zh-hans", "系统出现故障"), ("en", "Something went wrong on our side")]
)
def test_the_500_page_needs_neither_database_nor_user(rf, django_db_blocker, language, text):
    request = rf.get("/")
    with django_db_blocker.block(), translation.override(language):
        response = views.server_error(request)
    assert response.status_code == 500
    assert text in response.content.decode()


def test_staff_groups_exist(db):
    assert staff_groups.made_by_migrations() >= set(StaffGroup.values)


def test_staff_make_a_user_who_can_sign_in_at_once():
    boss = signed_in(make_superuser())
    secret = "quite-a-long-secret-7"
    response = boss.post(
        "/admin/portal/user/add/",
        {
            "email": "dora@example.com",
            "name": "Dora",
            "language": "en",
            "password1": secret,
            "password2": secret,
        },
    )
    assert response.status_code == 302
    client = Client()
    client.post("/account/login/", {"login": "dora@example.com", "password": secret})
    assert client.get("/account/profile/").status_code == 200


def test_staff_can_change_a_user_but_not_delete_one():
    boss, user = signed_in(make_superuser(language="en")), make_user()
    page = boss.get(f"/admin/portal/user/{user.pk}/change/")
    assert page.status_code == 200
    assert "alice@example.com" in page.content.decode()
    assert boss.post(f"/admin/portal/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()
