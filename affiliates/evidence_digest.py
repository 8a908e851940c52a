"""What a decision is bound to: one digest over everything that an applicant has provided (ONB-4).

The second reviewer must decide on exactly what the first one saw. Both decisions keep this digest, and a constraint
of the database holds them equal.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.utils.crypto import salted_hmac

from affiliates.identifiers import normalised
from affiliates.models import Case
from affiliates.steps import DECLARATION_OF, current_papers

_NOT_EVIDENCE = {"id", "case", "saved_at"}


def digest(case: Case) -> str:
    """SHA-256 of the case's evidence as it is now, as hexadecimal text. A fixed number of queries."""
    affiliate = case.affiliate
    evidence: dict[str, Any] = {
        "kind": case.kind,
        "verified_company": case.verified_company_id,
        "profile": [affiliate.name, affiliate.kind, affiliate.regions, affiliate.categories],
        "channels": list(affiliate.channels.order_by("pk").values_list("platform", "handle", "audience")),
        "papers": [
            [document.kind, document.version, document.sha256]
            for document in sorted(current_papers(case).values(), key=lambda document: document.kind)
        ],
        "liveness": list(
            case.liveness_checks.order_by("pk").values_list(
                "reference", "state", "subject_digest", "frame_sha256"
            )
        ),
        "consents": list(case.consents.order_by("kind", "text_version").values_list("kind", "text_version")),
    }
    for name in DECLARATION_OF.values():
        declared = type(case)._meta.get_field(name).related_model._default_manager.filter(case=case).first()  # type: ignore[union-attr]
        evidence[name] = declared and {
            field.name: str(field.value_from_object(declared))
            for field in declared._meta.concrete_fields
            if field.name not in _NOT_EVIDENCE
        }
    text = json.dumps(evidence, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def subject_digest(name: str, id_number: str) -> str:
    """Of the person whom a liveness check was made for: another name or number needs another check."""
    subject = f"{normalised(name)}\0{normalised(id_number)}"
    # Keyed: ID numbers are few enough to be tried one by one.
    return salted_hmac("affiliates.liveness", subject, algorithm="sha256").hexdigest()
