"""`{% load shell %}`: how amounts, times, rates and states are written, and the tags of the layout.

One `money` filter, one `when` filter, for every page and export.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.core.paginator import Paginator
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect, Select
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.badges import badge
from portal.money import EXPONENTS, Money

register = template.Library()

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EM DASH}"
ICON_SPRITE = "vendor/bootstrap-icons-1.13.2/icons.svg"
# Said so that neither a Chinese nor an English reader can take one dollar or yuan for another.
SIGNS = {"USD": "US$", "CNY": "CN¥"}


@register.filter
def money(amount: int | Money | None, currency: str = "USD") -> str:
    """`123456|money:"USD"` → `US$1,234.56`; minor units in; the same in both languages; None → a dash."""
    if isinstance(amount, Money):
        return money(amount.amount, amount.currency)
    if amount is None or amount == "":
        return NOTHING
    whole, minor = divmod(abs(amount), 10 ** EXPONENTS[currency])
    sign = MINUS if amount < 0 else ""
    fraction = f".{minor:0{EXPONENTS[currency]}d}" if EXPONENTS[currency] else ""
    return f"{sign}{SIGNS[currency]}{whole:,}{fraction}"


@register.filter
def bps(rate: int | None) -> str:
    """Basis points as a percentage: 790 → `7.9 %`, 50 → `0.5 %`; exact, no trailing zeros."""
    if rate is None:
        return NOTHING
    whole, rest = divmod(abs(rate), 100)
    fraction = f".{rest:02d}".rstrip("0") if rest else ""
    return f"{MINUS if rate < 0 else ''}{whole}{fraction}\N{NO-BREAK SPACE}%"


@register.filter
def when(moment: datetime | None, form: str = "") -> str:
    """A moment on the Shanghai clock as a `<time>`: `2026-11-20 16:00`.

    `when:"relative"` says "in 12 min" with the clock time as its title; `"seconds"` adds seconds, `"date"` is
    the day alone, `"time"` the clock alone.
    """
    if moment is None:
        return NOTHING
    local = moment.astimezone(ZoneInfo(settings.TIME_ZONE))
    clock = local.strftime("%Y-%m-%d %H:%M")
    iso = local.isoformat(timespec="seconds")
    if form == "relative":
        shown = relative(int((moment - timezone.now()).total_seconds()))
        return format_html('<time datetime="{}" title="{}">{}</time>', iso, clock, shown)
    pattern = {"seconds": "%Y-%m-%d %H:%M:%S", "date": "%Y-%m-%d", "time": "%H:%M"}.get(form)
    return format_html('<time datetime="{}">{}</time>', iso, local.strftime(pattern) if pattern else clock)


def relative(seconds: int) -> str:
    """Seconds from now, in the largest unit that says something: `in 12 min`, `3 h ago`."""
    ahead, size = seconds > 0, abs(seconds)
    if size < 45:
        return _("in a moment") if ahead else _("just now")
    if size < 3600:
        count = max(1, round(size / 60))
        return (
            ngettext("in %(count)d min", "in %(count)d min", count)
            if ahead
            else ngettext("%(count)d min ago", "%(count)d min ago", count)
        ) % {"count": count}
    if size < 36 * 3600:
        count = round(size / 3600)
        return (
            ngettext("in %(count)d h", "in %(count)d h", count)
            if ahead
            else ngettext("%(count)d h ago", "%(count)d h ago", count)
        ) % {"count": count}
    count = round(size / 86400)
    return (
        ngettext("in %(count)d day", "in %(count)d days", count)
        if ahead
        else ngettext("%(count)d day ago", "%(count)d days ago", count)
    ) % {"count": count}


@register.filter
def span(length: timedelta | None) -> str:
    """A length of time in its two largest units: `31 min 5 s`, `2 h 0 min`, `0.4 s`; None → a dash."""
    if length is None:
        return NOTHING
    seconds = length.total_seconds()
    sign, seconds = (MINUS, -seconds) if seconds < 0 else ("", seconds)
    if seconds < 10:
        text = _("%(seconds)s s") % {"seconds": f"{seconds:.1f}".removesuffix(".0")}
    elif seconds < 60:
        text = _("%(seconds)s s") % {"seconds": int(seconds)}
    elif seconds < 3600:
        text = _("%(minutes)d min %(seconds)d s") % {"minutes": seconds // 60, "seconds": seconds % 60}
    elif seconds < 48 * 3600:
        text = _("%(hours)d h %(minutes)d min") % {"hours": seconds // 3600, "minutes": seconds % 3600 // 60}
    else:
        text = _("%(days)d d %(hours)d h") % {"days": seconds // 86400, "hours": seconds % 86400 // 3600}
    return sign + text


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """`{% icon "lock-fill" %}`: decoration, or with a label an image that says something."""
    address = f"{static(ICON_SPRITE)}#{name}"
    if label:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}"><use href="{}"></use></svg>', label, address
        )
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}"></use></svg>', address
    )


@register.inclusion_tag("components/state.html")
def state(name: str, label: str = "") -> dict[str, Any]:
    """`{% state commission.state %}`: icon and word of a state; `label` replaces the word."""
    known = badge(str(name))
    return {"label": label or known.label, "icon_name": known.icon, "tone": known.tone, "name": str(name)}


@register.inclusion_tag("components/crumb.html")
def crumb(label: str, url_name: str = "", *args: Any, **kwargs: Any) -> dict[str, Any]:
    """`{% crumb _("Orders") "orders:list" %}` in `{% block breadcrumbs %}`; no url for the page itself."""
    try:
        url = reverse(url_name, args=args, kwargs=kwargs) if url_name else ""
    except NoReverseMatch:
        url = ""
    return {"label": label, "url": url}


@register.filter
def control(field: BoundField) -> SafeString:
    """The field's widget in Bootstrap's clothes, with its errors marked for eyes and screen readers."""
    return field.as_widget(attrs=_control_attributes(field))


def _control_attributes(field: BoundField) -> dict[str, Any]:
    widget = field.field.widget
    if isinstance(widget, CheckboxInput):
        css = "form-check-input"
    elif isinstance(widget, RadioSelect | CheckboxSelectMultiple):
        css = ""
    elif isinstance(widget, Select):
        css = "form-select"
    else:
        css = "form-control"
    given = widget.attrs.get("class", "")
    classes = f"{css} {given} {'is-invalid' if field.errors else ''}".split()
    attributes: dict[str, Any] = {"class": " ".join(classes)} if classes else {}
    if str(widget.attrs.get("placeholder", "")).startswith(str(field.label)):
        attributes["placeholder"] = False  # the label says it already
    return attributes


@register.filter
def kind(field: BoundField) -> str:
    """`checkbox`, `choices` (radios, checkboxes), `hidden` or `line`: which markup the field needs."""
    widget = field.field.widget
    if field.is_hidden:
        return "hidden"
    if isinstance(widget, RadioSelect | CheckboxSelectMultiple):
        return "choices"
    return "checkbox" if isinstance(widget, CheckboxInput) else "line"


@register.filter
def tone(level_tag: str) -> str:
    """The tone of a Django message level."""
    return {"success": "good", "warning": "warn", "error": "bad", "info": "info"}.get(level_tag, "neutral")


@register.filter
def initials(name: str) -> str:
    """One or two letters for the avatar."""
    words = [w for w in str(name).split("@")[0].replace(".", " ").split() if w]
    if not words:
        return "?"
    if len(words) == 1 or not words[0].isascii():
        return words[0][:1].upper()
    return (words[0][:1] + words[-1][:1]).upper()


@register.filter
def elided(paginator: Paginator, number: int) -> Iterator[int | str]:
    """The page numbers worth showing around `number`."""
    return paginator.get_elided_page_range(number, on_each_side=1, on_ends=1)
