"""The causes of a break in an attribution path, each with its words: what it is, why, and what mends it (DIAG-2).

Pure but for the language. Every screen and interface that explains a lost order takes its words from here. A fix
is said twice, to the affiliate and to the merchant, since they have different things in their hands.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Cause:
    """One code of DIAG-2 in words."""

    code: str
    label: Text
    cause: Text
    affiliate_fix: Text
    merchant_fix: Text

    def fix(self, *, merchant: bool) -> str:
        """What the one who reads can do about it."""
        return str(self.merchant_fix if merchant else self.affiliate_fix)


_CAUSES = (
    # --- from the link to the shop --------------------------------------------------------------------------
    Cause(
        "pid_missing",
        _("No PID came with the order"),
        _("Nothing that came with the order names a PID or a click."),
        _("Share links made in Links, not bare addresses of the shop. Only those carry your PID."),
        _("Let your order system send attribution.click_ids with each order, and S2S callbacks besides."),
    ),
    Cause(
        "pid_unknown",
        _("PID unknown"),
        _("The PID that came with the order doesn't exist."),
        _("Compare it with your list of PIDs; a letter may have been lost when the link was copied."),
        _("Pass on the click id from the landing address unchanged; a PID alone never attributes an order."),
    ),
    Cause(
        "pid_frozen",
        _("PID frozen"),
        _("The PID was frozen when the link was clicked. A PID freezes after 30 days without a valid click."),
        _("Reactivate the PID on the page PID. Clicks from then on count again; this one can't."),
        _("Nothing is wrong on your side: the affiliate has to reactivate its PID."),
    ),
    Cause(
        "click_not_found",
        _("Click not found"),
        _("The order carried something in place of a click id that we never gave out."),
        _("Ask the merchant to pass on the click id unchanged. A PID alone never attributes an order."),
        _("Keep the click id from the landing address exactly as it is, capitals and all, and send that."),
    ),
    Cause(
        "click_invalid",
        _("Click not valid"),
        _("The click was not a person's visit by the rules: a bot, a preview, a prefetch or one repeat too many."),
        _("Don't have links opened by programs, and don't click your own again and again. See the reason below."),
        _("Nothing to do. If many clicks of one affiliate look like this, tell us."),
    ),
    Cause(
        "click_expired",
        _("Click outside the window"),
        _("The order was placed after the merchant's attribution window had closed, or before the click."),
        _("Remind your audience within the window. A new click before the order starts it anew."),
        _("A longer window, up to 90 days, lets such orders count. It applies to orders from then on."),
    ),
    Cause(
        "click_other_merchant",
        _("Click for another merchant"),
        _("The click that came with the order was made on a link of another merchant."),
        _("Use a link for the merchant where the order was placed."),
        _("Send only the click ids from your own landing address, not those of other shops."),
    ),
    Cause(
        "merchant_inactive",
        _("Merchant not active"),
        _("The merchant was suspended when the link was clicked, so the click doesn't count."),
        _("Promote another merchant until this one is active again."),
        _("Clear up the suspension with us; clicks count again from that moment."),
    ),
    Cause(
        "in_app_blocked",
        _("Stopped in an app's browser"),
        _("The link was opened inside WeChat or QQ, which block the shop, and the visit never left the app."),
        _("Tell your audience to open the link in their browser, or share its QR code or the copied address."),
        _("Nothing to do on your side: the app blocks the page before it reaches you."),
    ),
    Cause(
        "cookie_lost",
        _("First-party cookie lost"),
        _("The shop's own cookie held no click id of this visit when the order was placed."),
        _("Ask the merchant to set the cookie from its server, and to send S2S callbacks as a second proof."),
        _("Set the cookie with the server-side snippet; what a script writes is deleted early by Safari."),
    ),
    Cause(
        "s2s_timeout",
        _("No S2S callback in time"),
        _("The merchant's server sent no callback for the order within the time allowed."),
        _("Ask the merchant to check its S2S callbacks. Until the release, a late one still counts."),
        _("Send the callback right after checkout; a late one still counts until the release."),
    ),
    Cause(
        "s2s_bad_signature",
        _("S2S signature wrong"),
        _("A callback came in the merchant's name, but its signature didn't fit, so it has no effect."),
        _("Ask the merchant to check the secret that its server signs with."),
        _("Check the secret, the clock (5 minutes at most) and that the body is signed exactly as it is sent."),
    ),
    Cause(
        "evidence_conflict",
        _("The evidence points elsewhere"),
        _("More than one click led to this order, and by the rules another one counts: a valid S2S click goes "
          "before the cookie's, then the newest one wins."),
        _("Nothing is wrong with your link; the buyer clicked another one later, or the shop's server says so."),
        _("If this happens often, check that your cookie and your callbacks take the click id from the same place."),
    ),
    # --- what the order is worth ----------------------------------------------------------------------------
    Cause(
        "no_rate",
        _("No terms in force"),
        _("The merchant had no terms in force when the order was placed."),
        _("Choose merchants with published terms; the link builder shows them."),
        _("Publish terms. They apply to orders placed from then on."),
    ),
    Cause(
        "zero_base",
        _("Nothing to pay commission on"),
        _("After fees, freight, cash-back and subsidies nothing of the order is left to pay commission on."),
        _("The calculation sheet shows each deduction."),
        _("Check the amounts that your order system sends; the calculation sheet shows each deduction."),
    ),
    Cause(
        "below_order_threshold",
        _("Below the minimum order"),
        _("What the buyer really paid is below the merchant's minimum order."),
        _("Promote goods or bundles above the merchant's minimum order."),
        _("A lower minimum order lets such orders earn. It applies to orders from then on."),
    ),
    Cause(
        "below_minimum_unit",
        _("Below the minimum unit"),
        _("The commission is below the affiliate's minimum unit, US$0.10 unless it has chosen US$0.01."),
        _("Turn on the “$0.01起佣” switch in Commission preferences; later orders then earn from one cent."),
        _("Nothing to do: the minimum unit is the affiliate's choice."),
    ),
    # --- the payment ----------------------------------------------------------------------------------------
    Cause(
        "unpaid_expired",
        _("Not paid in time"),
        _("The buyer didn't pay in time, so the reserved commission was given back."),
        _("A payment that comes later revives the commission by itself."),
        _("If the order was paid, send its order.paid event; the commission then revives by itself."),
    ),
    Cause(
        "order_cancelled",
        _("Order cancelled"),
        _("The order was cancelled."),
        _("Nothing to do: a cancelled order earns nothing."),
        _("Nothing to do, unless it was cancelled by mistake: then send its order.paid event."),
    ),
    # --- on the way to the release --------------------------------------------------------------------------
    Cause(
        "dispute_open",
        _("Dispute open"),
        _("The buyer has opened a dispute. The commission is held until it is resolved."),
        _("Wait for the outcome; what remains is then released by itself."),
        _("Send order.dispute_resolved with the final compensation as soon as the dispute is settled."),
    ),
    Cause(
        "self_purchase",
        _("Own purchase"),
        _("The buyer seems to be the affiliate itself: the same company, person, account or device."),
        _("Own purchases aren't paid. If this is a mistake, tell our risk team why."),
        _("Nothing to do: our risk team decides."),
    ),
    Cause(
        "risk_hold",
        _("Held for a risk check"),
        _("Our risk team is checking this order."),
        _("Wait for the result. If it is cleared, it goes on by itself."),
        _("Wait for the result; we ask you if we need anything."),
    ),
    Cause(
        "affiliate_suspended",
        _("Affiliate suspended"),
        _("The affiliate is or was suspended: clicks don't count, and what isn't released yet is held."),
        _("See the message about the suspension and answer it."),
        _("Nothing to do: it is between the affiliate and us."),
    ),
    Cause(
        "merchant_limit",
        _("Merchant over its credit limit"),
        _("The merchant has reached its credit limit, so releases wait for its payment."),
        _("Wait: after the merchant's payment, the oldest are released first, by themselves."),
        _("Pay what is owed or pay ahead; the oldest due commissions are then released first."),
    ),
    Cause(
        "refunded",
        _("Refunded"),
        _("The buyer was refunded, and the commission shrinks by the same share."),
        _("Nothing to do. The calculation sheet shows what was taken back and what remains."),
        _("Nothing to do. The calculation sheet shows what was taken back and what remains."),
    ),
    Cause(
        "payout_failed",
        _("Payout failed"),
        _("The payout to the settlement account failed; the money is back in the available balance."),
        _("Correct the settlement account; the payout is then made anew."),
        _("Nothing to do: it concerns the affiliate's settlement account."),
    ),
)  # fmt: skip

CAUSES: dict[str, Cause] = {cause.code: cause for cause in _CAUSES}
