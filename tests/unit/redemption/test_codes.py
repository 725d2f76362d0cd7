"""The codes that shops honour."""

from services.redemption.domain.codes import is_code, new_code


def test_a_code_is_one_and_no_two_are_the_same() -> None:
    codes = {new_code() for _ in range(1_000)}
    assert len(codes) == 1_000
    assert all(is_code(code) for code in codes)


def test_any_wrong_symbol_is_found() -> None:
    code = new_code()
    for place, symbol in enumerate(code):
        if symbol != "-":
            wrong = "0" if symbol != "0" else "1"
            assert not is_code(code[:place] + wrong + code[place + 1 :])


def test_what_has_another_form_is_no_code() -> None:
    code = new_code()
    assert is_code(code.lower().replace("-", ""))
    assert not is_code(code[:-1])
    assert not is_code(code + "0")
    assert not is_code("I" * 16)
