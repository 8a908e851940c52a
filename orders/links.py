"""Making tracking links, and putting them away (ATTR-2, ONB-7).

`make_links` is the one way in: the builder, a file and the API ask for one link or many, each is made or refused by
itself, and what is said twice is made once. What a link leads to never changes afterwards.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate, Pid
from affiliates.pids import require_active
from orders.models import Link, Merchant, MerchantDomain
from orders.tracking.addresses import allowed_hosts
from orders.tracking.targets import check_target
from portal import audit
from portal.errors import DomainError
from portal.models import User

PROBATION_LINKS = 10
MAX_SUB_IDS = 5
MAX_TEXT = 100
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
UTM = ("utm_source", "utm_campaign", "utm_content", "utm_term")


class LinkLimitReached(DomainError):
    """An affiliate on probation asked for an eleventh link (ONB-7)."""

    code = "link_limit_reached"


class PidUnknown(DomainError):
    """The PID is none of this affiliate's; whether it is somebody else's isn't said."""

    code = "pid_unknown"


class PidIsFrozen(DomainError):
    """Clicks of a frozen PID never attribute, so a link with it would earn nothing (ATTR-4)."""

    code = "pid_frozen"


class MerchantInactive(DomainError):
    code = "merchant_inactive"


class BadText(DomainError):
    """A label, UTM value or sub-id that is too long or holds what no address may."""

    code = "bad_text"


class LinkExists(DomainError):
    """An archived link can't come back beside another that says the same."""

    code = "link_exists"


