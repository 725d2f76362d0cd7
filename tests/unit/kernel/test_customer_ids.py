"""Valid customer ids, and the normal form in which they are stored."""

import time
import unicodedata

import pytest

from libs.kernel.ids import customer_id, customer_id_prefix


@pytest.mark.parametrize(
    "text",
    [
        "cust_1",
        "o'brien@example.com",
        "josé@example.com",
        "Жанна",
        "王小明",
        "محمد",
        "हिन्दी",
        "٤٢",
        "a.b:c@d+e|f=g~h-i'j!k$l&m*n_o",
        "...",
        "c" * 128,
        "王" * 128,
    ],
)
def test_an_id_may_have_letters_of_any_script(text: str) -> None:
    assert customer_id(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="the folder itself"),
        pytest.param("..", id="the folder above"),
        pytest.param("a b", id="a blank"),
        pytest.param("a/b", id="a slash"),
        pytest.param("a\n", id="a line break at the end"),
        pytest.param("a\x00b", id="a NUL"),
        pytest.param("é\x00", id="a NUL among letters"),
        pytest.param("é\u2028", id="a line separator"),
        pytest.param("é b", id="a blank among letters"),
        pytest.param("🐋", id="a symbol"),
        pytest.param("x²", id="a number other than a decimal digit"),
        pytest.param("Ⅻ", id="a letter number"),
        pytest.param("é‿", id="a connector"),
        pytest.param("c" * 129, id="too long"),
        pytest.param("王" * 129, id="too long in another script"),
        pytest.param("=\u0338", id="a symbol in form C"),
    ],
)
def test_invalid_ids_are_refused(text: str) -> None:
    assert customer_id(text) is None


def test_composed_and_decomposed_characters_are_the_same_id() -> None:
    composed, decomposed = "jos\u00e9", "jose\u0301"
    assert customer_id(decomposed) == customer_id(composed) == composed


def test_the_length_is_counted_in_form_c() -> None:
    assert customer_id("e\u0301" * 128) == "\u00e9" * 128
    assert customer_id("e\u0301" * 129) is None


def test_a_long_text_is_refused_before_it_is_normalized() -> None:
    """Ordering a long run of marks takes time proportional to the square of its length."""
    marks = "e" + "\u0315\u0300" * 25_000
    started = time.process_time()
    assert customer_id(marks) is None
    assert time.process_time() - started < 1


def test_a_prefix_may_be_a_text_that_is_not_a_valid_id() -> None:
    assert customer_id_prefix("..") == ".."
    assert customer_id_prefix("jose\u0301") == "jos\u00e9"
    assert customer_id_prefix("a b") is None
