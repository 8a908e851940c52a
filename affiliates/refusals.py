"""Why a paper or a case may be refused: the codes, what the applicant is told, and how to mend it (ONB-5)."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from affiliates.models import Document

Text = str | Promise
_LICENCE = Document.Kind.BUSINESS_LICENCE.value
_ID = (Document.Kind.ID_FRONT.value, Document.Kind.ID_BACK.value)
_ACCOUNT = Document.Kind.SETTLEMENT_PROOF.value
_TAX = Document.Kind.TAX_PROOF.value
EVERY_PAPER = (_LICENCE, *_ID, _ACCOUNT, _TAX)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason: `text` says what is wrong, `hint` how to mend it. Both are read by the applicant.

    `kinds` are the papers that it can be said of; empty: only of a case as a whole.
    """

    code: str
    text: Text
    hint: Text
    kinds: tuple[str, ...] = ()


_ALL = [
    Refusal(
        "unreadable",
        _("The picture is blurred, cut off or too dark to read."),
        _("Photograph the whole paper in daylight, without flash, with all four corners in the picture."),
        EVERY_PAPER,
    ),
    Refusal(
        "wrong_document",
        _("This is another paper than the one asked for."),
        _("Upload the paper that the step names. The examples beside it show what we mean."),
        EVERY_PAPER,
    ),
    Refusal(
        "expired",
        _("The paper has expired."),
        _("Upload the renewed paper and enter its new date."),
        (_LICENCE, *_ID),
    ),
    Refusal(
        "no_seal",
        _("The company's seal is missing from the scan."),
        _("Print the licence, stamp it with the company's seal and scan it in colour."),
        (_LICENCE,),
    ),
    Refusal(
        "not_in_colour",
        _("The ID card must be photographed in colour."),
        _("Upload a colour photograph of the original card, not of a copy."),
        _ID,
    ),
    Refusal(
        "wrong_side",
        _("This is the other side of the ID card."),
        _("Upload the side that the step names: the portrait side, or the side with the national emblem."),
        _ID,
    ),
    Refusal(
        "declared_differently",
        _("What you entered differs from what the paper says."),
        _("Compare name, number and dates with the paper, letter by letter, and correct the step."),
        EVERY_PAPER,
    ),
    Refusal(
        "name_mismatch",
        _("The legal representative on the licence is another person than the one on the ID card."),
        _(
            "Upload the ID card of the person whom the licence names. If they changed, renew the licence first."
        ),
        (_LICENCE, *_ID),
    ),
    Refusal(
        "account_of_another",
        _("The account is not in the company's name."),
        _("Give a corporate account, or an enterprise Alipay account, in exactly the name on the licence."),
        (_ACCOUNT,),
    ),
    Refusal(
        "personal_alipay",
        _("Personal Alipay accounts can't be paid to."),
        _("Give a verified enterprise Alipay account or a corporate bank account."),
        (_ACCOUNT,),
    ),
    Refusal(
        "proof_insufficient",
        _("The paper doesn't prove the account."),
        _(
            "Upload the account-opening permit, the basic-deposit-account information, a bank receipt, "
            "or for Alipay a screenshot of the enterprise certification."
        ),
        (_ACCOUNT,),
    ),
    Refusal(
        "months_missing",
        _("The tax certificates don't cover the three full months before your application."),
        _("Upload certificates for all three months, or a tax registration instead."),
        (_TAX,),
    ),
    Refusal(
        "taxpayer_differs",
        _("The taxpayer on the paper is not the company of the licence."),
        _("Upload the papers of the company that applies."),
        (_TAX,),
    ),
    Refusal(
        "other",
        _("The paper can't be accepted as it is."),
        _("Write to us under the number of your case; we will tell you what is needed."),
        EVERY_PAPER,
    ),
    Refusal(
        "not_eligible",
        _("Only companies and sole proprietors of mainland China can join."),
        _("If this is wrong, apply again with a mainland business licence."),
    ),
    Refusal(
        "duplicate_company",
        _("This company is an affiliate already."),
        _("Ask the owner of the existing account to add you as a member."),
    ),
    Refusal(
        "forged_papers",
        _("We could not establish that the papers are genuine."),
        _("If you think that this is a mistake, write to us under the number of your case."),
    ),
    Refusal(
        "identity_not_proven",
        _("We could not establish that the legal representative has applied."),
        _("Apply again, with the liveness check done by the person on the ID card."),
    ),
    Refusal(
        "prohibited_channels",
        _("The channels that you named can't be used to promote merchants."),
        _("Apply again with channels that our programme terms allow."),
    ),
]
REASONS: dict[str, Refusal] = {refusal.code: refusal for refusal in _ALL}


def of_paper(kind: str) -> list[Refusal]:
    """The reasons that a paper of this kind can be refused for, in the order in which they are offered."""
    return [refusal for refusal in _ALL if kind in refusal.kinds]


def of_case() -> list[Refusal]:
    """The reasons that a case as a whole can be rejected for."""
    return [refusal for refusal in _ALL if not refusal.kinds]
