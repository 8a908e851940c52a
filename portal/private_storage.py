"""Where private files are kept, read from `PRIVATE_STORAGE_URL` when the settings are loaded (ONB-9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

# How long a link to a private file lives, wherever it is kept.
LINK_SECONDS = 60


def storage_settings(url: str, folder: Path) -> dict[str, Any]:
    """An entry of `STORAGES` for `PRIVATE_STORAGE_URL`.

    Empty: `folder`. `s3://key:secret@bucket/prefix?endpoint=https://…&region=…&sse=AES256`: a bucket; without a key
    the credentials come from where boto3 looks for them. Raises: ImproperlyConfigured.
    """
    if not url:
        options = {
            "location": str(folder),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        }
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    parts = urlsplit(url)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme != "s3" or not parts.hostname or set(asked) - {"endpoint", "region", "sse"}:
        raise ImproperlyConfigured(
            "PRIVATE_STORAGE_URL takes s3://key:secret@bucket/prefix?endpoint=…&region=…&sse=…"
        )
    options = {
        "bucket_name": parts.netloc.rpartition("@")[2],
        "location": parts.path.strip("/"),
        "access_key": unquote(parts.username) if parts.username else None,
        "secret_key": unquote(parts.password) if parts.password else None,
        "endpoint_url": asked.get("endpoint"),
        "region_name": asked.get("region", "us-east-1"),
        "addressing_style": "path" if "endpoint" in asked else "auto",
        "signature_version": "s3v4",
        "default_acl": None,
        "querystring_auth": True,
        "querystring_expire": LINK_SECONDS,
        # Names are random, so nothing is overwritten; asking first would cost a round trip.
        "file_overwrite": True,
        "object_parameters": {"ServerSideEncryption": asked["sse"]} if "sse" in asked else {},
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


def image_sources(url: str) -> list[str]:
    """What `img-src` must allow besides ourselves: the bucket's host, where there is one."""
    if not url:
        return []
    options = storage_settings(url, Path())["OPTIONS"]
    if options["endpoint_url"]:
        parts = urlsplit(options["endpoint_url"])
        return [f"{parts.scheme}://{parts.netloc}"]
    bucket, region = options["bucket_name"], options["region_name"]
    return [f"https://{bucket}.s3.amazonaws.com", f"https://{bucket}.s3.{region}.amazonaws.com"]