@dataclass(frozen=True)
class Wish:
    """A link that somebody asks for. `pid` is a PID's value."""

    target: str
    pid: str
    label: str = ""
    utm_source: str = ""
    utm_campaign: str = ""
    utm_content: str = ""
    utm_term: str = ""
    sub_ids: Sequence[str] = ()

    def cleaned(self) -> Wish:
        """The same without blanks around it and without empty sub-ids at the end.

        Raises: BadText.
        """
        texts = {name: self._text(name, getattr(self, name)) for name in ("label", *UTM)}
        subs = [self._text("sub_ids", sub) for sub in self.sub_ids]
        for name in ("target", "pid"):
            if UNSTORABLE.search(getattr(self, name)):
                raise BadText(_("This holds characters that can't be part of a link."), field=name)
        while subs and not subs[-1]:
            subs.pop()
        if len(subs) > MAX_SUB_IDS:
            raise BadText(_("A link carries at most five sub-ids."), field="sub_ids")
        return Wish(target=self.target.strip(), pid=self.pid.strip(), sub_ids=tuple(subs), **texts)

    @staticmethod
    def _text(name: str, value: str) -> str:
        value = value.strip()
        if len(value) > MAX_TEXT:
            raise BadText(_("Use at most 100 characters."), field=name)
        if CONTROL.search(value):
            raise BadText(_("This holds characters that can't be part of a link."), field=name)
        return value

    def fingerprint(self) -> str:
        """What the wish says, hashed: the same wish has the same, whoever asks when."""
        said = [self.target, self.pid, self.label, *(getattr(self, name) for name in UTM), *self.sub_ids]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of one wish: a link, newly made or known already, or the refusal."""

    link: Link | None = None
    made: bool = False
    refusal: DomainError | None = None


@dataclass
class _Ground:
    """What the wishes of one request are judged against, read once for all of them."""

    affiliate: Affiliate
    pids: dict[str, Pid]
    merchants: dict[str, Merchant]
    known: dict[str, Link]
    left: int | None  # how many more links a probation allows
    new: list[Link] = field(default_factory=list)


def host_of(url: str) -> str:
    """The host that `url` names, in lower case; empty where it names none. No judgement: `check_target` judges."""
    try:
        return (urlsplit(url.strip()).hostname or "").lower()
    except ValueError:
        return ""


def merchants_at(hosts: Iterable[str]) -> dict[str, Merchant]:
    """The merchant of each verified host among `hosts`. One query."""
    domains = MerchantDomain.objects.filter(host__in=set(hosts), verified_at__isnull=False)
    return {domain.host: domain.merchant for domain in domains.select_related("merchant")}


def check_merchant(url: str) -> Merchant:
    """The merchant that a link to `url` would work for.

    Raises: the refusals of `check_target`, BadText, MerchantInactive.
    Source: SPEC ATTR-2.
    """
    if UNSTORABLE.search(url):
        raise BadText(_("This holds characters that can't be part of a link."), field="target")
    return _merchant(url.strip(), merchants_at([host_of(url)]))


def _merchant(url: str, merchants: dict[str, Merchant]) -> Merchant:
    host = host_of(url)
    check_target(url, allowed_hosts({host} if host in merchants else ()))
    merchant = merchants[host]
    if merchant.status != Merchant.Status.ACTIVE:
        raise MerchantInactive(_("This merchant isn't taking part at the moment."), field="target")
    return merchant


def links_left(affiliate: Affiliate) -> int | None:
    """How many more links a probation allows; None where there is no limit. Archived ones count (ONB-7)."""
    return max(0, PROBATION_LINKS - affiliate.links.count()) if affiliate.on_probation else None


def make_link(affiliate: Affiliate, wish: Wish, *, by: User | None, at: datetime) -> Outcome:
    """Make one link, or find the one that says the same already.

    Raises: NotApproved, AffiliateSuspended, LinkLimitReached, PidUnknown, PidIsFrozen, BadText, MerchantInactive,
    the refusals of `check_target`.
    Source: SPEC ATTR-2, ONB-7.
    """
    [outcome] = make_links(affiliate, [wish], by=by, at=at)
    if outcome.refusal is not None:
        raise outcome.refusal
    return outcome


@transaction.atomic
def make_links(
    affiliate: Affiliate, wishes: Sequence[Wish], *, by: User | None, at: datetime
) -> list[Outcome]:
    """Make each wish that can be made, and say of each other why not, in the order given.

    Locks the affiliate's row: the ten links of a probation are ten however many ask at once, and a wish that is
    repeated finds the link that it made. The number of statements doesn't depend on the number of wishes.

    Raises: NotApproved, AffiliateSuspended.
    Source: SPEC ATTR-2, ONB-7.
    """
    locked = Affiliate.objects.select_for_update().get(pk=affiliate.pk)
    require_active(locked)
    read = [_read(wish) for wish in wishes]
    good = [wish for wish in read if isinstance(wish, Wish)]
    ground = _Ground(
        affiliate=locked,
        pids={pid.value: pid for pid in locked.pids.filter(value__in={wish.pid for wish in good})},
        merchants=merchants_at(host_of(wish.target) for wish in good),
        known={
            str(link.fingerprint): link
            for link in Link.objects.filter(
                affiliate=locked,
                archived_at__isnull=True,
                fingerprint__in={wish.fingerprint() for wish in good},
            ).select_related("pid", "merchant")
        },
        left=links_left(locked),
    )
    outcomes = [
        Outcome(refusal=wish) if isinstance(wish, DomainError) else _judge(wish, ground, by=by, at=at)
        for wish in read
    ]
    Link.objects.bulk_create(ground.new)
    if ground.new:
        audit.record("link.make", by=by, target=locked, at=at, links=len(ground.new))
    return outcomes


def _read(wish: Wish) -> Wish | DomainError:
    try:
        return wish.cleaned()
    except BadText as refusal:
        return refusal


def _judge(wish: Wish, ground: _Ground, *, by: User | None, at: datetime) -> Outcome:
    """What becomes of one wish; what is to be made is put down in `ground.new`."""
    fingerprint = wish.fingerprint()
    if fingerprint in ground.known:
        return Outcome(link=ground.known[fingerprint])
    try:
        merchant = _merchant(wish.target, ground.merchants)
        pid = _pid(wish.pid, ground.pids)
        if ground.left == 0:
            raise LinkLimitReached(
                _(
                    "Until your first promoted order is paid you can have ten links, archived ones included."
                    " The limit goes away by itself after that."
                )
            )
    except DomainError as refusal:
        return Outcome(refusal=refusal)
    link = Link(
        affiliate=ground.affiliate,
        pid=pid,
        merchant=merchant,
        target=wish.target,
        label=wish.label,
        sub_ids=list(wish.sub_ids),
        fingerprint=fingerprint,
        created_by=by,
        created_at=at,
        **{name: getattr(wish, name) for name in UTM},
    )
    ground.new.append(link)
    ground.known[fingerprint] = link
    if ground.left is not None:
        ground.left -= 1
    return Outcome(link=link, made=True)


def _pid(value: str, pids: dict[str, Pid]) -> Pid:
    pid = pids.get(value)
    if pid is None:
        message: Promise = _("This is none of your PIDs.") if value else _("Choose a PID.")
        raise PidUnknown(message, field="pid")
    if pid.frozen_at is not None:
        raise PidIsFrozen(_("This PID is frozen, its clicks don't count. Reactivate it first."), field="pid")
    return pid


# --- putting away ---------------------------------------------------------------------------------------------


@transaction.atomic
def archive_link(link: Link, *, by: User, at: datetime) -> bool:
    """Take `link` off the lists; it goes on redirecting and earning. Whether it was on them until now."""
    archived = bool(Link.objects.filter(pk=link.pk, archived_at__isnull=True).update(archived_at=at))
    if archived:
        audit.record("link.archive", by=by, target=link, at=at)
    return archived


@transaction.atomic
def restore_link(link: Link, *, by: User, at: datetime) -> bool:
    """Put an archived link back on the lists. Whether it was off them. Locks the affiliate's row.

    Raises: LinkExists.
    """
    Affiliate.objects.select_for_update().get(pk=link.affiliate_id)
    same = Link.objects.filter(
        affiliate=link.affiliate_id, fingerprint=link.fingerprint, archived_at__isnull=True
    )
    if link.fingerprint and same.exclude(pk=link.pk).exists():
        raise LinkExists(_("There is another link by now that says the same. Use that one."))
    restored = bool(Link.objects.filter(pk=link.pk, archived_at__isnull=False).update(archived_at=None))
    if restored:
        audit.record("link.restore", by=by, target=link, at=at)
    return restored


# --- reading --------------------------------------------------------------------------------------------------


def utm_preset(affiliate: Affiliate, pid: Pid | None = None) -> dict[str, str]:
    """The UTM values to begin with: those of the latest link with this PID, else of the latest link at all."""
    latest = Link.objects.filter(affiliate=affiliate).order_by("-pk")
    found = (latest.filter(pid=pid).first() if pid else None) or latest.first()
    return {name: getattr(found, name) if found else "" for name in UTM}
