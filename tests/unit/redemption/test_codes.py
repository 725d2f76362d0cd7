"""The codes that shops accept."""

import secrets

import pytest

from services.redemption.domain.codes import RANDOM_BITS, make_code, read_code


def random_code() -> str:
    return make_code(secrets.randbits(RANDOM_BITS))


def test_every_code_is_valid_and_no_two_are_the_same() -> None:
    codes = {random_code() for _ in range(1_000)}
    assert len(codes) == 1_000
    assert all(read_code(code) == code for code in codes)


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
            assert read_code(code[:place] + wrong + code[place + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("01AB-CDEF-GHJK-MNPV", id="as it was made"),
        pytest.param("01ab-cdef-ghjk-mnpv", id="in small letters"),
        pytest.param("01ABCDEFGHJKMNPV", id="without hyphens"),
        pytest.param(" 01AB CDEF GHJK MNPV\n", id="with blanks"),
        pytest.param("OLab-cdef-ghjk-mnpv", id="with letters for digits"),
        pytest.param("oiab-cdef-ghjk-mnpv", id="with small letters for digits"),
    ],
)
def test_a_code_is_read_as_people_write_it(text: str) -> None:
    assert read_code(text) == "01AB-CDEF-GHJK-MNPV"


@pytest.mark.parametrize(
    "text", ["", "01AB", "01AB-CDEF-GHJK-MNPV0", "U" * 16, "01AB-CDEF-GHJK-MN\x00V"]
)
def test_text_of_another_form_is_not_a_code(text: str) -> None:
    assert read_code(text) is None
