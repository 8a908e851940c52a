"""Saving what an applicant declares, step by step; each step stands alone and can be saved again (ONB-1, ONB-8).

Whether the fields read well is the forms' business, whether they are true the reviewers'. What is refused here could
never be approved: a personal Alipay account.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from affiliates import notices
from affiliates.identifiers import normalised
from affiliates.models import (
    AccountKind,
    Affiliate,
    Case,
    CaseEvent,
    Channel,
    CompanyDeclaration,
    Consent,
    RepresentativeDeclaration,
    SettlementDeclaration,
    TaxDeclaration,
)
from affiliates.steps import (
    CONSENT_VERSION,
    CONSENTS,
    LICENCE,
    PROFILE,
    REPRESENTATIVE,
    SETTLEMENT,
    TAX,
    may_edit,
)
from portal.errors import DomainError
from portal.models import User


class StepClosed(DomainError):
    """This step can't be changed in the state that the case is in."""

    code = "step_closed"


class PersonalAlipay(DomainError):
    """Only enterprise Alipay accounts can be paid to (ONB-1)."""

    code = "personal_alipay"


class ChannelPlan(NamedTuple):
    """A channel as it is declared; `pk` None for a new one."""

    pk: int | None
    platform: str
    handle: str
    audience: int | None


@transaction.atomic
def save_profile(
    case: Case,
    *,
    by: User,
    at: datetime,
    name: str,
    kind: str,
    regions: Sequence[str] = (),
    categories: Sequence[str] = (),
    channels: Iterable[ChannelPlan] = (),
) -> Case:
    """Who the affiliate is and where it promotes. Channels that are left out are removed, unless they have PIDs.

    Locks the case, then the affiliate. Raises: StepClosed. Source: SPEC ONB-8.
    """
    case = _lock(case, PROFILE)
    affiliate = Affiliate.objects.select_for_update().get(pk=case.affiliate_id)
    affiliate.name, affiliate.kind = name, kind
    affiliate.regions, affiliate.categories = list(regions), list(categories)
    affiliate.save(update_fields=["name", "kind", "regions", "categories"])
    known = {channel.pk: channel for channel in affiliate.channels.all()}
    kept = set()
    taken = {channel.code for channel in known.values()}
    for plan in channels:
        channel = known.get(plan.pk) if plan.pk else None
        if channel is None:
            channel = Channel(affiliate=affiliate, code=_channel_code(plan.platform, taken))
            taken.add(channel.code)
        channel.platform, channel.handle, channel.audience = plan.platform, plan.handle, plan.audience
        channel.save()
        kept.add(channel.pk)
    affiliate.channels.exclude(pk__in=kept).filter(pids__isnull=True).delete()
    _saved(case, PROFILE, by=by, at=at)
    return case


def _channel_code(platform: str, taken: set[str]) -> str:
    """A code for a channel, which becomes part of its PIDs: the platform, with a number from the second on."""
    number = 1
    while (code := platform if number == 1 else f"{platform}{number}") in taken:
        number += 1
    return code


@transaction.atomic
def save_company(case: Case, *, by: User, at: datetime, **fields: Any) -> CompanyDeclaration:
    """The business licence's fields; the unified code is kept in capitals. Raises: StepClosed."""
    fields["uscc"] = normalised(fields["uscc"])
    return _save(CompanyDeclaration, case, LICENCE, by=by, at=at, **fields)


@transaction.atomic
def save_representative(case: Case, *, by: User, at: datetime, **fields: Any) -> RepresentativeDeclaration:
    """The ID card's fields. A passed liveness check for another name or number counts no more. Raises: StepClosed."""
    fields["id_number"] = normalised(fields["id_number"])
    return _save(RepresentativeDeclaration, case, REPRESENTATIVE, by=by, at=at, **fields)


@transaction.atomic
def save_settlement(case: Case, *, by: User, at: datetime, **fields: Any) -> SettlementDeclaration:
    """The account to be paid to; a change of it is announced to the owners. Raises: StepClosed, PersonalAlipay."""
    if fields["kind"] == AccountKind.ALIPAY:
        fields |= {"bank_name": "", "branch_name": "", "cnaps_code": ""}
        if fields.get("alipay_kind") != SettlementDeclaration.AlipayKind.ENTERPRISE:
            raise PersonalAlipay(
                _("Personal Alipay accounts can't be paid to. Give an enterprise account."),
                field="alipay_kind",
            )
    else:
        fields["alipay_kind"] = ""
    is_first = not SettlementDeclaration.objects.filter(case=case).exists()
    saved = _save(SettlementDeclaration, case, SETTLEMENT, by=by, at=at, **fields)
    if is_first and case.kind == Case.Kind.SETTLEMENT_CHANGE:
        notices.announce_account_request(case.affiliate, by=by, at=at)
    return saved


@transaction.atomic
def save_tax(case: Case, *, by: User, at: datetime, **fields: Any) -> TaxDeclaration:
    """The tax filing's fields; a registration covers no months. Raises: StepClosed."""
    fields["taxpayer_number"] = normalised(fields["taxpayer_number"])
    if fields["proof"] == TaxDeclaration.Proof.REGISTRATION:
        fields["first_month"] = fields["last_month"] = None
    return _save(TaxDeclaration, case, TAX, by=by, at=at, **fields)


@transaction.atomic
def give_consents(case: Case, *, kinds: Iterable[str], by: User, at: datetime) -> None:
    """Keep the consents given, in the wording in force; one given before is not given twice. Raises: StepClosed.

    Source: SPEC ONB-9.
    """
    case = _lock(case, CONSENTS)
    Consent.objects.bulk_create(
        [
            Consent(case=case, kind=kind, text_version=CONSENT_VERSION, given_by=by, given_at=at)
            for kind in kinds
            if kind in Consent.Kind.values
        ],
        ignore_conflicts=True,
    )
    _saved(case, CONSENTS, by=by, at=at)


def _save(model: Any, case: Case, step: str, *, by: User, at: datetime, **fields: Any) -> Any:
    case = _lock(case, step)
    saved, _created = model.objects.update_or_create(case=case, defaults=fields | {"saved_at": at})
    _saved(case, step, by=by, at=at)
    return saved


def _lock(case: Case, step: str) -> Case:
    locked = Case.objects.select_for_update(of=("self",)).select_related("affiliate").get(pk=case.pk)
    if not may_edit(locked, step):
        raise StepClosed(_("This step can't be changed now."))
    return locked


def _saved(case: Case, step: str, *, by: User, at: datetime) -> None:
    CaseEvent.objects.create(
        case=case,
        verb="save",
        state_before=case.state,
        state_after=case.state,
        by=by,
        at=at,
        data={"step": step},
        worked_seconds=case.worked_seconds,
    )
