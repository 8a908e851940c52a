"""The catalogue is complete, and the check sees each way in which it could not be."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings
from django.core.management import call_command
from django.utils import translation

from portal import catalogue


def test_the_committed_catalogue_is_complete():
    assert [str(problem) for problem in catalogue.check(settings.BASE_DIR)] == []


def test_the_command_says_so(capsys):
    call_command("messages", "check")
    assert "complete" in capsys.readouterr().out


def test_the_compiled_catalogue_is_in_use():
    with translation.override("zh-hans"):
        assert translation.gettext("Account settings") == "账号设置"


def pair(msgid, string, *, flags=(), context=None) -> tuple[Catalog, Catalog]:
    template, known = Catalog(locale="zh_Hans"), Catalog(locale="zh_Hans")
    template.add(msgid, context=context)
    known.add(msgid, string, flags=flags, context=context)
    return template, known


def kinds(template: Catalog, known: Catalog) -> list[str]:
    return [problem.kind for problem in catalogue.problems(template, known)]


@pytest.mark.parametrize(
    ("msgid", "string", "flags", "expected"),
    [
        ("Orders", "订单", (), []),
        ("Orders", "", (), ["untranslated"]),
        ("Orders", "  ", (), ["untranslated"]),
        ("Orders", "订单", ("fuzzy",), ["fuzzy"]),
        ("%(count)d orders", "%(count)d 个订单", (), []),
        ("%(count)d orders", "%(number)d 个订单", (), ["placeholders differ"]),
        ("%(count)d orders", "订单", (), ["placeholders differ"]),
        ("{name} paid", "{nome} 已付款", (), ["placeholders differ"]),
        ("from 0.5 %% to 20 %%", "0.5 %% 至 20 %%", (), []),
        (("%(n)d order", "%(n)d orders"), ("%(n)d 个订单",), (), []),
        (("%(n)d order", "%(n)d orders"), ("订单",), (), ["placeholders differ"]),
    ],
)
def test_what_check_finds(msgid, string, flags, expected):
    assert kinds(*pair(msgid, string, flags=flags)) == expected


def test_a_text_without_entry_is_missing_and_an_entry_without_text_is_obsolete():
    template, known = Catalog(locale="zh_Hans"), Catalog(locale="zh_Hans")
    template.add("New")
    known.add("Old", "旧")
    assert kinds(template, known) == ["missing", "obsolete"]


def test_the_same_text_in_another_context_is_another_text():
    template, known = Catalog(locale="zh_Hans"), Catalog(locale="zh_Hans")
    template.add("May", context="month")
    known.add("May", "可以")
    assert kinds(template, known) == ["missing", "obsolete"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for package in catalogue.PACKAGES:
        (tmp_path / package / "tests").mkdir(parents=True)
    (tmp_path / "portal" / "pages.py").write_text(
        "# Translators: said on the door\n"
        'a = _("In Python")\nb = ngettext("%(n)d day", "%(n)d days", n)\nc = pgettext("month", "May")\n'
    )
    (tmp_path / "portal" / "tests" / "test_x.py").write_text('_("In a test")\n')
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text(
        '{% load i18n %}<p class="it\'s">{% translate "In a template" %}</p>\n'
        "  {% blocktranslate count n=n trimmed %}\n one {{ n }}\n {% plural %} many {{ n }}"
        "{% endblocktranslate %}\n"
        '    {% icon "x" label=_("In a constant") %}{% translate "May" context "month" %}\n'
    )
    return tmp_path


def test_python_and_templates_are_read_with_contexts_plurals_and_comments(project):
    found = {catalogue._key(m): m for m in catalogue.extracted(project) if m.id}
    assert set(found) == {
        (None, "In Python"),
        (None, ("%(n)d day", "%(n)d days")),
        ("month", "May"),
        (None, "In a template"),
        (None, ("one %(n)s", "many %(n)s")),
        (None, "In a constant"),
    }
    assert found[(None, "In Python")].auto_comments == ["Translators: said on the door"]


def test_merging_keeps_translations_drops_what_is_gone_and_guesses_nothing(project):
    assert catalogue.merge(project) == (6, 0)
    path = catalogue.po_path(project)
    path.write_text(
        path.read_text().replace('msgid "In Python"\nmsgstr ""', 'msgid "In Python"\nmsgstr "甲"')
    )
    page = project / "templates" / "page.html"
    page.write_text(page.read_text().replace("In a template", "In the template"))
    assert catalogue.merge(project) == (1, 1)
    known = {m.id: m for m in catalogue.read(path) if m.id}
    assert known["In Python"].string == "甲"
    assert known["In the template"].string == ""
    assert not any(m.fuzzy for m in known.values())
    before = path.read_text()
    assert catalogue.merge(project) == (0, 0)
    assert path.read_text() == before


def test_a_stale_catalogue_is_compiled_and_a_current_one_left_alone(project):
    catalogue.merge(project)
    target = catalogue.po_path(project).with_suffix(".mo")
    catalogue.compile_if_stale(project)
    made = target.stat().st_mtime_ns
    catalogue.compile_if_stale(project)
    assert target.stat().st_mtime_ns == made
    assert list(target.parent.glob("*.tmp")) == []
