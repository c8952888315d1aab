"""MQTT: machines that publish to a broker, and ourselves as such a machine.

    <prefix>/<thing>/points   ours: Arrow, many numbered samples each; the first and last are empty and retained
    <prefix>/<thing>/json     any other client's: {"t": "2026-01-31T12:00:00Z", "values": {"spindle.speed": 300}}
    <prefix>/<thing>/resend   a reader greets {"hello": true}: the thing says how far it has counted; it asks
                              {"epoch", "missing": [[first, stop], ..]}; it thanks {"epoch", "stored": n}
    <prefix>/<thing>/set      a command from the one door to the world

QoS 1 with manual acknowledgement after the store, a persistent session, and numbers of our own: QoS 1 alone loses
messages with brokers whose queues are full (docs/decisions/0003). How to: docs/how-to/connect-mqtt.md.
"""

from __future__ import annotations

import asyncio
import json
import os

from loopwright.connect.mqtt.hear import read
from loopwright.connect.mqtt.link import Link
from loopwright.connect.mqtt.say import expose
from loopwright.connect.mqtt.settings import WHERE, Settings, peer, topic
from loopwright.core.clock import NS_PER_S, Clock, iso
from loopwright.core.errors import LinkError
from loopwright.core.types import Command, Sent

__all__ = ["Settings", "expose", "read", "write"]


async def write(settings: Settings, command: Command, clock: Clock) -> Sent:
    """Publishes a command to `<prefix>/<thing>/set` and returns once the broker has it. Called by the door only.

    The message names its expiry, because a broker may keep it for a machine that is away: an expired one is not obeyed.
    Raises LinkError when the broker is not there or has not confirmed before the command expires.
    """
    body = json.dumps({
        "signal": command.signal, "value": command.value, "unit": command.unit, "decision": command.decision,
        "expires": iso(command.expires_ns),
    }).encode()
    link = Link(peer(settings, f"{settings.client}-acts-{os.getpid():x}", persistent=False), [], WHERE)
    await link.open()
    try:
        left_s = (command.expires_ns - clock.now_ns()) / NS_PER_S
        confirmed = await link.publish(topic(settings, command.thing, "set"), body)
        await asyncio.wait_for(confirmed, max(0.0, left_s))
    except TimeoutError:
        raise LinkError(WHERE, f"the broker did not confirm the command to {command.thing} before it expired") from None
    finally:
        await link.close()
    return Sent(command, command.value, clock.now_ns(), None)
