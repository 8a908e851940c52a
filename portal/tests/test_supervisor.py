"""`manage.py serve` as a person runs it: it starts everything, mends what breaks, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from portal.testing.house import House, new_folder
from portal.testing.processes import free_port, kill_all, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One for all tests here: collecting the static files is what takes long. Every start is one after a stop."""
    with new_folder() as made:
        yield made


@pytest.fixture
def house(folder: Path) -> Iterator[House]:
    found = House(folder)
    found.log.unlink(missing_ok=True)
    yield found
    if found.process is not None and not found.ended():
        found.end(signal.SIGTERM)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stops_cleanly_and_takes_everything_with_it(house, number):
    house.start()
    assert house.ask("/healthz") == 200
    processes, postmaster = house.processes(), psutil.Process(house.postmaster())
    assert len(processes) >= 5, "web and worker have processes of their own below them"
    assert house.end(number) == 0
    assert gone([*processes, postmaster])
    assert not (house.folder / "var/postgres/postmaster.pid").exists()


def test_after_its_own_kill_nothing_is_left_and_the_next_start_works(house):
    house.start()
    processes = house.processes()
    house.end(signal.SIGKILL)
    wait_until(lambda: gone(processes), seconds=40)
    house.start()
    assert house.ask("/readyz") == 200


def test_after_a_kill_of_everything_at_once_the_next_start_works(house):
    house.start()
    database = psutil.Process(house.postmaster())
    everything = [*house.processes(), database, *database.children(recursive=True)]
    assert house.process is not None
    house.process.kill()
    kill_all(everything)
    house.process.wait(10)
    house.start()
    assert house.ask("/readyz") == 200


def test_whatever_is_killed_comes_back_and_it_says_so(house):
    house.start()
    before = house.services()
    for name, pid in before.items():
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda name=name: house.services().get(name, before[name]) != before[name], seconds=40)
        assert f"{name} ended (signal SIGKILL)" in house.said()
    postmaster = house.postmaster()
    os.kill(postmaster, signal.SIGKILL)
    # The supervisor starts it again, or whoever notices before it does.
    wait_until(lambda: house.runs_database(besides=postmaster), seconds=60)
    wait_until(lambda: house.ask("/readyz") == 200, seconds=60)


def test_a_port_in_use_is_said_and_nothing_starts(tmp_path):
    house = House(tmp_path)
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", house.port))
        somebody.listen()
        process = house.command()
        assert process.wait(60) == 1
    assert f"Can't listen on 127.0.0.1:{house.port}" in house.said()
    assert not (house.folder / "var/postgres").exists()


def test_a_second_one_in_the_same_folder_is_refused(house):
    house.start()
    house.port, port = free_port(), house.port
    second = house.command()
    assert second.wait(60) == 1
    house.port = port
    assert "It runs already" in house.said()
    assert house.ask("/healthz") == 200


def test_the_worker_takes_what_beat_sends(house):
    """The sweep really runs: the queue of the database fills and is emptied again."""
    house.start()
    made = "SELECT count(*) FROM pg_tables WHERE schemaname = 'pgmq' AND tablename = 'q_affiliate_network'"
    wait_until(lambda: query(house, made) == 1, seconds=60)  # the first message makes the queue
    taken = "SELECT last_value FROM pgmq.q_affiliate_network_msg_id_seq"
    waiting = "SELECT count(*) FROM pgmq.q_affiliate_network"
    wait_until(lambda: query(house, taken) > 3, seconds=60)
    wait_until(lambda: query(house, waiting) == 0, seconds=30)


def query(house: House, question: str) -> int:
    import psycopg

    from portal.database import EmbeddedServer

    with psycopg.connect(EmbeddedServer(house.folder / "var/postgres").url) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return int(row[0])
