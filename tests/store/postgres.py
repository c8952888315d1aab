"""A PostgreSQL server of our own for tests: in a temporary folder, on a free port of loopback, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty database; skips with a word when PostgreSQL or its driver is not installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'loopwright[postgres]')")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not installed (no /usr/lib/postgresql/*/bin/initdb)")
    folder = Path(tempfile.mkdtemp(prefix="loopwright-pg-"))
    user = None
    if os.getuid() == 0:  # the server refuses to run as root
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("running as root, and there is no user postgres to run the server")
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    control = [str(programs[-1].with_name("pg_ctl")), "-D", str(data), "-w", "-l", str(folder / "log")]
    try:
        _run([str(programs[-1]), "-D", str(data), "-U", "loop", "--auth=trust", "-E", "UTF8", "--locale=C"], user, folder)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run([*control, "-o", options, "start"], user, folder)
        _CONTROL[str(port)] = (control, options, user, folder)
        yield f"postgresql+psycopg://loop@127.0.0.1:{port}/postgres"
    finally:
        if (data / "postmaster.pid").exists():
            _run([*control, "-m", "immediate", "stop"], user, folder)
        shutil.rmtree(folder, ignore_errors=True)


_CONTROL: dict[str, tuple[list[str], str, str | None, Path]] = {}  # port -> pg_ctl, options, user, folder


def stop(url: str) -> None:
    """Stops the server of that URL at once, as a power cut would."""
    control, _, user, folder = _CONTROL[_port(url)]
    _run([*control, "-m", "immediate", "stop"], user, folder)


def start(url: str) -> None:
    """Starts it again where it was."""
    control, options, user, folder = _CONTROL[_port(url)]
    _run([*control, "-o", options, "start"], user, folder)


def _port(url: str) -> str:
    return url.rpartition(":")[2].partition("/")[0]


def _run(command: list[str], user: str | None, folder: Path) -> None:
    with (folder / "out").open("ab") as out:
        subprocess.run(command, check=True, user=user, stdout=out, stderr=out, cwd=folder, timeout=60)
