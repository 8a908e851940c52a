"""The message catalogue, made and checked in plain Python: a fresh machine has no gettext tools.

Source texts are English and need no catalogue; `locale/zh_Hans/LC_MESSAGES/django.po` holds the Chinese.
The compiled `.mo` is never committed: `compile_if_stale` makes it when the project starts.
"""

from __future__ import annotations

import gettext
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation import trans_real
from django.utils.translation.template import templatize

PACKAGES = ("portal", "affiliates", "orders", "commissions")
TRANSLATED = "zh_Hans"
PLURAL_FORMS = "nplurals=1; plural=0;"
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
COMMENT_TAGS = ("Translators:",)
PLACEHOLDER = re.compile(r"%\((\w+)\)[#0\- +]*[\d.]*[a-z]|%[sd]|\{(\w*)\}")
Key = tuple[str | None, str | tuple[str, ...]]


@dataclass(frozen=True)
class Problem:
    """Something that keeps the catalogue from being complete: what, and the text it is about."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text!r}"


def po_path(root: Path) -> Path:
    return root / "locale" / TRANSLATED / "LC_MESSAGES" / "django.po"


def source_files(root: Path) -> Iterator[Path]:
    """Python files of the four packages (tests and migrations speak to nobody) and all templates."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if not {"tests", "migrations"} & set(path.relative_to(root).parts):
                yield path
    for path in sorted((root / "templates").rglob("*")):
        if path.suffix in {".html", ".txt", ".xml"}:
            yield path


def _python(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    # What is no message becomes X's; without indentation they read as plain Python names.
    return "\n".join(line.lstrip() for line in templatize(text, origin=str(path)).split("\n"))


def extracted(root: Path) -> Catalog:
    """Every text of the source that people read, without translations."""
    template = Catalog(locale=TRANSLATED, charset="utf-8")
    for path in source_files(root):
        code = BytesIO(_python(path).encode())
        place = path.relative_to(root).as_posix()
        found = extract(
            "python", code, KEYWORDS, COMMENT_TAGS, {"encoding": "utf-8"}, strip_comment_tags=False
        )
        for line, message, comments, context in found:
            template.add(message, None, [(place, line)], auto_comments=comments, context=context)
    return template


def _key(message: Message) -> Key:
    return message.context, tuple(message.id) if isinstance(message.id, list | tuple) else message.id


def _messages(catalogue: Catalog) -> dict[Key, Message]:
    return {_key(message): message for message in catalogue if message.id}


def read(path: Path) -> Catalog:
    """The catalogue in `path`; an empty one if there is none yet."""
    if not path.exists():
        return Catalog(locale=TRANSLATED, charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=TRANSLATED, abort_invalid=True)


def merge(root: Path) -> tuple[int, int]:
    """Bring the catalogue in step with the source; how many texts are new and how many are gone.

    Translations are kept by exact text and context. Nothing is guessed: a changed text is a new text.
    """
    template, path = extracted(root), po_path(root)
    old = _messages(read(path))
    merged = Catalog(locale=TRANSLATED, charset="utf-8", fuzzy=False)
    for key, message in _messages(template).items():
        kept = old.get(key)
        merged.add(
            message.id,
            kept.string if kept else None,
            sorted({(place, 0) for place, _line in message.locations}),
            flags=(kept.flags if kept else set()) | message.flags,
            auto_comments=message.auto_comments,
            user_comments=kept.user_comments if kept else (),
            context=message.context,
        )
    buffer = BytesIO()
    write_po(buffer, merged, width=110, sort_output=True, include_lineno=False, omit_header=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_header() + buffer.getvalue().decode(), encoding="utf-8")
    new = set(_messages(template))
    return len(new - set(old)), len(set(old) - new)


def _header() -> str:
    fields = {
        "Project-Id-Version": "affiliate-network",
        "Language": TRANSLATED,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURAL_FORMS,
    }
    return 'msgid ""\nmsgstr ""\n' + "".join(f'"{k}: {v}\\n"\n' for k, v in fields.items()) + "\n"


def problems(template: Catalog, catalogue: Catalog) -> list[Problem]:
    """What `check` fails on: missing, obsolete, untranslated or fuzzy texts, and placeholders that differ."""
    wanted, known = _messages(template), _messages(catalogue)
    found = [Problem("missing", _text(key)) for key in wanted if key not in known]
    found += [Problem("obsolete", _text(key)) for key in known if key not in wanted]
    found += [Problem("obsolete", _text(_key(message))) for message in catalogue.obsolete.values()]
    for key, message in known.items():
        strings = [message.string] if isinstance(message.string, str) else list(message.string or ())
        if not strings or not all(text and text.strip() for text in strings):
            found.append(Problem("untranslated", _text(key)))
            continue
        if message.fuzzy:
            found.append(Problem("fuzzy", _text(key)))
        # The last form is the plural: the one whose placeholders a language without plurals must keep.
        source = key[1] if isinstance(key[1], str) else key[1][-1]
        if any(_placeholders(source) != _placeholders(text) for text in strings):
            found.append(Problem("placeholders differ", _text(key)))
    return found


def _placeholders(text: str) -> list[str]:
    return sorted(match.group(0) for match in PLACEHOLDER.finditer(text.replace("%%", "")))


def _text(key: Key) -> str:
    context, text = key
    shown = text if isinstance(text, str) else " | ".join(text)
    return f"[{context}] {shown}" if context else shown


def check(root: Path) -> list[Problem]:
    """The problems of the committed catalogue against the source."""
    return problems(extracted(root), read(po_path(root)))


def compile_catalogues(po_files: Iterable[Path]) -> int:
    """Write the `.mo` beside each `.po`, whole or not at all; how many."""
    count = 0
    for path in po_files:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            write_mo(file, read(path))
        os.replace(file.name, path.with_suffix(".mo"))
        count += 1
    return count


def compile_if_stale(root: Path) -> None:
    """Compile what is older than its source; costs two `stat`s when there is nothing to do."""
    path = po_path(root)
    target = path.with_suffix(".mo")
    if path.exists() and (not target.exists() or target.stat().st_mtime_ns < path.stat().st_mtime_ns):
        compile_catalogues([path])
        _forget_loaded()


def _forget_loaded() -> None:
    """Drop what was loaded before the catalogue was compiled: Django's own models translate while they load."""
    gettext._translations = {}  # type: ignore[attr-defined]
    trans_real._translations = {}  # type: ignore[attr-defined]
    trans_real._default = None  # type: ignore[attr-defined]
