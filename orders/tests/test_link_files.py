"""Links by the file: what is read, what is refused, what is kept (ATTR-2, ONB-7)."""

from __future__ import annotations

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django.utils.translation import override

from affiliates.models import Affiliate
from affiliates.pids import NotApproved
from affiliates.tests.factories import make_affiliate, make_pid
from affiliates.tests.pages import member_of
from orders import link_files
from orders.link_files import BadFile, read_rows, take_in
from orders.models import Link, LinkUpload, MerchantDomain
from orders.tests.factories import NOON, make_merchant
from orders.tracking.addresses import link_url
from portal.testing.pages import table, text
from portal.tests.factories import make_user, speaking

BASE = "/affiliate/alice/links/upload/"
P = "mm_alice_blog_top"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def pid(db):
    merchant = make_merchant()
    MerchantDomain.objects.create(merchant=merchant, host="shop.example", verified_at=NOON)
    return make_pid(make_affiliate("alice"))


@pytest.fixture
def alice(pid):
    return member_of(pid.affiliate)


def send(client, content: bytes, name: str = "links.csv", **options):
    return client.post(BASE, {"file": SimpleUploadedFile(name, content, "text/csv")}, **options)


# --- reading --------------------------------------------------------------------------------------------------

TEXT = "target,pid,label\nhttps://shop.example/1,mm_a_b_c,手机壳\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("gb18030"),
        TEXT.encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode("utf-16"),
        ("\n\n" + TEXT.replace("target,pid", " Target ,PID") + ",,\n\n").encode(),
    ],
)
def test_files_as_spreadsheets_save_them_are_read(content):
    [row] = read_rows(content)
    assert row.cells == {"target": "https://shop.example/1", "pid": "mm_a_b_c", "label": "手机壳"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no rows"),
        (b"target,pid\n", "no rows"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no text file"),
        (b"\xff\xfe\x00", "no text file"),
        (b"target,pid\n\x81", "no text file"),
        (b"target,label\nx,y", "Missing columns: pid."),
        (b"target,pid,colour\nx,y,z", "Unknown columns: colour."),
        (b"target,pid,,label\nx,y,z,a", "Unknown columns: ?."),
        (b"target,pid,PID\nx,y,z", "appear twice: pid."),
        (b'target,pid\n"x,y\n', "line 2"),
        (b'target,pid\n"' + b"x" * 200_000 + b'",y\n', "line 2"),
        (b"x" * (link_files.MAX_BYTES + 1), "larger than 5 MB"),
        (b"target,pid\n" + b"x,y\n" * (link_files.MAX_ROWS + 1), "more than 5,000 rows"),
    ],
)
def test_files_whose_rows_can_not_be_told_apart_are_refused(content, words):
    with pytest.raises(BadFile) as refusal, override("en"):
        read_rows(content)
    with override("en"):
        assert words in str(refusal.value.message)
    assert refusal.value.field == "file"


def test_exactly_five_thousand_rows_are_taken():
    assert len(read_rows(b"target,pid\n" + b"x,y\n" * link_files.MAX_ROWS)) == 5000


# --- taking in ------------------------------------------------------------------------------------------------

MIXED = f"""target,pid,label,sub1
https://shop.example/1,{P},=1+1,a
https://evil.example/1,{P},,
https://shop.example/1,{P},=1+1,a
https://shop.example/2,mm_bob_x_y,,
https://shop.example/3,{P},,,too,many

https://shop.example/4,{P},"two
lines",
https://shop.example/5
"""


def outcomes(upload: LinkUpload) -> list[tuple[int, str, str, str]]:
    return [(row["line"], row["status"], row.get("code", ""), row.get("field", "")) for row in upload.rows]


def test_good_rows_are_made_and_bad_ones_say_why(pid):
    upload = take_in(pid.affiliate, file_name="a.csv", content=MIXED.encode(), by=make_user(), at=NOON)
    assert outcomes(upload) == [
        (2, "made", "", ""),
        (3, "refused", "host_not_verified", "target"),
        (4, "known", "", ""),
        (5, "refused", "pid_unknown", "pid"),
        (6, "refused", "bad_row", ""),
        (9, "refused", "bad_text", "label"),
        (10, "refused", "pid_unknown", "pid"),
    ]
    assert [link.label for link in Link.objects.all()] == ["=1+1"]
    again = take_in(pid.affiliate, file_name="a.csv", content=MIXED.encode(), by=make_user("B"), at=NOON)
    assert [row["status"] for row in again.rows[:3]] == ["known", "refused", "known"]
    assert Link.objects.count() == 1


