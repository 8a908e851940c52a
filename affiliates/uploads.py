"""Keeps an upload from filling the disk before anybody has judged it (ONB-2).

Django writes every file of a request to the disk first. This handler, the first in `FILE_UPLOAD_HANDLERS`, lets no
more of a file through than shows that it is too large, and refuses a request that can't be an upload of ours.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

from affiliates import images

# Twenty files of the largest size, and the rest of the form.
MAX_REQUEST = (images.MAX_PAGES * images.MAX_BYTES) + 1024 * 1024


class LimitedUploadHandler(FileUploadHandler):
    """Passes on at most `MAX_BYTES` and a chunk of each file; then its size says that it is too large."""

    def handle_raw_input(self, input_data: Any, *args: Any, **kwargs: Any) -> None:
        _meta, content_length, *_rest = args
        if content_length > MAX_REQUEST:
            raise RequestDataTooBig("The request is larger than any upload of papers may be.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        return raw_data if start <= images.MAX_BYTES else None

    def file_complete(self, file_size: int) -> None:
        """Nothing: the handlers behind this one make the file."""
