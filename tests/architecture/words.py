"""The words of this project: which not to use, what to use instead, and why.

The rule behind the table: a native engineer reads a sentence once. Use the field's standard term,
and modern American English. `test_words.py` holds every document, docstring, comment, message and
name against the table.
"""

import re
from typing import Final

from msgspec import Struct


class Word(Struct, frozen=True):
    """A word not to use. `pattern` is matched in prose, without case and as whole words; `names` are
    the parts of identifiers that it bans, and `alone` the identifiers that are nothing else."""

    use: str
    why: str
    pattern: str = ""
    names: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BRITISH: Final = (
    "programme programmes behaviour behaviours licence licences neighbour neighbours neighbouring "
    "colour colours favour favourite honour honours honoured catalogue catalogues centre centred "
    "learnt spelt whilst amongst labelled modelled travelled unlabelled"
)
_ISE: Final = "organis|recognis|normalis|initialis|serialis|summaris|minimis|optimis|realis|analys"

WORDS: Final[tuple[Word, ...]] = (
    Word(
        use="the American spelling: program, behavior, license, neighbor, organize",
        why="The API and the command line say `program`; a search must find all of it.",
        pattern=rf"{'|'.join(_BRITISH.split())}|(?:{_ISE})(?:e|ed|es|ing)",
        names=_words(_BRITISH),
    ),
    Word(
        use="returns (a function), response or responds (HTTP), result",
        why="Functions return and services respond; an answer could be either.",
        pattern="answer|answers|answered|answering|unanswered",
        names=_words("answer answers answered answering"),
    ),
    Word(
        use="publish, report, notify, receive",
        why="Services publish and consume; people tell and hear.",
        pattern="told|tell|tells|telling|heard|hear|hears|hearing",
        names=_words("told tell tells teller telling heard hear hears"),
    ),
    Word(
        use="unavailable, down, disconnected, deleted",
        why="`away` and `gone` do not say whether it comes back.",
        pattern=r"(?:is|are|was|were|be|been|being|stays?|while|long) away|gone",
        names=_words("away gone"),
    ),
    Word(
        use="duplicate; redelivered; replayed",
        why="The field's words for a message or request that arrives twice.",
        pattern="twins?|(?:comes?|came|told|sent) (?:twice|again)",
        names=_words("twin twins"),
    ),
    Word(
        use="concurrent transaction, lost race, baseline",
        why="Transactions do not compete for a prize.",
        pattern="rivals?|rival's",
        names=_words("rival rivals"),
    ),
    Word(
        use="fix, fixed, repair",
        why="Software is fixed.",
        pattern="mend|mends|mended|mending",
        names=_words("mend mended"),
    ),
    Word(
        use="again, rebuild, recreate",
        why="Archaic.",
        pattern="anew|for ever|henceforth|thereof|hitherto",
        names=_words("anew"),
    ),
    Word(
        use="manual, manually",
        why="The API's own word for what a person does.",
        pattern="by hand",
    ),
    Word(use="default", why="The field's word for a value nobody set.", pattern="as shipped"),
    Word(
        use="immediately, together, concurrently, at a time",
        why="`At once` means either of two different things.",
        pattern="at once",
        names=frozenset(),
    ),
    Word(
        use="alongside, next to, in addition to",
        why="`Beside` is a place on a table.",
        pattern="besides?",
        names=_words("beside besides"),
    ),
    Word(
        use="remove; revoke; claw back (a refund); void",
        why="Each of them is a different operation.",
        pattern="takes? away|took away|taken away|taken back|takes? back|took back",
    ),
    Word(
        use="request, require",
        why="Callers request; `asked for` hides who does.",
        pattern="asked for|asks for|asking for",
    ),
    Word(
        use="available, not available yet",
        why="A reader parses `had` as the past tense.",
        pattern="(?:to|can|could|may|cannot) be had|had now",
    ),
    Word(
        use="internal error; unrecognized response",
        why="An error names the problem, not whose fault it is.",
        pattern="defect of ours|nobody understands",
    ),
    Word(
        use="Invalid request; conflict with the current state",
        why="The titles that every HTTP API uses.",
        pattern="faulty values?|state forbids",
    ),
    Word(
        use="a noun: the caller, the consumer, the reader",
        why="The sentence then names who acts.",
        pattern="whoever|whomever|whosoever|whichever",
    ),
    Word(
        use="unauthenticated client",
        why="That is what the connection is.",
        pattern="strangers?",
        names=_words("stranger strangers"),
    ),
    Word(
        use="publish dead letters; count a failure; background task; store",
        why="A metaphor has to be translated back.",
        pattern="chores?|bury|buries|buried",
        names=_words("chore chores bury buried strike strikes"),
    ),
    Word(
        use="a noun that says what it is: events, response, missing, current",
        why="A bare participle does not say what the value is.",
        alone=_words(
            "told made asked found said left taken begun wanted kept chosen shown gone away "
            "heard meant"
        ),
    ),
)

# Names that callers use, as contract.md and the OpenAPI document have them.
PUBLIC: Final = _words(
    "BatchAnswer EventsAnswer RedeemAnswer BacktestAnswer taken_back UnexpectedAnswer"
)


def breach(text: str) -> tuple[str, Word] | None:
    """The first word of the table in a sentence, and its entry."""
    for word in WORDS:
        if word.pattern:
            match = re.search(rf"(?<![\w-])(?:{word.pattern})(?![\w-])", text, re.IGNORECASE)
            if match is not None:
                return match[0], word
    return None


def breach_of_name(name: str) -> tuple[str, Word] | None:
    """The first word of the table in an identifier, a log event or a file's name."""
    if name in PUBLIC:
        return None
    whole = name.strip("_").lower()
    parts = set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))
    for word in WORDS:
        banned = word.names & parts
        if banned or (whole in word.alone and not name[:1].isupper()):
            return name, word
    return None
