"""Which texts are customers' ids, and in which spelling they are kept."""

import time
import unicodedata

import pytest

from libs.kernel.ids import customer_id, customer_id_start


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
def test_an_id_of_any_script_is_one(text: str) -> None:
    assert customer_id(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
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
        pytest.param("x²", id="a number that is no decimal digit"),
        pytest.param("Ⅻ", id="a letter number"),
        pytest.param("é‿", id="a connector"),
        pytest.param("c" * 129, id="too long"),
        pytest.param("王" * 129, id="too long in another script"),
        pytest.param("=\u0338", id="what becomes a symbol in form C"),
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert customer_id(text) is None


def test_one_customer_has_one_id_whatever_the_keyboard() -> None:
    composed, decomposed = "jos\u00e9", "jose\u0301"
    assert customer_id(decomposed) == customer_id(composed) == composed


def test_the_length_is_counted_in_form_c() -> None:
    assert customer_id("e\u0301" * 128) == "\u00e9" * 128
    assert customer_id("e\u0301" * 129) is None


def test_a_long_text_is_refused_before_it_is_normalized() -> None:
    """Ordering a long run of marks takes time with the square of its length."""
    marks = "e" + "\u0315\u0300" * 25_000
    started = time.perf_counter()
    assert customer_id(marks) is None
    assert time.perf_counter() - started < 1


def test_the_start_of_an_id_may_be_what_no_id_is() -> None:
    assert customer_id_start("..") == ".."
    assert customer_id_start("jose\u0301") == "jos\u00e9"
    assert customer_id_start("a b") is None