def test_a_file_beyond_the_probation_is_made_up_to_the_tenth(pid):
    Affiliate.objects.update(unlocked_at=None)
    content = "target,pid\n" + "".join(f"https://shop.example/{n},{P}\n" for n in range(12))
    upload = take_in(pid.affiliate, file_name="a.csv", content=content.encode(), by=make_user(), at=NOON)
    assert [row["status"] for row in upload.rows] == ["made"] * 10 + ["refused"] * 2
    assert Link.objects.count() == 10


def test_who_is_not_approved_keeps_nothing(pid):
    Affiliate.objects.update(approved_at=None)
    with pytest.raises(NotApproved):
        take_in(pid.affiliate, file_name="a.csv", content=MIXED.encode(), by=make_user(), at=NOON)
    assert not LinkUpload.objects.exists()
    assert not Link.objects.exists()


def test_a_large_file_costs_no_more_statements(pid, django_assert_max_num_queries):
    content = "target,pid\n" + "".join(f"https://shop.example/{n},{P}\n" for n in range(1000))
    by = make_user()
    with django_assert_max_num_queries(14):
        take_in(pid.affiliate, file_name="a.csv", content=content.encode(), by=by, at=NOON)
    assert Link.objects.count() == 1000


# --- the pages ------------------------------------------------------------------------------------------------


def test_a_file_is_uploaded_reported_and_downloaded(pid, alice):
    page = send(alice, MIXED.encode(), "双11 <b>.csv", follow=True)
    upload = LinkUpload.objects.get()
    assert page.redirect_chain == [(f"{BASE}{upload.public_id}/", 302)]
    assert "双11 <b>.csv" in text(page)
    assert "All rows 7 Made 1 Known already 1 Refused 5" in text(page)
    rows = table(page)
    url = link_url(Link.objects.get())
    assert rows[0] == ["2", f"made {url}", "https://shop.example/1", P, "=1+1"]
    assert rows[1][1].startswith("refused target : The host of this page isn't a verified domain")
    assert len(table(alice.get(f"{BASE}{upload.public_id}/?status=refused"))) == 5
    result = alice.get(f"{BASE}{upload.public_id}/result.csv")
    lines = list(csv.reader(io.StringIO(b"".join(result.streaming_content).decode("utf-8-sig"))))
    assert lines[0][:5] == ["Line", "Outcome", "Short link", "Reason", "Message"]
    assert lines[1][:8] == ["2", "made", url, "", "", "https://shop.example/1", P, "'=1+1"]
    assert lines[2][1:4] == ["refused", "", "host_not_verified"]
    assert len(lines) == 8


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2", b"\x00\x01"])
def test_a_bad_file_is_explained_on_the_page_and_nothing_is_kept(alice, content):
    page = send(alice, content)
    assert page.status_code == 200
    assert page.context["form"].errors["file"]
    assert not LinkUpload.objects.exists()


def test_no_file_at_all_is_explained(alice):
    assert "Choose a file first." in text(alice.post(BASE, {}))
    assert "Choose a file first." in text(alice.post(BASE, {"file": "no upload"}))


def test_strangers_find_nothing(pid, alice):
    send(alice, MIXED.encode())
    upload = LinkUpload.objects.get()
    bob = member_of(make_affiliate("bob"), "Bob")
    for path in ("", "template.csv", f"{upload.public_id}/", f"{upload.public_id}/result.csv"):
        assert alice.get(BASE + path).status_code == 200
        assert bob.get(BASE + path).status_code == 404
        assert bob.get(BASE.replace("alice", "bob") + path).status_code == (404 if "-" in path else 200)
        assert speaking("en").get(BASE + path).status_code == 302
    assert send(bob, MIXED.encode()).status_code == 404
    assert LinkUpload.objects.count() == 1


def test_the_template_is_a_file_that_is_taken(pid, alice):
    content = b"".join(alice.get(f"{BASE}template.csv").streaming_content)
    [row] = read_rows(content)
    assert set(row.cells) == set(link_files.COLUMNS)
    assert row.cells["pid"] == P


def test_a_long_report_is_paged(pid, alice):
    content = "target,pid\n" + "".join(f"https://shop.example/{n},{P}\n" for n in range(130))
    page = send(alice, content.encode(), follow=True)
    assert len(table(page)) == 100
    assert len(table(alice.get(page.redirect_chain[0][0] + "?page=2"))) == 30
