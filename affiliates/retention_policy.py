"""How long papers are kept (ONB-9): the stated periods, as texts and as numbers. Pure; docs/retention.md says why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# From the decision; of an attempt that came to nothing, from its end.
FRAME = timedelta(days=30)
# From the rejection.
REJECTED = timedelta(days=90)
# From the withdrawal.
WITHDRAWN = timedelta(days=30)
# From the last thing that the applicant did.
ABANDONED = timedelta(days=180)
# Versions that the decision wasn't made on, from the decision.
SUPERSEDED = timedelta(days=90)
# Approved papers, from the approval of the ones that replaced them: five years, leap days included.
REPLACED = timedelta(days=5 * 365 + 2)


@dataclass(frozen=True)
class Period:
    """One line of the stated policy."""

    what: Promise
    until: Promise


PERIODS = (
    Period(_("Picture of the face from the liveness check"), _("30 days after the decision")),
    Period(_("Papers of a rejected application"), _("90 days after the rejection")),
    Period(_("Papers of a withdrawn application"), _("30 days after the withdrawal")),
    Period(_("Papers of an application that nobody goes on with"), _("180 days after its last change")),
    Period(
        _("Earlier versions of papers, once the application is approved"), _("90 days after the approval")
    ),
    Period(
        _("Papers of an approved application"),
        _("as long as the affiliate takes part; once newer ones are approved, five years more"),
    ),
)
