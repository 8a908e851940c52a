"""Files that are nobody's but ours: papers and faces, in a storage without public addresses (ONB-9).

The storage is django-storages' or Django's own, chosen by `PRIVATE_STORAGE_URL`: a folder under `VAR_DIR`, or a
bucket that speaks S3. Names are random and say nothing. A browser gets at the bytes only by a link that dies within
`LINK_SECONDS`: for S3 one that the storage itself checks, for the folder one that `portal.private_views` checks. Who
may have a link, and the audit row about it, is the business of whoever asks for one (`affiliates.papers`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core import signing
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.urls import reverse
from django.utils.http import content_disposition_header

from portal.models import User
from portal.private_storage import LINK_SECONDS

SALT = "portal.private_files"
KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{40}")
# Of what is kept; nothing else is ever sent to a browser.
MEDIA_TYPES = ("image/jpeg", "image/png", "application/pdf")


class Grant(NamedTuple):
    """What a link of the local folder allows: this file, as that type, to that person, until then."""

    key: str
    media_type: str
    # Not empty: it is saved under this name, never shown.
    filename: str
    user_id: int


class BadLink(Exception):
    """The link is not ours, not this person's, or too old."""


def storage() -> Storage:
    return storages["private"]


def put(content: bytes, *, media_type: str) -> str:
    """Keep `content` and return its key. What is rolled back later is found by `affiliates.retention`."""
    if media_type not in MEDIA_TYPES:
        raise ValueError(f"{media_type} is nothing that is kept")
    name = secrets.token_hex(21)
    key = f"{name[:2]}/{name[2:]}"
    file = ContentFile(content)
    file.content_type = media_type  # type: ignore[attr-defined]  # what S3Storage asks for
    kept = storage().save(key, file)
    if kept != key:
        raise RuntimeError("the private storage chose another name")
    return key


def read(key: str) -> bytes:
    """The bytes kept under `key`. Raises: FileNotFoundError."""
    with storage().open(key) as file:
        return file.read()


def exists(key: str) -> bool:
    return storage().exists(key)


def erase(key: str) -> None:
    """Remove the bytes for good; what is gone already is no error."""
    storage().delete(key)


def held_keys() -> Iterator[str]:
    """Every key that the storage holds."""
    held = storage()
    try:
        folders, _files = held.listdir("")
    except FileNotFoundError:
        return
    for folder in sorted(folders):
        for name in sorted(held.listdir(folder)[1]):
            key = f"{folder}/{name}"
            if KEY.fullmatch(key):
                yield key


def kept_since(key: str) -> datetime:
    return storage().get_modified_time(key)


def link(key: str, *, media_type: str, to: User, at: datetime, filename: str = "") -> str:
    """An address of the bytes for the next `LINK_SECONDS`; with `filename` they are saved, never shown.

    The folder's link is good for the person it was made for alone; one of S3 for whoever holds it.
    """
    held = storage()
    if not KEY.fullmatch(key) or media_type not in MEDIA_TYPES:
        raise ValueError("no link to that")
    if media_type == "application/pdf" and not filename:
        raise ValueError("a PDF is saved, never shown")
    if hasattr(held, "bucket_name"):
        disposition = content_disposition_header(bool(filename), filename) or "inline"
        wanted = {
            "ResponseContentType": media_type,
            "ResponseContentDisposition": disposition,
            "ResponseCacheControl": "private, no-store",
        }
        return held.url(key, parameters=wanted, expire=LINK_SECONDS)  # type: ignore[call-arg]
    until = int((at + timedelta(seconds=LINK_SECONDS)).timestamp())
    token = signing.Signer(salt=SALT).sign_object([key, media_type, filename, to.pk, until], compress=True)
    # In the query, which no log line has.
    return f"{reverse('private_file')}?{urlencode({'token': token})}"


def grant(token: str, *, to: User | Any, at: datetime) -> Grant:
    """What the folder's link `token` allows the person `to` at `at`. Raises: BadLink."""
    try:
        key, media_type, filename, user_id, until = signing.Signer(salt=SALT).unsign_object(token)
    except (signing.BadSignature, ValueError) as error:
        raise BadLink("not signed by us") from error
    if at.timestamp() >= until:
        raise BadLink("too old")
    if user_id != to.pk:
        raise BadLink("somebody else's")
    return Grant(key, media_type, filename, user_id)
