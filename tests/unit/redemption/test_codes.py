"""The codes that shops accept."""

import secrets

from services.redemption.domain.codes import RANDOM_BITS, is_code, make_code


def random_code() -> str:
    return make_code(secrets.randbits(RANDOM_BITS))


def test_every_code_is_valid_and_no_two_are_the_same() -> None:
    codes = {random_code() for _ in range(1_000)}
    assert len(codes) == 1_000
    assert all(is_code(code) for code in codes)


def test_every_random_bit_changes_the_code() -> None:
    codes = {make_code(1 << bit) for bit in range(RANDOM_BITS)}
    assert len(codes) == RANDOM_BITS
    assert make_code(0) not in codes


def test_the_same_bits_make_the_same_code() -> None:
    assert make_code(0) == "0000-0000-0000-0000"
    assert make_code(2**RANDOM_BITS - 1) == "ZZZZ-ZZZZ-ZZZZ-ZZZF"


def test_any_wrong_symbol_is_found() -> None:
    code = random_code()
    for place, symbol in enumerate(code):
        if symbol != "-":
            wrong = "0" if symbol != "0" else "1"
            assert not is_code(code[:place] + wrong + code[place + 1 :])


def test_text_of_another_form_is_not_a_code() -> None:
    code = random_code()
    assert is_code(code.lower().replace("-", ""))
    assert not is_code(code[:-1])
    assert not is_code(code + "0")
    assert not is_code("I" * 16)
