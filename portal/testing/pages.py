"""Reading pages in tests: what they say, row by row and page by page."""

from __future__ import annotations

import re
from html import unescape

from django.http import HttpResponse


def text(response: HttpResponse, *, status: int = 200) -> str:
    """What a page's main part says, tags and repeated blanks gone."""
    assert response.status_code == status, response.status_code
    body = "<main" + response.content.decode().partition("<main")[2].partition("</main>")[0]
    body = re.sub(r"<script.*?</script>", " ", body, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body))).strip()


def table(response: HttpResponse, index: int = 0, part: str = "tbody") -> list[list[str]]:
    """The cells of one part of the page's table number `index`, row by row."""
    parts = re.findall(rf"<{part}>(.*?)</{part}>", response.content.decode(), flags=re.S)
    rows = re.findall(r"<tr.*?>(.*?)</tr>", parts[index], flags=re.S)
    return [
        [
            re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", cell))).strip()
            for cell in re.findall(r"<t[hd](?:\s[^>]*)?>(.*?)</t[hd]>", row, flags=re.S)
        ]
        for row in rows
    ]


def next_page(response: HttpResponse) -> str:
    """Where the page's link to older rows leads; empty on the last page."""
    found = re.search(r'href="(\?[^"]*)" rel="next"', response.content.decode())
    return response.request["PATH_INFO"] + unescape(found.group(1)) if found else ""
