"""Private files on both storages: random names, no public address, links that die in a minute (ONB-9)."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from botocore.auth import S3SigV4QueryAuth
from django.core.files.storage import storages
from django.urls import reverse
from django.utils import timezone

from affiliates.tests import pictures
from portal import private_files
from portal.tests.factories import make_user, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make_user("Alice")


def put(content: bytes = b"bytes", media_type: str = "image/png") -> str:
    return private_files.put(content, media_type=media_type)


def fetched(url: str, user) -> tuple[bytes, dict[str, str]]:
    """What a browser gets at a link: from us, or from the bucket without any session."""
    if url.startswith("http"):
        with urlopen(url) as answer:  # noqa: S310
            return answer.read(), {name.lower(): value for name, value in answer.headers.items()}
    response = signed_in(user).get(url)
    assert response.status_code == 200
    return response.content, {name.lower(): value for name, value in response.headers.items()}


# --- on both --------------------------------------------------------------------------------------------------


def test_what_is_put_is_read_again_and_gone_once_erased(each_storage):
    key = put(b"\x00\xff" * 1000)
    assert re.fullmatch(r"[0-9a-f]{2}/[0-9a-f]{40}", key)
    assert private_files.read(key) == b"\x00\xff" * 1000
    assert private_files.exists(key)
    private_files.erase(key)
    assert not private_files.exists(key)
    with pytest.raises(FileNotFoundError):
        private_files.read(key)
    private_files.erase(key)  # once more is no error


def test_the_same_bytes_twice_are_two_files_with_unlike_names(each_storage):
    assert put() != put()


def test_every_key_is_listed_with_its_age(each_storage):
    keys = {put() for _ in range(3)}
    assert set(private_files.held_keys()) == keys
    assert abs(private_files.kept_since(keys.pop()) - timezone.now()) < timedelta(minutes=1)


def test_an_empty_storage_holds_nothing(each_storage):
    assert list(private_files.held_keys()) == []


def test_a_link_shows_a_picture(each_storage, alice):
    content = pictures.png(size=(50, 50))
    url = private_files.link(put(content), media_type="image/png", to=alice, at=timezone.now())
    body, headers = fetched(url, alice)
    assert body == content
    assert headers["content-type"] == "image/png"
    assert headers["content-disposition"] == "inline"
    assert headers["cache-control"] == "private, no-store"


def test_a_link_with_a_name_saves_the_file(each_storage, alice):
    key = put(b"%PDF-1.4", "application/pdf")
    url = private_files.link(
        key, media_type="application/pdf", to=alice, at=timezone.now(), filename="case-1.pdf"
    )
    body, headers = fetched(url, alice)
    assert body == b"%PDF-1.4"
    assert headers["content-type"] == "application/pdf"
    assert headers["content-disposition"] == 'attachment; filename="case-1.pdf"'


def test_the_address_tells_neither_place_nor_owner(each_storage, alice):
    url = private_files.link(put(), media_type="image/png", to=alice, at=timezone.now())
    assert "alice" not in url.lower()
    assert "secret" not in url


def test_a_pdf_is_never_shown(each_storage, alice):
    key = put(b"%PDF-1.4", "application/pdf")
    with pytest.raises(ValueError, match="never shown"):
        private_files.link(key, media_type="application/pdf", to=alice, at=timezone.now())


@pytest.mark.parametrize("key", ["../../etc/passwd", "", "ab", "ab/" + "g" * 40, "/" + "a" * 42])
def test_there_are_no_links_to_other_names(each_storage, alice, key):
    with pytest.raises(ValueError, match="no link"):
        private_files.link(key, media_type="image/png", to=alice, at=timezone.now())


def test_nothing_but_pictures_and_pdfs_is_kept(each_storage):
    with pytest.raises(ValueError, match="text/html"):
        put(b"<script>", "text/html")


# --- the folder -----------------------------------------------------------------------------------------------


def test_the_folders_link_dies_after_sixty_seconds(alice, monkeypatch):
    made = timezone.now().replace(microsecond=0)
    url = private_files.link(put(), media_type="image/png", to=alice, at=made)
    browser = signed_in(alice)
    for seconds, status in ((0, 200), (59, 200), (60, 404), (61, 404), (86400, 404)):
        monkeypatch.setattr(timezone, "now", lambda at=made + timedelta(seconds=seconds): at)
        assert browser.get(url).status_code == status, seconds


def test_the_folders_link_is_no_good_to_anybody_else(alice, client):
    url = private_files.link(put(), media_type="image/png", to=alice, at=timezone.now())
    assert client.get(url).status_code == 404
    assert signed_in(make_user("Bob")).get(url).status_code == 404
    assert signed_in(alice).get(url).status_code == 200


def test_a_changed_link_is_not_found(alice):
    url = private_files.link(put(), media_type="image/png", to=alice, at=timezone.now())
    browser, at = signed_in(alice), url.index("=") + 8
    assert browser.get(url[:at] + ("A" if url[at] != "A" else "B") + url[at + 1 :]).status_code == 404
    assert browser.get(url[:-1]).status_code == 404
    for query in ({}, {"token": ""}, {"token": "a:b"}, {"token": "\0"}, {"token": "中"}):
        assert browser.get(reverse("private_file"), query).status_code == 404
    assert browser.post(url).status_code == 405


def test_a_link_to_what_is_erased_is_not_found(alice):
    key = put()
    url = private_files.link(key, media_type="image/png", to=alice, at=timezone.now())
    private_files.erase(key)
    assert signed_in(alice).get(url).status_code == 404


def test_the_folders_answer_is_neither_sniffed_nor_shared(alice):
    url = private_files.link(put(), media_type="image/png", to=alice, at=timezone.now())
    response = signed_in(alice).get(url)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


def test_nobody_else_on_the_machine_may_read_the_folder(tmp_path):
    held = tmp_path / "private" / put()
    assert held.stat().st_mode & 0o777 == 0o600
    assert held.parent.stat().st_mode & 0o777 == 0o700


def test_the_tokens_of_a_link_are_not_in_the_log(alice, caplog):
    url = private_files.link(put(), media_type="image/png", to=alice, at=timezone.now())
    with caplog.at_level("INFO", logger="portal.access"):
        signed_in(alice).get(url)
    assert "/private/" in caplog.text
    assert parse_qs(urlsplit(url).query)["token"][0] not in caplog.text


# --- S3 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each_storage", ["s3"], indirect=True)
def test_the_buckets_link_is_signed_for_sixty_seconds_with_all_that_it_says(each_storage, alice):
    """The signature covers the expiry, so the server that checks it lets nobody prolong it."""
    key = put()
    url = private_files.link(key, media_type="image/png", to=alice, at=timezone.now())
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert urlsplit(url).path == f"/papers/kept/{key}"
    assert asked["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert asked["X-Amz-Expires"] == "60"
    assert asked["response-content-disposition"] == "inline"
    assert signature_of(url) == asked["X-Amz-Signature"]
    assert signature_of(url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")) != asked["X-Amz-Signature"]


def signature_of(url: str) -> str:
    """The signature that AWS's rules (SigV4, query) give the address with the test's secret."""
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    parts = urlsplit(url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    del asked["X-Amz-Signature"]
    auth = S3SigV4QueryAuth(Credentials("test", "secret"), "s3", "us-east-1")
    request = AWSRequest("GET", f"{parts.scheme}://{parts.netloc}{parts.path}", params=asked)
    request.context["timestamp"] = asked["X-Amz-Date"]
    request.headers["host"] = parts.netloc
    canonical = auth.canonical_request(request)
    return auth.signature(auth.string_to_sign(request, canonical), request)


@pytest.mark.parametrize("each_storage", ["s3"], indirect=True)
def test_the_storage_is_asked_for_private_objects(each_storage):
    held = storages["private"]
    key = put()
    grants = held.bucket.Object(f"kept/{key}").Acl().grants
    assert {grant["Grantee"].get("URI") for grant in grants} == {None}
    assert held.bucket.Object(f"kept/{key}").content_type == "image/png"
