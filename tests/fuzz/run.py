"""Feeds every decoder mutated messages for some time and says what came of it.

    python -m tests.fuzz.run [--seconds 120] [--seed 1] [--atheris] [DECODER ...]

Without --atheris the mutations are random and repeatable by their seed; with it (extra `dev`) libFuzzer follows which
lines a message reaches. Each finding is written to a file and its traceback to standard error; the status is then 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import traceback
from hashlib import sha256
from pathlib import Path

from tests.fuzz.mutate import mutated

DECODERS = ("arrow", "json", "edge", "segment", "opcua", "mtconnect", "probe", "csv", "csv_long", "parquet")


def loop(name: str, seconds: float, seed: int, into: Path) -> tuple[int, int, dict[str, bytes]]:
    """(messages fed, taken of them, findings by where they came from) of one decoder."""
    from loopwright.core.clock import monotonic_s
    from tests.fuzz.targets import SEEDS, run

    chance, begun_s = random.Random(seed), monotonic_s()
    fed = taken = 0
    found: dict[str, bytes] = {}
    while monotonic_s() - begun_s < seconds:
        body = mutated(SEEDS[name], chance)
        fed += 1
        try:
            taken += run(name, body)
        except Exception as error:  # a finding, whatever it is
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
            if where not in found:
                found[where] = body
                (into / f"{name}-{sha256(body).hexdigest()[:12]}").write_bytes(body)
                traceback.print_exc()
    return fed, taken, found


def guided(name: str, seconds: float, into: Path) -> None:
    """libFuzzer's loop over one decoder; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["loopwright.connect", "loopwright.store"]):
        from tests.fuzz.targets import SEEDS, run

    corpus = into / f"corpus-{name}"
    corpus.mkdir(exist_ok=True)
    for body in SEEDS[name]:
        (corpus / sha256(body).hexdigest()[:16]).write_bytes(body)
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={int(seconds)}", "-max_len=20000", "-rss_limit_mb=4000", f"-artifact_prefix={into}/{name}-",
         str(corpus)], lambda body: run(name, body) and None)
    atheris.Fuzz()


def main() -> None:
    """Runs the named decoders, or all."""
    asked = argparse.ArgumentParser()
    asked.add_argument("decoders", nargs="*", default=list(DECODERS))
    asked.add_argument("--seconds", type=float, default=120)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--atheris", action="store_true")
    asked.add_argument("--into", type=Path, default=Path("build/fuzz"))
    given = asked.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    faulthandler.enable()
    if given.atheris:
        guided(given.decoders[0], given.seconds, given.into)
    wrong = 0
    for name in given.decoders:
        fed, taken, found = loop(name, given.seconds, given.seed, given.into)
        print(f"{name}: {fed:,} messages, {taken:,} taken, {len(found)} findings", *found, sep="\n  ", flush=True)
        wrong += len(found)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
