"""The menus of affiliates and merchants: what they earn and what it costs."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from portal.navigation import Item, Section, current_workspace


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
            _("Settings"),
            [Item(_("Commission preferences"), "commissions:preferences", "sliders", here)],
        )
    elif workspace.kind == "merchant":
        yield Section(
            _("Shop"),
            [
                Item(_("Home"), "commissions:merchant_home", "house-door", here, exact=True),
                Item(_("Orders and commissions"), "commissions:merchant_commissions", "receipt", here),
                Item(_("Terms"), "commissions:merchant_terms", "percent", here),
            ],
        )
