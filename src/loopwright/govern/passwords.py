"""Passwords, API tokens and one-time claim codes: only hashes are kept, comparisons take the same time whatever was
given.

Passwords and claim codes go through scrypt (RFC 7914), because people choose the first and read the second aloud;
tokens are 256 bits of chance and need only a plain hash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, NotAllowed

PASSWORD_COST = (2**15, 8, 3)  # n, r, p: 32 MB; a setting of the OWASP password storage cheat sheet
CODE_COST = (2**12, 8, 1)  # 4 MB and about 10 ms; 50 bits of code then cost 10^13 s of one core to try out
SHORTEST = 10
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
CODE_LENGTH = 10
MOST_TRIES, TRIES_S = 5, 900.0  # wrong codes for one unit, in so many seconds


def scrypt(secret: bytes, salt: bytes, cost: tuple[int, int, int], length: int = 32) -> bytes:
    """scrypt of RFC 7914 with cost (n, r, p); raises InputError for what the library refuses."""
    n, r, p = cost
    try:
        return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, dklen=length, maxmem=256 * n * r + 2**20)
    except ValueError as error:
        raise InputError("scrypt", f"cost n={n} r={r} p={p}", "n a power of two above 1") from error


def hash_password(password: str) -> str:
    """What is kept of a password: 'scrypt$n$r$p$salt$hash' (base64). InputError below ten characters."""
    if len(password) < SHORTEST:
        raise InputError("password", f"{len(password)} characters", f"at least {SHORTEST}")
    salt = secrets.token_bytes(16)
    n, r, p = PASSWORD_COST
    return f"scrypt${n}${r}${p}${_text(salt)}${_text(scrypt(password.encode(), salt, PASSWORD_COST))}"


def matches(password: str, stored: str) -> bool:
    """Whether a password is the one that was hashed, in constant time. False for anything that is no hash of ours."""
    parts = stored.split("$")
    if len(parts) != 6 or parts[0] != "scrypt":
        return False
    try:
        n, r, p = (int(part) for part in parts[1:4])
        salt, wanted = base64.b64decode(parts[4], validate=True), base64.b64decode(parts[5], validate=True)
        found = scrypt(password.encode(), salt, (n, r, p), len(wanted))
    except (ValueError, InputError):
        return False
    return hmac.compare_digest(found, wanted)


def new_token() -> tuple[str, str]:
    """A token for programs, shown once, and what is kept of it: ('lw_...', hash)."""
    token = "lw_" + secrets.token_urlsafe(32)
    return token, token_hash(token)


def token_hash(token: str) -> str:
    """What is kept of a token (SHA-256, hex)."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True)
class HashedCode:
    """What is kept of a claim code: scrypt hash and salt, both hex. They may stand in the ledger."""

    hash: str
    salt: str


def new_claim_code() -> str:
    """A one-time code that people can read and type: 'K7QF2-M9P4R', 50 bits of chance."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
    return f"{letters[:5]}-{letters[5:]}"


def tidy(code: str) -> str:
    """The code as it was made, from what somebody typed: small letters, spaces, O for 0, I and L for 1."""
    kept = "".join(c for c in code.upper() if c.isalnum())
    return kept.translate(str.maketrans("OIL", "011"))


def hash_claim_code(code: str) -> HashedCode:
    """What is kept of a code."""
    salt = secrets.token_bytes(16)
    return HashedCode(scrypt(tidy(code).encode(), salt, CODE_COST).hex(), salt.hex())


def check_claim(code: str, kept: HashedCode, *, claimed: bool, wrong_ns: Sequence[int] = (), now_ns: int = 0) -> bool:
    """Whether a code opens the unit it came with.

    claimed   whether somebody has claimed the unit: a code works once
    wrong_ns  times of wrong codes for this unit
    returns   False for a wrong code (to be counted); raises NotAllowed when it is claimed, or after too many wrong
              codes
    """
    if claimed:
        raise NotAllowed(
            "claim", "this unit is claimed already", "a code works once", "ask its owner, or whoever sold it"
        )
    recent = [t for t in wrong_ns if now_ns - t < TRIES_S * NS_PER_S]
    if len(recent) >= MOST_TRIES:
        raise NotAllowed(
            "claim",
            f"{len(recent)} wrong codes",
            f"{MOST_TRIES} in {TRIES_S / 60:.0f} minutes",
            "wait, and look at the card again",
        )
    typed = tidy(code)
    if len(typed) != CODE_LENGTH:
        return False
    found = scrypt(typed.encode(), bytes.fromhex(kept.salt), CODE_COST)
    return hmac.compare_digest(found, bytes.fromhex(kept.hash))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
