"""What a site says about a broker."""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.connect.mqtt.link import Peer
from loopwright.connect.wire import LOOPBACK, secret
from loopwright.core.errors import InputError

WHERE = "connect.mqtt"


@dataclass(frozen=True)
class Settings:
    """One broker.

    host, port    where it listens (1883, or 8883 with tls)
    prefix        first part of every topic; one plant, one prefix
    client        name of our session at the broker: one reader a name, two with the same name throw each other out
    username, password_env   who we are there; password_env names an environment variable
    tls, ca_file  encrypt; ca_file: certificates of the broker's authority when it is not a public one
    epoch         name of the numbering that `expose` uses; '' takes a new one at every start. A recording that is
                  played again under the same name is recognised sample by sample
    rows          most samples in one message
    buffer        samples that `expose` keeps to send again
    patience_s    how long missing samples are waited for before they count as lost
    """

    host: str = LOOPBACK
    port: int = 1883
    prefix: str = "loopwright"
    client: str = "loopwright"
    username: str = ""
    password_env: str = ""
    tls: bool = False
    ca_file: str = ""
    epoch: str = ""
    rows: int = 4000
    buffer: int = 500_000
    patience_s: float = 10.0


def topic(settings: Settings, thing: str, way: str) -> str:
    """`<prefix>/<thing>/<way>`; InputError for an id that cannot stand in a topic."""
    if not thing or any(c.isspace() or c in "/+#" for c in thing):
        where = f"{WHERE}: thing {thing!r}"
        raise InputError(where, "cannot stand in a topic", "an id without spaces, '/', '+' and '#'")
    return f"{settings.prefix}/{thing}/{way}"


def peer(settings: Settings, client: str, *, persistent: bool) -> Peer:
    """The broker as `link` wants it, with the password from the environment."""
    password = secret(settings.password_env, f"{WHERE}.password_env")
    return Peer(
        settings.host, settings.port, client, persistent, settings.username, password, settings.tls, settings.ca_file
    )
