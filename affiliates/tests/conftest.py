"""Private files of every test of this app lie in a folder of that test's own."""

from __future__ import annotations

import pytest

from affiliates.tests import storages


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path):
    storages.use_storage(settings, "", tmp_path / "private")


@pytest.fixture(scope="session")
def s3_server():
    with storages.s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "s3"])
def each_storage(request, settings, tmp_path) -> str:
    """The test runs once on the local folder and once on a server that speaks S3."""
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        storages.new_bucket(server)
        storages.use_storage(settings, storages.s3_url(server, prefix="/kept"), tmp_path)
    return request.param
