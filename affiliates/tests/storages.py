"""The private storage of a test: a folder of its own, or a bucket on a local server that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from portal.private_storage import storage_settings

BUCKET = "papers"


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of an S3 server that keeps its buckets in memory."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def s3_url(server: str, *, prefix: str = "") -> str:
    return f"s3://test:secret@{BUCKET}{prefix}?endpoint={server}&region=us-east-1"


def new_bucket(server: str) -> None:
    """An empty bucket that nobody may read without a signature."""
    client = boto3.client(
        "s3",
        endpoint_url=server,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="secret",
    )
    if BUCKET in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        for held in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=held["Key"])
    else:
        client.create_bucket(Bucket=BUCKET)


def use_storage(settings: Any, url: str, folder: Path) -> None:
    """Let the product keep its private files there. `settings` is pytest-django's fixture."""
    settings.STORAGES = {**settings.STORAGES, "private": storage_settings(url, folder)}
