"""`PRIVATE_STORAGE_URL` read as settings: a folder by default, a bucket if it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal.private_storage import image_sources, storage_settings

FULL = "s3://key:se%2Fcret@bucket/a/b?endpoint=https://s3.example:9000&region=cn-north-1&sse=AES256"


def test_without_an_address_it_is_a_folder_that_only_we_may_enter():
    entry = storage_settings("", Path("/var/private"))
    assert entry["BACKEND"] == "django.core.files.storage.FileSystemStorage"
    assert entry["OPTIONS"] == {
        "location": "/var/private",
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    }
    assert image_sources("") == []


def test_a_bucket_with_everything_said():
    options = storage_settings(FULL, Path())["OPTIONS"]
    assert options["bucket_name"] == "bucket"
    assert options["location"] == "a/b"
    assert (options["access_key"], options["secret_key"]) == ("key", "se/cret")
    assert options["endpoint_url"] == "https://s3.example:9000"
    assert options["region_name"] == "cn-north-1"
    assert options["object_parameters"] == {"ServerSideEncryption": "AES256"}
    assert (options["querystring_auth"], options["querystring_expire"]) == (True, 60)
    assert options["default_acl"] is None
    assert image_sources(FULL) == ["https://s3.example:9000"]


def test_a_bucket_at_amazon_takes_its_keys_from_where_the_machine_has_them():
    options = storage_settings("s3://My-Bucket", Path())["OPTIONS"]
    assert (options["bucket_name"], options["access_key"], options["endpoint_url"]) == (
        "My-Bucket",
        None,
        None,
    )
    assert image_sources("s3://b?region=eu-west-1") == [
        "https://b.s3.amazonaws.com",
        "https://b.s3.eu-west-1.amazonaws.com",
    ]


@pytest.mark.parametrize(
    "url", ["/srv/papers", "https://bucket", "s3://", "s3://bucket?public=yes", "s3://bucket?endpont=x"]
)
def test_an_address_that_means_nothing_to_us_is_refused(url):
    with pytest.raises(ImproperlyConfigured, match="PRIVATE_STORAGE_URL"):
        storage_settings(url, Path())
