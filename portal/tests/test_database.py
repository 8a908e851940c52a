"""The embedded server: many at once, a kill of everything, a pid that is somebody else's by now, a long path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from portal.database import LONGEST_SOCKET_DIRECTORY, DatabaseUnavailable, EmbeddedServer
from portal.testing.processes import ROOT, environment, kill_all

pytestmark = pytest.mark.slow

STARTER = "import sys; from pathlib import Path; from portal.database import EmbeddedServer; "
STARTER += "EmbeddedServer(Path(sys.argv[1]), durable=False).ensure_running()"


@pytest.fixture
def server(tmp_path: Path):
    found = EmbeddedServer(tmp_path / "postgres")
    yield found
    found.remove()


def postmaster(server: EmbeddedServer) -> psutil.Process:
    return psutil.Process(int((server.data / "postmaster.pid").read_text().splitlines()[0]))


def ask(server: EmbeddedServer, question: str) -> object:
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def write(server: EmbeddedServer, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement)


def test_five_processes_that_start_it_at_once_share_one_server(server):
    programs = [
        subprocess.Popen([sys.executable, "-c", STARTER, str(server.data)], cwd=ROOT, env=environment())
        for _ in range(5)
    ]
    assert [program.wait(120) for program in programs] == [0] * 5
    servers = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "postgres" and str(server.data) in (process.info["cmdline"] or [])
    ]
    assert [process.pid for process in servers] == [postmaster(server).pid]
    assert server.ensure_running() is False


def test_what_was_committed_survives_a_kill_of_every_process_of_the_server(server):
    server.ensure_running()
    write(server, "CREATE TABLE kept (value integer)")
    write(server, "INSERT INTO kept VALUES (42)")
    first = postmaster(server)
    kill_all([first, *first.children(recursive=True)])
    assert server.ensure_running() is True
    assert postmaster(server).pid != first.pid
    assert ask(server, "SELECT value FROM kept") == 42


def test_a_pid_that_belongs_to_another_program_by_now_does_not_stop_the_start(server):
    server.ensure_running()
    first = postmaster(server)
    kill_all([first, *first.children(recursive=True)])
    psutil.wait_procs([first], timeout=10)
    path = server.data / "postmaster.pid"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert server.ensure_running() is True
    assert ask(server, "SELECT 1") == 1


def test_a_start_that_was_killed_half_way_leaves_nothing_in_the_way(server):
    making = server.data.with_name("postgres.making")
    making.mkdir()
    (making / "PG_VERSION").write_text("18\n")
    assert server.ensure_running() is True
    assert not making.exists()


def test_a_path_too_long_for_a_socket_gets_one_elsewhere(tmp_path):
    data = tmp_path / ("long" * 30) / "with a space" / "postgres"
    assert len(str(data)) > LONGEST_SOCKET_DIRECTORY
    server = EmbeddedServer(data, durable=False)
    try:
        server.ensure_running()
        assert server.socket_directory != data
        assert ask(server, "SHOW unix_socket_directories") == str(server.socket_directory)
    finally:
        server.remove()


def test_a_folder_with_somebody_elses_files_is_not_touched(server):
    server.data.mkdir()
    (server.data / "diary.txt").write_text("mine")
    with pytest.raises(DatabaseUnavailable, match="holds something that is no database"):
        server.ensure_running()
    assert (server.data / "diary.txt").read_text() == "mine"


def test_it_stays_for_whoever_is_connected_and_goes_when_nobody_is(server):
    server.ensure_running()
    with psycopg.connect(server.url):
        server.stop_if_idle()
        assert ask(server, "SELECT 1") == 1
    process = postmaster(server)
    server.stop_if_idle()
    psutil.wait_procs([process], timeout=10)
    assert not (server.data / "postmaster.pid").exists()


def test_a_durable_server_forgets_nothing_in_a_power_cut(tmp_path):
    server = EmbeddedServer(tmp_path / "postgres")
    try:
        server.ensure_running()
        assert [
            ask(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")
        ] == ["on"] * 3
    finally:
        server.remove()
