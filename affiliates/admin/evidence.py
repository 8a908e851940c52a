"""What a reviewer looks at: the papers with their versions, and what was declared with the result of each check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from affiliates import masking
from affiliates.admin.chips import Chip, level_chip, verdict_chip
from affiliates.checks import MISMATCH, WARNING, Hint
from affiliates.models import Case, Document, LivenessCheck
from affiliates.refusals import Refusal, of_case, of_paper
from affiliates.steps import (
    CONSENTS,
    DECLARATION_OF,
    LICENCE,
    PAPERS_OF,
    PROFILE,
    REPRESENTATIVE,
    SETTLEMENT,
    TAX,
    TITLES,
    is_verified,
    steps_of,
)
from portal.templatetags.shell import when

_RANK = {MISMATCH: 0, WARNING: 1}
LANGUAGES = (("zh-hans", "中文"), ("en", "English"))


@dataclass
class Field:
    """One declared value. `number` names a number that is masked here and can be revealed for a reason."""

    subject: str
    label: str | Promise
    value: Any
    number: str = ""
    hints: list[tuple[Chip, Hint]] = field(default_factory=list)
    revealed: str = ""

    @property
    def rank(self) -> int:
        return min((_RANK.get(hint.level, 2) for _chip, hint in self.hints), default=3)


@dataclass
class Version:
    """One version of a paper, with its pages in order."""

    document: Document
    chip: Chip
    pages: list[Any]
    reason: Refusal | None


@dataclass
class Paper:
    """One paper of a case: its current version, those before it, latest first, and what its pictures show."""

    kind: str
    label: str | Promise
    current: Version | None
    earlier: list[Version]
    hints: list[tuple[Chip, Hint]]
    wordings: list[Wording] = field(default_factory=list)
    form: Any = None

    @property
    def html_id(self) -> str:
        return f"paper-{self.kind}"

    @property
    def chip_list(self) -> list[Chip]:
        return [self.current.chip] if self.current else []


@dataclass
class Step:
    key: str
    title: str | Promise
    fields: list[Field]
    papers: list[Paper]
    is_verified: bool = False
    liveness: LivenessCheck | None = None

    @property
    def html_id(self) -> str:
        return f"wb-step-{self.key}"


@dataclass(frozen=True)
class Wording:
    """A reason as the applicant will read it, in both languages: (language, its name, text, hint)."""

    code: str
    label: str
    texts: list[tuple[str, str, str, str]]


def wordings(refusals: Iterable[Refusal]) -> list[Wording]:
    found = []
    for refusal in refusals:
        texts = []
        for language, name in LANGUAGES:
            with translation.override(language):
                texts.append((language, name, str(refusal.text), str(refusal.hint)))
        found.append(Wording(refusal.code, str(refusal.text), texts))
    return found


def case_wordings() -> list[Wording]:
    return wordings(of_case())


def steps(case: Case, hints: list[Hint]) -> list[Step]:
    """The steps of a case with their fields, mismatches first, and their papers. A fixed number of queries."""
    versions = _versions(case)
    liveness = _liveness(case)
    found = []
    for key in steps_of(case):
        fields = list(_FIELDS[key](case))
        for one in fields:
            one.hints = [(level_chip(hint.level), hint) for hint in hints if hint.subject == one.subject]
        papers = (
            []
            if is_verified(case, key)
            else [_paper(kind, versions, hints) for kind in PAPERS_OF.get(key, ())]
        )
        found.append(
            Step(
                key,
                TITLES[key],
                sorted(fields, key=lambda one: one.rank),
                papers,
                is_verified=is_verified(case, key),
                liveness=liveness if key == REPRESENTATIVE else None,
            )
        )
    return found


def _versions(case: Case) -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {}
    documents = case.documents.select_related("decided_by", "uploaded_by").prefetch_related("pages")
    for document in documents.order_by("kind", "-version"):
        pages = sorted(document.pages.all(), key=lambda page: page.position)
        reason = next((one for one in of_paper(document.kind) if one.code == document.reason_code), None)
        found.setdefault(document.kind, []).append(Version(document, verdict_chip(document), pages, reason))
    return found


def _paper(kind: str, versions: dict[str, list[Version]], hints: list[Hint]) -> Paper:
    of_kind = versions.get(kind, [])
    current = next((one for one in of_kind if one.document.verdict != Document.Verdict.SUPERSEDED), None)
    return Paper(
        kind,
        Document.Kind(kind).label,
        current,
        [one for one in of_kind if one is not current],
        [(level_chip(hint.level), hint) for hint in hints if hint.subject == f"document.{kind}"],
        wordings(of_paper(kind)),
    )


def _liveness(case: Case) -> LivenessCheck | None:
    """The attempt that counts: the latest that was passed, else the latest."""
    attempts = list(case.liveness_checks.order_by("-started_at"))
    passed = [one for one in attempts if one.state == LivenessCheck.State.PASSED]
    return next(iter(passed or attempts), None)


# --- fields of each step ----------------------------------------------------------------------------------------


def _until(day: Any) -> str:
    return f"{day:%Y-%m-%d}" if day else gettext("long term")


def _declared(case: Case, key: str) -> Any:
    return getattr(case, DECLARATION_OF[key], None)


def _profile(case: Case) -> Iterator[Field]:
    affiliate = case.affiliate
    yield Field("profile.name", _("Name"), affiliate.name)
    yield Field("profile.kind", _("Type"), affiliate.get_kind_display())
    for channel in affiliate.channels.order_by("pk"):
        audience = (
            ""
            if channel.audience is None
            else gettext("audience %(count)s") % {"count": f"{channel.audience:,}"}
        )
        yield Field(
            "profile.channels", channel.get_platform_display(), f"{channel.handle} {audience}".strip()
        )
    yield Field("profile.regions", _("Target regions"), ", ".join(affiliate.regions) or "—")
    yield Field("profile.categories", _("Categories"), ", ".join(affiliate.categories) or "—")


def _licence(case: Case) -> Iterator[Field]:
    company = case.verified_company if is_verified(case, LICENCE) else _declared(case, LICENCE)
    if company is None:
        return
    verified = is_verified(case, LICENCE)
    yield Field("company.name", _("Company name"), company.name)
    yield Field("company.uscc", _("Unified social credit code"), company.uscc)
    yield Field("company.entity", _("Legal form"), company.get_entity_display())
    yield Field(
        "company.representative_name", _("Legal representative on the licence"), company.representative_name
    )
    if verified:
        yield Field("company.valid_until", _("Valid until"), _until(company.licence_valid_until))
        return
    yield Field("company.address", _("Registered address"), company.address or "—")
    yield Field("company.valid_until", _("Valid until"), _until(company.valid_until))


def _representative(case: Case) -> Iterator[Field]:
    if is_verified(case, REPRESENTATIVE):
        company = case.verified_company
        if company is not None:
            yield Field("representative.name", _("Name"), company.representative_name)
            yield Field(
                "representative.id_number",
                _("ID number"),
                masking.mask_id_number(company.representative_id_number),
            )
        return
    person = _declared(case, REPRESENTATIVE)
    if person is None:
        return
    yield Field("representative.name", _("Name"), person.name)
    yield Field(
        "representative.id_number",
        _("ID number"),
        masking.mask_id_number(person.id_number),
        number="id_number",
    )
    yield Field("representative.valid_until", _("Valid until"), _until(person.valid_until))


def _settlement(case: Case) -> Iterator[Field]:
    account = _declared(case, SETTLEMENT)
    if account is None:
        return
    yield Field("settlement.kind", _("Kind"), account.get_kind_display())
    yield Field("settlement.account_name", _("Account name"), account.account_name)
    yield Field(
        "settlement.account_number",
        _("Account number"),
        masking.mask_account(account.kind, account.account_number),
        number="account_number",
    )
    if account.alipay_kind:
        yield Field("settlement.alipay_kind", _("Alipay account"), account.get_alipay_kind_display())
        return
    yield Field(
        "settlement.bank_name", _("Bank"), f"{account.bank_name} {account.branch_name}".strip() or "—"
    )
    yield Field("settlement.cnaps_code", _("CNAPS code"), account.cnaps_code or "—")


def _tax(case: Case) -> Iterator[Field]:
    tax = _declared(case, TAX)
    if tax is None:
        return
    yield Field("tax.proof", _("Proof"), tax.get_proof_display())
    yield Field("tax.taxpayer_name", _("Taxpayer"), tax.taxpayer_name)
    yield Field("tax.taxpayer_number", _("Taxpayer number"), tax.taxpayer_number)
    if tax.first_month:
        months = f"{tax.first_month:%Y-%m} – {tax.last_month:%Y-%m}"
        yield Field("tax.first_month", _("Months covered"), months)


def _consents(case: Case) -> Iterator[Field]:
    for consent in case.consents.order_by("kind", "pk"):
        yield Field("consents", consent.get_kind_display(), when(consent.given_at))


_FIELDS = {
    PROFILE: _profile,
    LICENCE: _licence,
    REPRESENTATIVE: _representative,
    SETTLEMENT: _settlement,
    TAX: _tax,
    CONSENTS: _consents,
}
