"""An object store for tests: moto's S3 server in a process of its own, on a free port of this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NAMES = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@contextmanager
def server() -> Iterator[dict[str, str]]:
    """The storage options of a running server, whose bucket 'plants' is empty; the environment holds its keys."""
    pytest.importorskip("moto", reason="moto is not installed: pip install 'loopwright[dev]'")
    pytest.importorskip("obstore", reason="obstore is not installed: pip install 'loopwright[s3]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in NAMES.items():
            patch.setenv(name, value)
        try:
            _make_bucket(f"{url}/plants", child)
            yield {"aws_endpoint_url": url, "aws_region": "us-east-1", "aws_allow_http": "true"}
        finally:
            child.kill()


def _make_bucket(url: str, child: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="PUT")):
                return
        except (urllib.error.URLError, ConnectionError):
            if child.poll() is not None:
                break
            time.sleep(0.1)
    pytest.skip("moto's server does not start here")
