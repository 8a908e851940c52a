"""What every template must keep to: no inline script or style, known icons, a first line of help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles.finders import find
from django.template.loader import get_template

from portal.badges import icons
from portal.templatetags.shell import ICON_SPRITE

ROOT = Path(settings.BASE_DIR) / "templates"
TEMPLATES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())
COMMENT = re.compile(r"{%\s*comment.*?%}.*?{%\s*endcomment\s*%}|{#.*?#}", re.S)
FORBIDDEN = {
    "inline style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.I),
    "style element": re.compile(r"<style\b", re.I),
    "inline script": re.compile(r"<script\b(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")[^>]*>", re.I),
    "inline handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.I),
    "htmx's eval": re.compile(r"\bhx-on|hx-vals=['\"]js:|hx-vars", re.I),
    "javascript: address": re.compile(r"javascript:", re.I),
    "foreign origin": re.compile(r"(?:src|href|action)=\"(?:https?:)?//", re.I),
}


def sprite_icons() -> set[str]:
    return set(re.findall(r'<symbol [^>]*id="([^"]+)"', Path(find(ICON_SPRITE)).read_text()))


def violations(source: str) -> list[str]:
    text = COMMENT.sub("", source)
    return [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_compiles_and_keeps_the_policy(name):
    get_template(name)
    assert violations((ROOT / name).read_text()) == []


@pytest.mark.parametrize(
    "bad",
    [
        '<p style="color:red">',
        "<style>p{}</style>",
        "<script>1</script>",
        '<a onclick="x()">',
        '<a href="javascript:x()">',
        '<button hx-on:click="x()">',
        '<script src="https://cdn.example/x.js"></script>',
    ],
)
def test_the_lint_sees_what_it_forbids(bad):
    assert violations(bad)


def test_every_icon_that_is_named_is_in_the_sprite():
    named = set(icons())
    for name in TEMPLATES:
        named |= set(re.findall(r'{%\s*icon\s+"([\w-]+)"', (ROOT / name).read_text()))
        named |= set(re.findall(r'icon_name="([\w-]+)"', (ROOT / name).read_text()))
    assert named - sprite_icons() == set()
    assert "lock-fill" in named


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name.startswith("components/")])
def test_a_component_says_its_parameters_first(name):
    assert (ROOT / name).read_text().startswith("{#")


def test_every_vendored_file_that_a_template_names_is_there():
    for name in TEMPLATES:
        for path in re.findall(r"{%\s*static\s+'([^']+)'", (ROOT / name).read_text()):
            assert find(path), f"{name}: {path}"
