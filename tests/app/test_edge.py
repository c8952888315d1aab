"""An edge and its centre, two real processes: outages, kills, full buffers; every sample at the centre once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from loopwright.app.edge import edge_site
from loopwright.connect.wire import LOOPBACK, free_port
from loopwright.core.errors import SiteError
from loopwright.core.types import Batch
from loopwright.store import open_store
from loopwright.store.buffer import Buffer
from tests.app.edge_pair import EDGE, Device, Pair, hops, rows, until
from tests.app.shop import COMMAND

pytestmark = pytest.mark.slow


def test_an_outage_of_the_centre_loses_nothing_and_says_how_long_the_buffer_lasts(tmp_path):
    pair = Pair(tmp_path)
    with pair.edge():
        device = Device(pair)
        device.say(2_000)
        time.sleep(2.2)
        down = pair.status()
        assert (down["link"]["state"], down["buffer"]["samples"]) == ("down", 2_000)
        assert "nobody listens" in down["link"]["word"]
        assert down["oldest_waiting_s"] > 0
        device.say(500)
        left = until(lambda: pair.status()["hours_left"])
        held = pair.status()["buffer"]
        assert 0 < left < (held["limit_bytes"] - held["bytes"]) / held["bytes_a_sample"] / 3600 * 61, "at one sample a minute and more"
        with pair.centre():
            pair.until_sent()
            device.say(500)
            pair.until_sent()
            assert pair.stored() == list(range(3_000))
            told = until(lambda: [row for row in pair.asked("edges") if row["state"]["buffer"]["stored"] == 3_000])[0]
            assert told["edge"] == EDGE
            hops(told["hops"])
            assert told["hops"]["http"]["out"] == told["hops"]["journal"]["out"] == told["hops"]["centre"]["out"] == 3_000
            heads = pair.asked("events?kind=edge.head")
            assert heads[0]["about"] == EDGE
            assert heads[0]["body"]["count"] >= 2, "it began, and the link came up"
            sources = pair.asked("hops")["sources"]
            assert sources == [f"http/{EDGE}/http/probe-1#boot-1#{down['epoch']}"], "who said it first is still to be seen"
            hops(pair.asked("hops")["rows"])
    lines = (tmp_path / "edge.log").read_text("utf-8")
    assert "link to the centre down" in lines
    assert "link to the centre up" in lines


def kill_at_random(pair: Pair, seed: int, kills: int, samples: int) -> int:
    """The device talks all the time while now the edge and now the centre is killed; samples at the centre."""
    draw = random.Random(seed)
    device = Device(pair)
    talking = threading.Thread(target=device.say, args=(samples, 20))
    parts = {"edge": pair.edge, "centre": pair.centre}
    up = {}
    try:
        for name, part in parts.items():
            up[name] = part()
            up[name].process = up[name].__enter__()
        talking.start()
        for i in range(kills):
            name = ("edge", "centre")[i % 2]
            time.sleep(draw.uniform(0.2, 1.5))
            up[name].process.kill()
            up[name].process.wait(20)
            up[name].__exit__(None, None, None)
            up[name] = parts[name]()
            up[name].process = up[name].__enter__()
        talking.join(120)
        assert device.said == samples
        pair.until_sent()
        assert pair.stored() == list(range(samples))
        hops(pair.asked("hops")["rows"])
        hops(pair.status()["hops"])
        assert pair.status()["buffer"]["lost"] == 0
        return len(pair.stored())
    finally:
        for one in up.values():
            one.__exit__(None, None, None)
        talking.join(120)


def test_kill_nine_of_edge_and_centre_at_random_moments_leaves_every_sample_once(tmp_path):
    assert kill_at_random(Pair(tmp_path), 1, 2, 1_500) == 1_500


def test_over_mqtt_it_is_the_same(tmp_path):
    """The centre's broker stands in its own process: killing the centre takes the broker away too."""
    pair = Pair(tmp_path, over_mqtt=True)
    kill_at_random(pair, 2, 2, 1_000)
    with pair.centre(), pair.edge():
        assert until(lambda: pair.asked("edges"))[0]["edge"] == EDGE
        assert pair.asked("hops")["sources"][0].startswith(f"mqtt/{EDGE}/http/probe-1#boot-1#")


