"""A plant that runs on: what a machine says is heard, kept, watched and shown, until Ctrl-C; the next run goes on."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from loopwright.connect.wire import LOOPBACK, free_port
from loopwright.core.clock import NS_PER_S, RealClock, iso, monotonic_s
from tests.app.shop import (
    SITE,
    alive,
    children,
    doctor,
    loopwright,
    machines,
    points,
    running,
    small_data,
    small_shop,
    started,
)

pytestmark = pytest.mark.slow
CLOCK = RealClock()
SILENT_S = 2.0
PROBE = {"t": "2026-01-05T06:00:00Z", "values": {"s.inertia": 12}}


def connected(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


class Plant:
    """A site with one MQTT machine, a broker and a console on ports of their own."""

    def __init__(self, folder: Path) -> None:
        self.broker, self.console = free_port(), free_port()
        text = (SITE + machines({"mill-1": "mqtt"}, f"stale_after_s = {SILENT_S}")).replace(
            "embedded = true", f"embedded = true\nport = {self.broker}")
        self.site = small_shop(folder, data=False, text=text + f"\n[server]\nport = {self.console}\n")
        self.folder = folder / "plant"

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[str]]:
        """The plant running, and listening: what is published from here on is heard."""
        with running(self.site) as process:
            until(lambda: connected(self.broker))
            self.says(PROBE)
            while not self.heard("s.inertia"):  # a broker keeps nothing for a reader that has never been there
                time.sleep(0.2)
                self.says(PROBE)
            yield process

    def heard(self, signal: str) -> float | None:
        """The newest value of a signal of mill-1, as the API tells it."""
        value: float | None = self.get("newest?thing=mill-1").get("mill-1", {}).get(signal, {}).get("value")
        return value

    def mqtt(self) -> dict[str, Any]:
        return {row["name"]: row for row in self.get("hops")["rows"]}["mqtt"]

    def get(self, path: str) -> Any:
        answer = httpx.get(f"http://{LOOPBACK}:{self.console}/api/{path}", timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def says(self, *messages: dict[str, Any], thing: str = "mill-1") -> None:
        """What any third-party client would publish: JSON, QoS 1."""
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="somebody-else", protocol=paho.MQTTv311)
        client.connect(LOOPBACK, self.broker)
        client.loop_start()
        for message in messages:
            client.publish(f"small-shop/{thing}/json", json.dumps(message), qos=1).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def until(true: Callable[[], Any], wait_s: float = 15.0) -> Any:
    """What a question gives once it gives something; AssertionError when that takes too long."""
    end_s = monotonic_s() + wait_s
    while not (found := true()):
        assert monotonic_s() < end_s, "it did not come to be"
        time.sleep(0.05)
    return found


def test_what_a_machine_publishes_is_shown_kept_and_there_after_a_restart(plant):
    now_ns = CLOCK.now_ns()
    with plant.up():
        plant.says({"t": iso(now_ns), "values": {"s.velocity": 335.1, "x.position": 0.12}},
                   {"t": now_ns + NS_PER_S, "values": {"s.velocity": 336.0}})
        until(lambda: plant.heard("s.velocity") == 336.0)
        assert plant.heard("x.position") == 0.12
        assert plant.get("newest?thing=mill-1")["mill-1"]["s.velocity"]["t_ns"] == now_ns + NS_PER_S
        until(lambda: plant.mqtt()["out"] == 1 + 3)
        assert plant.mqtt()["lost"] is None, "a client that numbers nothing cannot be counted, and that is said"
    assert points(plant.folder).num_rows == 1 + 3
    with running(plant.site):
        assert plant.heard("s.velocity") == 336.0
        until(lambda: connected(plant.broker))
        # the broker knows this reader from the first run, so it keeps for it what comes before it is back
        plant.says({"t": now_ns + 2 * NS_PER_S, "values": {"s.velocity": 337.0}})
        until(lambda: plant.heard("s.velocity") == 337.0)
    assert points(plant.folder).num_rows == 1 + 4
    said = doctor(plant.folder)
    assert (said["unbalanced"], said["events"]["whole"]) == ([], True)


def test_what_cannot_be_is_refused_and_counted_and_the_rest_is_kept(plant):
    with plant.up():
        now_ns = CLOCK.now_ns()
        plant.says({"t": now_ns, "values": {"s.velocity": 1e9, "x.position": 0.2, "no.such.signal": 1}}, {"values": "nonsense"},
                   {"t": now_ns, "values": {"s.velocity": 300.0}})
        until(lambda: plant.heard("s.velocity") == 300.0)
        until(lambda: plant.mqtt()["out"] == 1 + 2)
        assert plant.mqtt()["refused"] == 3
    assert doctor(plant.folder)["unbalanced"] == []


def test_a_machine_that_goes_silent_raises_an_alarm_and_one_that_speaks_again_clears_it(plant):
    with plant.up():
        plant.says({"t": CLOCK.now_ns(), "values": {"s.velocity": 300.0}})
        alarm = until(lambda: [a for a in plant.get("alarms") if a["thing"] == "mill-1"])[0]
        assert "silent" in json.dumps(alarm)
        plant.says({"t": CLOCK.now_ns(), "values": {"s.velocity": 301.0}})
        until(lambda: plant.get("events?kind=alarm.cleared"))
        raised = plant.get("events?kind=alarm.raised")[0]
        assert raised["about"].startswith("mill-1")
        until(lambda: len(plant.get("events?kind=alarm.raised")) == 2)


def test_alarms_are_worked_on_by_command_beside_the_running_plant(plant):
    def alarms(*arguments):
        return json.loads(loopwright("alarms", *arguments, "--site", plant.site, "--json").stdout)

    with plant.up():
        alarm = until(lambda: [a for a in plant.get("alarms") if a["thing"] == "mill-1"])[0]["id"]
        assert alarms("list")["alarms"][0]["state"] == "unacknowledged"
        assert alarms("ack", alarm)["says"] == "Acknowledged: silent on mill-1."
        alarms("shelve", "mill-1", "--until", "3s", "--why", "it is being moved")
        assert plant.get("alarms")[0]["state"] == "shelved"
        until(lambda: plant.get("alarms")[0]["state"] == "unacknowledged")
        assert plant.get("events?kind=alarm.unshelved")[0]["actor"] == "service:watch"
        assert alarms("figures", "--days", "1")["alarms"] == 2


def test_a_machine_that_was_never_heard_is_told_too(plant):
    with running(plant.site):
        alarm = until(lambda: [a for a in plant.get("alarms") if a["thing"] == "mill-1"])[0]
        assert "mill-1" in json.dumps(alarm)


def test_a_second_run_is_refused_with_the_pid_of_the_first_and_the_report_is_read_beside_it(plant):
    with running(plant.site) as first:
        second = loopwright("run", plant.site)
        assert (second.returncode, "Traceback" in second.stderr) == (5, False)
        assert f"process {first.pid} since" in second.stderr
        report = loopwright("report", "--site", plant.site)
        assert (report.returncode, "no turn of this plant has finished" in report.stderr) == (2, True)


def test_kill_nine_leaves_nothing_running_and_the_next_run_goes_on(plant):
    process = started("run", plant.site, stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    with process, process.stderr:
        try:
            while "console and API at" not in process.stderr.readline():
                assert process.poll() is None
            now_ns = CLOCK.now_ns()
            until(lambda: connected(plant.broker))
            while not plant.heard("s.velocity"):
                plant.says({"t": now_ns, "values": {"s.velocity": 300.0}})
                time.sleep(0.2)
            family = children(process.pid)
        finally:
            process.kill()
    until(lambda: not alive(family))
    with running(plant.site):
        assert plant.heard("s.velocity") == 300.0
        until(lambda: connected(plant.broker))
        plant.says({"t": now_ns, "values": {"s.velocity": 300.0}}, {"t": now_ns + 1, "values": {"s.velocity": 302.0}})
        until(lambda: plant.heard("s.velocity") == 302.0)
    assert points(plant.folder).num_rows == 2, "the same sample sent again stands there once"
    assert doctor(plant.folder)["unbalanced"] == []


@pytest.mark.parametrize("after_s", [0.3, 1.2, 2.5])
def test_ctrl_c_while_it_starts_ends_it_at_once_without_a_traceback(plant, after_s):
    with started("run", plant.site, stdout=subprocess.DEVNULL) as process:
        time.sleep(after_s)
        family = children(process.pid)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert "Traceback" not in said, said
    assert process.returncode in (130, -signal.SIGINT) if after_s < 1 else process.returncode == 130
    until(lambda: not alive(family))


def test_recorded_machines_are_played_once_and_not_taken_for_silent(tmp_path):
    """A recording that has come to its end is done, not silent; the console stays up."""
    text = SITE + machines(plays='plays = { source = "recording" }\nstale_after_s = 4')
    port = free_port()
    site = small_shop(tmp_path, data=False, text=text + f"\n[server]\nport = {port}\n")
    small_data(tmp_path / "data", runs=3, rows=30)
    with running(site, "--data", tmp_path / "data"):
        def rows() -> dict[str, Any]:
            return {row["name"]: row for row in httpx.get(f"http://{LOOPBACK}:{port}/api/hops").json()["rows"]}

        until(lambda: all(rows().get(name, {}).get("out", 0) >= 30 * 49 for name in ("mqtt", "opcua", "mtconnect")), 30)
        time.sleep(6)
        assert httpx.get(f"http://{LOOPBACK}:{port}/api/alarms").json() == []
    said = doctor(tmp_path / "plant")
    assert (said["unbalanced"], said["lost"]) == ([], 0)
