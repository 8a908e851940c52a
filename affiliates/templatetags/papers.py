"""`{% load papers %}`: the upload field of one paper, page images, and masked numbers."""

from __future__ import annotations

from typing import Any

from django import template

from affiliates import masking
from affiliates.models import Case, DocumentPage
from affiliates.paper_fields import paper_field as build

register = template.Library()


@register.inclusion_tag("affiliates/paper_field.html", takes_context=True)
def paper_field(context: dict[str, Any], case: Case, kind: str, next_url: str = "") -> dict[str, Any]:
    """`{% paper_field case "id_front" %}`: shows the paper's pages and takes files. Not inside another form.

    `next_url` is where a browser without JavaScript goes on; the page itself if it isn't given.
    The page loads `css/papers.css` and `js/uploads.js`.
    """
    request = context["request"]
    return {
        "field": build(case, kind, user=request.user),
        "next_url": next_url or request.get_full_path(),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("affiliates/paper_image.html")
def paper_image(page: DocumentPage, alt: str = "") -> dict[str, Any]:
    """`{% paper_image page %}`: the page as it is turned. Looking at it leaves a row in the case's access log."""
    return {"page": page, "alt": alt}


register.filter("masked_id", masking.mask_id_number)
register.filter("masked_name", masking.mask_name)


@register.filter
def masked_account(account: Any) -> str:
    """The number of a settlement declaration or account, masked by its kind."""
    return masking.mask_account(account.kind, account.account_number)
