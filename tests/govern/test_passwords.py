"""Passwords, tokens and claim codes."""

import base64

import pytest

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, NotAllowed
from loopwright.govern import passwords

# RFC 7914, section 12: scrypt(P="password", S="NaCl", N=1024, r=8, p=16, dkLen=64)
RFC = "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"


def test_hash_is_that_of_the_standard():
    assert passwords.scrypt(b"password", b"NaCl", (1024, 8, 16), 64).hex() == RFC
    stored = f"scrypt$1024$8$16${base64.b64encode(b'NaCl').decode()}${base64.b64encode(bytes.fromhex(RFC)).decode()}"
    assert passwords.matches("password", stored)
    assert not passwords.matches("Password", stored)


def test_a_password_matches_its_own_hash_only_and_two_hashes_differ():
    first, second = passwords.hash_password("correct horse"), passwords.hash_password("correct horse")
    assert first != second
    assert passwords.matches("correct horse", first)
    assert not passwords.matches("correct hors", first)
    assert "correct" not in first


@pytest.mark.parametrize(
    "stored",
    ["", "plain", "scrypt$3$8$1$AA==$AA==", "scrypt$x$8$1$AA==$AA==", "scrypt$1024$8$1$?$AA==", "md5$1$1$1$AA==$AA=="],
)
def test_what_is_no_hash_of_ours_matches_nothing(stored):
    assert not passwords.matches("anything at all", stored)


def test_a_short_password_is_refused_with_what_is_allowed():
    with pytest.raises(InputError, match="at least 10"):
        passwords.hash_password("short")


def test_a_token_is_kept_as_a_hash_only():
    token, kept = passwords.new_token()
    assert token.startswith("lw_")
    assert passwords.token_hash(token) == kept
    assert token not in kept
    assert passwords.new_token()[0] != token


def test_a_claim_code_opens_its_unit_once_however_it_is_typed():
    code = "K0QF1-M9P4R"
    kept = passwords.hash_claim_code(code)
    for typed in (code, "k0qf1m9p4r", " KOQFI M9P4R ", "koqfl-m9p4r"):
        assert passwords.check_claim(typed, kept, claimed=False)
    for typed in ("K0QF1-M9P4S", "", "K0QF1", code + "0"):
        assert not passwords.check_claim(typed, kept, claimed=False)
    with pytest.raises(NotAllowed, match="a code works once"):
        passwords.check_claim(code, kept, claimed=True)


def test_codes_are_readable_and_differ():
    codes = {passwords.new_claim_code() for _ in range(50)}
    assert len(codes) == 50
    for code in codes:
        assert len(code) == 11
        assert code[5] == "-"
        assert set(code) - {"-"} <= set(passwords.LETTERS)


def test_after_five_wrong_codes_even_the_right_one_waits():
    code = passwords.new_claim_code()
    kept = passwords.hash_claim_code(code)
    wrong = [i * NS_PER_S for i in range(5)]
    with pytest.raises(NotAllowed, match="5 wrong codes"):
        passwords.check_claim(code, kept, claimed=False, wrong_ns=wrong, now_ns=60 * NS_PER_S)
    assert passwords.check_claim(code, kept, claimed=False, wrong_ns=wrong, now_ns=1000 * NS_PER_S)
