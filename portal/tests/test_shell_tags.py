"""How amounts, rates, times and states are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone, translation

from portal.badges import Badge, badge, icons, register
from portal.money import Money
from portal.templatetags.shell import bps, initials, money, relative, when


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123456, "USD", "US$1,234.56"),
        (0, "USD", "US$0.00"),
        (7, "USD", "US$0.07"),
        (-42, "USD", "−US$0.42"),
        (10**12, "CNY", "CN¥10,000,000,000.00"),
        (None, "USD", "—"),
    ],
)
def test_money_is_written_the_same_in_both_languages(amount, currency, text, language):
    with translation.override(language):
        assert money(amount, currency) == text
        assert (
            Template("{% load shell %}{{ a|money:c }}").render(Context({"a": amount, "c": currency})) == text
        )


def test_money_takes_money_and_refuses_an_unknown_currency():
    assert money(Money(250, "CNY")) == "CN¥2.50"
    with pytest.raises(KeyError):
        money(1, "XXX")


@pytest.mark.parametrize(
    ("rate", "text"),
    [(790, "7.9\xa0%"), (50, "0.5\xa0%"), (2000, "20\xa0%"), (1, "0.01\xa0%"), (0, "0\xa0%"), (None, "—")],
)
def test_rates_are_exact(rate, text):
    assert bps(rate) == text


def test_times_are_shanghai_clock_times():
    at = datetime(2026, 11, 20, 8, 0, 3, tzinfo=UTC)
    assert when(at) == '<time datetime="2026-11-20T16:00:03+08:00">2026-11-20 16:00</time>'
    assert ">2026-11-20 16:00:03<" in when(at, "seconds")
    assert ">2026-11-20<" in when(at, "date")
    assert ">16:00<" in when(at, "time")
    assert when(None) == "—"


def test_a_day_turns_at_midnight_in_shanghai():
    assert ">2026-11-21<" in when(datetime(2026, 11, 20, 16, 0, tzinfo=UTC), "date")


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (720, "in 12 min", "12 分钟后"),
        (-720, "12 min ago", "12 分钟前"),
        (10, "in a moment", "即将"),
        (-10, "just now", "刚刚"),
        (3600 * 5, "in 5 h", "5 小时后"),
        (-3600 * 5, "5 h ago", "5 小时前"),
        (86400 * 2, "in 2 days", "2 天后"),
        (-86400 * 2, "2 days ago", "2 天前"),
    ],
)
def test_relative_times(seconds, en, zh):
    with translation.override("en"):
        assert relative(seconds) == en
    with translation.override("zh-hans"):
        assert relative(seconds) == zh


def test_a_relative_time_says_the_clock_time_too():
    with translation.override("en"):
        text = when(timezone.now() + timedelta(minutes=12, seconds=5), "relative")
    assert ">in 12 min</time>" in text
    assert 'title="20' in text


def test_a_state_is_said_by_icon_and_word():
    with translation.override("zh-hans"):
        html = Template("{% load shell %}{% state 'clawed_back' %}").render(Context())
    assert "已追回" in html
    assert "#arrow-counterclockwise" in html


def test_an_unknown_state_is_shown_by_its_name():
    assert badge("some_state") == Badge("some state", "circle", "neutral")


def test_a_state_is_said_in_one_place():
    with pytest.raises(ValueError, match="locked"):
        register("locked", Badge("otherwise", "lock"))
    register("locked", badge("locked"))
    assert "lock-fill" in icons()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Alice Chen", "AC"),
        ("alice@example.com", "A"),
        ("深圳市海风", "深"),
        ("", "?"),
        ("a.chen@x.cn", "AC"),
    ],
)
def test_initials(name, text):
    assert initials(name) == text


def test_what_people_typed_is_escaped():
    html = Template("{% load shell %}{% crumb name %}{% state 'held' label=name %}").render(
        Context({"name": "<script>alert(1)</script>"})
    )
    assert "<script>" not in html
