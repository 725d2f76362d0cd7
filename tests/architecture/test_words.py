"""Every document, docstring, comment, message and name keeps to the words of `words.py`."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.words import PUBLIC, WORDS, breach, breach_of_name

ROOT = Path(__file__).parents[2]
# The table itself, and the tests of it.
_EXEMPT = {"tests/architecture/words.py", "tests/architecture/test_words.py"}
_LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\n") if name and (ROOT / name).exists()]


DOCUMENTS = tracked("*.md", "*.yml", "*.yaml", "Makefile", "*Dockerfile")
SCRIPTS = tracked("*.mjs", "*.js", "*.ts", "*.cjs")
MODULES = [name for name in tracked("*.py") if name not in _EXEMPT]


def prose_of(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a document without its code; a fenced block keeps its place."""
    bare = _CODE.sub(lambda match: "\n" * match[0].count("\n"), text)
    return enumerate(bare.split("\n"), start=1)


def sentences_of(source: str, *, literals: bool) -> Iterator[tuple[int, str]]:
    """The comments, docstrings and, with `literals`, messages of a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _CODE.sub("", token.string)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_docstring = "\n" in node.value or node.value.endswith(".")
            if " " in node.value and (literals or is_docstring):
                yield node.lineno, _CODE.sub("", node.value)


def names_of(source: str) -> Iterator[tuple[int, str]]:
    """What a module names: modules aside, everything that it assigns or defines, and log events."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.Call(
                func=ast.Attribute(attr=method), args=[ast.Constant(value=str(event)), *_]
            ):
                if method in _LOG_METHODS and " " not in event:
                    yield node.lineno, event


def breaches_in_prose(lines: Iterator[tuple[int, str]]) -> list[str]:
    """Each faulty line, with what to write instead."""
    return [
        f"{line}: {found[0]!r}: use {found[1].use}. {found[1].why}"
        for line, text in lines
        if (found := breach(text)) is not None
    ]


def breaches_in_names(names: Iterator[tuple[int, str]]) -> list[str]:
    return [
        f"{line}: {found[0]}: use {found[1].use}. {found[1].why}"
        for line, name in names
        if (found := breach_of_name(name)) is not None
    ]


def report(name: str, faults: list[str]) -> str:
    return "\n".join(["", *(f"{name}:{fault}" for fault in faults)])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_uses_the_words_of_the_field(name: str) -> None:
    faults = breaches_in_prose(prose_of((ROOT / name).read_text()))
    assert not faults, report(name, faults)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_uses_the_words_of_the_field(name: str) -> None:
    comments = re.finditer(r"/\*.*?\*/|//[^\n]*", (ROOT / name).read_text(), re.DOTALL)
    lines = ((number, match[0]) for number, match in enumerate(comments, start=1))
    faults = breaches_in_prose(lines)
    assert not faults, report(name, faults)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_uses_the_words_of_the_field(name: str) -> None:
    source = (ROOT / name).read_text()
    literals = not name.startswith("tests/")
    faults = breaches_in_prose(sentences_of(source, literals=literals))
    faults += breaches_in_names(names_of(source))
    faults += breaches_in_names(iter([(1, Path(name).stem)]))
    assert not faults, report(name, faults)


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param('"""It answers the sum."""', id="docstring"),
        pytest.param("x = 1  # for ever", id="comment"),
        pytest.param('raise ValueError("The programme is missing")', id="error text"),
        pytest.param('raise ValueError(f"{1} is away for now, the store is away")', id="f-string"),
        pytest.param("told = 1", id="variable"),
        pytest.param("def bury_letters(): ...", id="function"),
        pytest.param("class RivalDetector: ...", id="class"),
        pytest.param("def add(*, twin): ...", id="argument"),
        pytest.param("self.asked = 1", id="attribute"),
        pytest.param('log.warning("store_away")', id="log event"),
    ],
)
def test_a_planted_word_is_found_in_code(planted: str) -> None:
    faults = breaches_in_prose(sentences_of(planted, literals=True))
    assert faults + breaches_in_names(names_of(planted))


def test_a_planted_word_is_found_in_a_document_and_not_in_its_code() -> None:
    planted = "# Title\n\n`taken back`\n\n```\nby hand\n```\nIt is done by hand.\n"
    (fault,) = breaches_in_prose(prose_of(planted))
    assert fault.startswith("8: 'by hand': use manual")


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.use[:30])
def test_each_entry_argues_its_case_and_matches_something(word: object) -> None:
    assert word.why.endswith(".")  # type: ignore[attr-defined]
    assert word.pattern or word.names or word.alone  # type: ignore[attr-defined]


def test_the_public_names_are_still_public() -> None:
    described = (ROOT / "docs/generated/openapi.json").read_text()
    client = (ROOT / "libs/whale-python/src/whale_loyalty/errors.py").read_text()
    for name in PUBLIC:
        assert f'"{name}"' in described or f"class {name}" in client, name
