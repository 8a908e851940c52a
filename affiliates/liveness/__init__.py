"""The liveness check: is the person before the camera alive, and the one on the ID card? (ONB-1)

A vendor decides; we ask it server to server and believe nothing that a browser brings. `start` sends the person to
the vendor's page, `finish` fetches the result once they are back, or once somebody asks again. The vendor is chosen
by settings: Aliyun, or in demo mode a local simulator that speaks Aliyun's protocol.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from affiliates.cases import evidence_changed
from affiliates.evidence_digest import subject_digest
from affiliates.liveness import aliyun
from affiliates.liveness.aliyun import VendorUnavailable
from affiliates.models import Case, Consent, LivenessCheck
from affiliates.steps import CONSENT_VERSION, REPRESENTATIVE, may_edit
from portal import audit, private_files
from portal.errors import DomainError
from portal.models import User

VALID_FOR = timedelta(minutes=30)
"""How long a check that was started may take."""
DAILY_LIMIT = 10

__all__ = ["ConsentNeeded", "NotNow", "PersonNeeded", "TooManyChecks", "VendorUnavailable", "finish", "start"]


class PersonNeeded(DomainError):
    """The name and the ID number must be saved first."""

    code = "representative_needed"


class ConsentNeeded(DomainError):
    """No face is looked at without a consent of its own (ONB-9)."""

    code = "face_consent_needed"


class NotNow(DomainError):
    code = "liveness_not_possible_now"


class TooManyChecks(DomainError):
    code = "too_many_liveness_checks"
    status = 429


def start(case: Case, *, by: User, at: datetime, return_url: str) -> str:
    """Begin a check of the case's legal representative; returns the address of the vendor's page.

    Raises: NotNow, PersonNeeded, ConsentNeeded, TooManyChecks, VendorUnavailable.
    """
    if not may_edit(case, REPRESENTATIVE):
        raise NotNow(_("This step can't be changed now."))
    person = getattr(case, "representative", None)
    if person is None:
        raise PersonNeeded(_("Save the name and the ID number first."))
    if not case.consents.filter(kind=Consent.Kind.FACE, text_version=CONSENT_VERSION).exists():
        raise ConsentNeeded(_("Give your consent to the use of the face first."))
    if case.liveness_checks.filter(started_at__gt=at - timedelta(days=1)).count() >= DAILY_LIMIT:
        raise TooManyChecks(_("Too many attempts today. Try again tomorrow."))
    started = aliyun.client().start(name=person.name, id_number=person.id_number, return_url=return_url)
    with transaction.atomic():
        check = LivenessCheck.objects.create(
            case=case,
            vendor=aliyun.client().vendor,
            reference=started.reference,
            subject_digest=subject_digest(person.name, person.id_number),
            started_by=by,
            started_at=at,
        )
        audit.record("liveness.start", by=by, target=case, at=at, check=check.pk)
    return started.url


def finish(check: LivenessCheck, *, at: datetime) -> LivenessCheck:
    """Ask the vendor for the result and keep it; a check that isn't finished stays as it is until it expires.

    Repeatable: what is finished stays. Locks the case, then the check. Raises: VendorUnavailable.
    """
    if check.state != LivenessCheck.State.STARTED:
        return check
    result = aliyun.client().result(check.reference)
    frame_key = ""
    if result.frame:
        frame_key = private_files.put(result.frame, media_type="image/jpeg")
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=check.case_id)
        check = LivenessCheck.objects.select_for_update().get(pk=check.pk)
        if check.state != LivenessCheck.State.STARTED:
            return check
        if result.passed is None:
            if at - check.started_at <= VALID_FOR:
                return check
            check.state, check.failure = LivenessCheck.State.EXPIRED, "timeout"
        else:
            check.state = LivenessCheck.State.PASSED if result.passed else LivenessCheck.State.FAILED
            check.failure = result.code
        check.finished_at = at
        check.frame_key = frame_key
        check.frame_sha256 = hashlib.sha256(result.frame).hexdigest() if result.frame else ""
        check.save()
        evidence_changed(case, by=check.started_by, at=at)
        audit.record(
            "liveness.finish",
            by=None,
            target=case,
            at=at,
            check=check.pk,
            state=check.state,
            code=check.failure,
        )
    return check
