"""The menus of affiliates and merchants: what they earn and what it costs."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from affiliates.pids import freezing_soon
from portal.navigation import Item, Section, current_workspace


def _freezing(request: HttpRequest) -> int:
    """How many PIDs of the affiliate that the person stands in freeze within days (ATTR-4)."""
    workspace = current_workspace(request)
    affiliate_id = workspace.object_id if workspace else None
    return len(freezing_soon(affiliate_id, at=timezone.now())) if affiliate_id else 0


def sections(request: HttpRequest) -> Iterable[Section]:
    """The sections of the workspace that the person stands in."""
    workspace = current_workspace(request)
    if workspace is None:
        return
    here = {"code": workspace.code}
    if workspace.kind == "affiliate":
        yield Section(
            _("Earnings"),
            [
                Item(_("Home"), "commissions:affiliate_home", "house-door", here, exact=True),
                Item(_("Commission Report"), "commissions:report", "bar-chart-line", here),
                Item(_("Pending Commission"), "commissions:pending", "hourglass-split", here),
                Item(_("Balance"), "commissions:balance", "wallet2", here),
            ],
        )
        yield Section(
            _("Promotion"),
            [
                Item(
                    _("Links"), "orders:links", "link-45deg", here, prefix=f"/affiliate/{workspace.code}/link"
                ),
                Item("PID", "orders:pids", "broadcast", here, badge=_freezing),
                Item(_("Diagnostic Center"), "commissions:diagnosis", "heart-pulse", here),
            ],
        )
        yield Section(
            _("Settings"),
            [Item(_("Commission preferences"), "commissions:preferences", "sliders", here)],
        )
    elif workspace.kind == "merchant":
        yield Section(
            _("Shop"),
            [
                Item(_("Home"), "commissions:merchant_home", "house-door", here, exact=True),
                Item(_("Orders and commissions"), "commissions:merchant_commissions", "receipt", here),
                Item(_("Diagnostic Center"), "commissions:merchant_diagnosis", "heart-pulse", here),
                Item(_("Terms"), "commissions:merchant_terms", "percent", here),
            ],
        )
