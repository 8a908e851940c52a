"""Small words of the review pages: time left, and what a company is called before it is known."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from affiliates.models import Case
from affiliates.paper_fields import HINTS
from affiliates.working_time import DAY_SECONDS

register = template.Library()


@register.filter
def left_text(seconds: int) -> str:
    """Working time left or overdue, in hours to one decimal."""
    hours = f"{abs(seconds) / 3600:.1f}"
    if seconds < 0:
        return gettext("overdue by %(hours)s h") % {"hours": hours}
    return gettext("%(hours)s h left") % {"hours": hours}


@register.filter
def left_tone(seconds: int) -> str:
    return "bad" if seconds < 0 else "warn" if seconds < 2 * 3600 else "info"


@register.filter
def working_days(seconds: float | None) -> str:
    """Working seconds in working days of nine hours, to two decimals."""
    return "—" if seconds is None else f"{seconds / DAY_SECONDS:.2f}"


@register.filter
def company_name(case: Case) -> str:
    declared = getattr(case, "company", None)
    return declared.name if declared else case.affiliate.name


@register.filter
def per_cent(share: float | None) -> str:
    return "—" if share is None else f"{share * 100:.1f} %"


_VERBS = {
    "open": _("begun"),
    "save": _("saved"),
    "upload": _("uploaded"),
    "submit": _("submitted"),
    "claim": _("claimed"),
    "give_back": _("given back"),
    "accept": _("paper accepted"),
    "refuse": _("paper refused"),
    "request_changes": _("changes requested"),
    "approve": _("approved"),
    "reject": _("rejected"),
    "send_back": _("sent back"),
    "void_decision": _("first decision void"),
    "withdraw": _("withdrawn"),
    "note": _("note"),
}


@register.filter
def verb_label(verb: str) -> str:
    """What a step of a case's history is called."""
    return str(_VERBS.get(verb, verb))


@register.filter
def picture_hint(code: str) -> str:
    """What a picture itself gives away, in words."""
    return str(HINTS.get(code, code))
