"""The pages on MQTT, HTTP and files do what they say: every setting is on them, and their code runs as it stands."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from loopwright.connect import files, http, mqtt, payload
from loopwright.connect.wire import free_port
from tests.connect.kit import THINGS, collect, said
from tests.every.loopback import posts_to

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def code_of(page: str) -> dict[str, Any]:
    text = (PAGES / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile("\n".join(re.findall(r"```python\n(.*?)```", text, re.S)), page, "exec"), names)
    return names


@pytest.mark.parametrize(("page", "protocol"), [("connect-mqtt.md", mqtt), ("connect-http.md", http), ("connect-files.md", files)])
def test_every_setting_has_its_row(page: str, protocol: Any) -> None:
    text = (PAGES / page).read_text(encoding="utf-8")
    for field in dataclasses.fields(protocol.Settings):
        assert f"`{field.name}`" in text


async def test_the_page_on_mqtt_runs(tmp_path: Path) -> None:
    sent, batches = await code_of("connect-mqtt.md")["main"](tmp_path)
    assert sent == batches[-1].sent == 4
    text = (PAGES / "connect-mqtt.md").read_text(encoding="utf-8")
    example = re.findall(r"```json\n(.*?)```", text, re.S)[0]
    report, = payload.from_json(example.encode(), "mill-1")
    assert [row[3] for row in report.rows] == [312.5, "active", None]


async def test_the_page_on_http_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANT_TOKEN", "x")
    names, port, batches = code_of("connect-http.md"), free_port(), []
    settings = http.Settings(url=f"http://127.0.0.1:{port}/api/points", epoch="run-7")
    assert (await names["post_points"](b"{}", payload.JSON, "ann"))[0] == 503, "nobody reads"
    async with posts_to(settings, port):
        reading = asyncio.ensure_future(collect(http, settings, batches))
        await asyncio.sleep(0)
        assert (await names["post_points"](b"{", payload.JSON, "ann"))[0] == 400
        monkeypatch.setattr(http, "Settings", lambda **given: settings if given["epoch"] == "run-7" else None)
        assert await names["send"](THINGS, [said(5)]) == 20
        await reading


def test_the_page_on_files_runs() -> None:
    assert code_of("connect-files.md")["settings"].columns["tag"] == "signal"