def test_ten_minutes_of_outage_at_1000_points_a_second_drain_while_new_ones_flow(tmp_path):
    """600,000 points, put as fast as it goes, then sent while the device goes on."""
    pair = Pair(tmp_path)
    site = edge_site(pair.edge_site)
    buffer = Buffer(site.folder)
    buffer.declare(site.all_kinds, site.things)
    source, size = "http/probe-1#boot-1", 5_000
    for first in range(0, 600_000, size):
        buffer.put(Batch("http", source, first, rows(first, size), first + size))
    while buffer.fold():
        pass
    assert buffer.state()["bytes"] < 600_000 * 3
    buffer.close()
    with pair.centre(), pair.edge():
        device = Device(pair)
        device.said = 600_000
        device.say(3_000)
        pair.until_sent()
        assert pair.stored() == list(range(603_000))
        hops(pair.asked("hops")["rows"])
        assert pair.status()["hops"]["centre"]["out"] == 603_000


def test_a_centre_that_does_not_know_a_machine_is_waited_for_not_fed(tmp_path):
    more = '[[machine]]\nid = "probe-9"\nkind = "probe"\nrole = "probe"\nlink = { protocol = "http" }\n'
    pair = Pair(tmp_path)
    pair.edge_site.write_text(pair.edge_site.read_text("utf-8") + more, "utf-8")
    with pair.centre(), pair.edge():
        device = Device(pair)
        device.say(300)
        word = until(lambda: "probe-9" in pair.status()["link"]["word"] and pair.status()["link"])
        assert "declare them in the centre's site file" in word["word"]
        assert pair.status()["buffer"]["samples"] == 300


def test_a_full_buffer_lets_the_device_wait_and_nothing_is_lost(tmp_path):
    pair = Pair(tmp_path, edge="buffer_mb = 0.02")
    with pair.edge():
        device = Device(pair)
        talking = threading.Thread(target=device.say, args=(3_000, 100))
        talking.start()
        until(lambda: "full" in pair.status()["disk"])
        assert device.said < 3_000
        with pair.centre():
            talking.join(60)
            assert device.said == 3_000
            pair.until_sent()
            assert pair.stored() == list(range(3_000))
        assert pair.status()["disk"] == ""


def test_the_status_is_told_beside_the_running_edge_and_after_it(tmp_path):
    pair = Pair(tmp_path)
    with pair.edge() as process:
        Device(pair).say(100)
        time.sleep(1.5)
        said = pair.command("--status")
        assert (said.returncode, said.stderr) == (0, "")
        assert "100 samples wait" in said.stdout
        again = pair.command()
        assert again.returncode == 5
        assert f"process {process.pid} since" in again.stderr
        url = f"http://{LOOPBACK}:{pair.ports['edge']}/api/edge"
        assert httpx.get(url, headers={"Origin": "http://evil.example"}).status_code == 403
        assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 403
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    after = json.loads(pair.command("--status", "--json").stdout)
    assert (after["link"]["state"], after["buffer"]["samples"]) == ("not running", 100)
    hops(after["hops"])


def test_a_site_file_without_an_edge_is_told(tmp_path):
    pair = Pair(tmp_path)
    with pytest.raises(SiteError, match="edge"):
        edge_site(pair.centre_site)
    for wrong, word in (('centre = "ftp://x"', "http"), ('when_full = "sleep"', "drop_oldest"), ("buffer_mb = 0", "above 0")):
        key = wrong.split(" = ")[0]
        lines = [line for line in pair.edge_site.read_text("utf-8").splitlines() if not line.startswith(key)]
        lines.insert(lines.index("[edge]") + 1, wrong)
        bad = tmp_path / "bad.toml"
        bad.write_text("\n".join(lines), "utf-8")
        done = subprocess.run([str(COMMAND), "check", str(bad)], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, word in done.stderr) == (2, True), done.stderr


def test_the_example_runs_and_its_twin_is_heard_at_the_centre(tmp_path):
    """examples/edge with ports of its own."""
    ports = {"8080": str(free_port()), "8081": str(free_port())}
    for name in ("edge", "centre"):
        text = (Path(__file__).parents[2] / "examples" / "edge" / f"{name}.toml").read_text("utf-8")
        for old, new in ports.items():
            text = text.replace(old, new)
        (tmp_path / f"{name}.toml").write_text(text, "utf-8")
    pair = Pair.__new__(Pair)
    pair.folder, pair.ports = tmp_path, {"centre": int(ports["8080"]), "edge": int(ports["8081"])}
    pair.centre_site, pair.edge_site, pair.plant = tmp_path / "centre.toml", tmp_path / "edge.toml", tmp_path / "centre.plant"
    with pair.centre(), pair.edge():
        until(lambda: pair.asked("newest?thing=mill-1").get("mill-1", {}).get("s.velocity"))
    with open_store(pair.plant, read_only=True) as store:
        assert store.hops()["http"].out > 0
