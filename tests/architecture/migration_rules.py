"""Which statements a migration may contain, so that the previous version runs on while and after it.

The list names what is safe; anything else needs an entry with its reason in `EXCEPTIONS`. A statement
is safe if the previous version's queries still work after it, and if it holds no lock that readers
or writers wait for longer than a moment.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final

_NAME: Final = r'[\w."]+'
# A default that PostgreSQL stores once instead of writing it into each row.
_CONSTANT: Final = r"(?:-?\d+(?:\.\d+)?|'[^']*'|true|false|null|now\(\))(?:::\w+)?"
# What a column's definition contains that makes it more than a new column of nulls.
_CONSTRAINT: Final = r"\b(?:NOT NULL|DEFAULT|CHECK|REFERENCES|UNIQUE|PRIMARY|GENERATED|\w*SERIAL)\b"

_SAFE: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"CREATE TABLE {_NAME} \(.*",
        rf"CREATE SEQUENCE {_NAME}.*",
        # Not a unique index: the previous version may write what it refuses.
        rf"CREATE INDEX CONCURRENTLY {_NAME} ON .*",
        rf"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}",
        r"GRANT .*",
        r"COMMENT ON .*",
    )
)
_SAFE_CHANGES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A column that is null until it is written, or has a constant default.
        rf"ADD COLUMN {_NAME} (?:(?!{_CONSTRAINT}).)+",
        rf"ADD COLUMN {_NAME} [\w() ,\[\]]+?(?: COLLATE \"C\")?(?: NOT NULL)? DEFAULT {_CONSTANT}",
        r"ADD CONSTRAINT .* NOT VALID",
        r"VALIDATE CONSTRAINT .*",
        rf"ALTER COLUMN {_NAME} SET (?:DEFAULT|STATISTICS|STORAGE) .*",
        r"SET \(.*\)",
    )
)
_WHY: Final = {
    r"\bDROP\b|\bRENAME\b|\bREVOKE\b": (
        "the previous version still uses what this removes: remove it one release after the last "
        "version that used it, with an entry in EXCEPTIONS that names that version"
    ),
    r"CREATE (?:UNIQUE )?INDEX": (
        "it blocks writers while it reads the table: call ddl.create_index, in a migration of its "
        "own. A unique index also refuses what the previous version may write"
    ),
    r"SET NOT NULL|NOT NULL(?!.*DEFAULT)": (
        "the previous version does not write the column: add it with a default, or add a CHECK that "
        "is NOT VALID once every running version writes it, and validate that in a later migration"
    ),
    r"ADD CONSTRAINT|CHECK|REFERENCES|UNIQUE|PRIMARY": (
        "it reads the whole table under a lock: add the constraint NOT VALID, and validate it in the "
        "next migration"
    ),
    r"\bTYPE\b|GENERATED|SERIAL|DEFAULT": (
        "it writes every row of the table again under a lock: add a column that is null, let the "
        "service write both, and fill it in batches"
    ),
    r"^(?:UPDATE|DELETE|INSERT|TRUNCATE|LOCK)\b": (
        "it locks rows or tables until the migration ends: fill a column in batches while the "
        "service runs"
    ),
}
_UNKNOWN: Final = (
    "it is not on the list of safe statements in tests/architecture/migration_rules.py"
)

# Statements of older migrations that break a rule, by service, revision and beginning.
EXCEPTIONS: Final[dict[tuple[str, str, str], str]] = {
    ("earning", "0002", "ALTER TABLE accounts ALTER COLUMN member_since DROP NOT NULL"): (
        "before the first release"
    ),
    ("earning", "0002", "CREATE INDEX orders_held"): "before the first release",
    ("earning", "0002", "CREATE INDEX orders_skipped"): "before the first release",
    ("earning", "0015", "ALTER TABLE entries DROP CONSTRAINT entries_points_check"): (
        "the previous version satisfies it anyway, and reads rows that do not"
    ),
    ("anomaly", "0002", "CREATE INDEX earnings_by_store"): "before the first release",
    ("anomaly", "0006", "CREATE FUNCTION forget_digest"): "a function that only its triggers call",
    ("anomaly", "0006", "CREATE TRIGGER recorded_without_digest"): (
        "for the writes of the previous version: it costs each of them a row, and is created under a "
        "lock of a moment"
    ),
    ("anomaly", "0006", "CREATE TRIGGER baseline_changed"): "as above",
}


def normalize(statement: str) -> str:
    """The statement on one line, without comments."""
    return " ".join(re.sub(r"--[^\n]*", "", statement).split()).removesuffix(";").strip()


def breaches(statements: Collection[str]) -> Iterator[tuple[str, str]]:
    """The unsafe statements of one migration, normalized, each with the reason."""
    normalized = [normalize(statement) for statement in statements]
    created = {
        match[1] for line in normalized if (match := re.match(rf"CREATE TABLE ({_NAME})", line))
    }
    for line in normalized:
        reason = _breach(line, created)
        if reason is not None:
            yield line, reason
    concurrent = [line for line in normalized if " CONCURRENTLY " in line]
    if concurrent and len(concurrent) < len(normalized):
        yield concurrent[0], "a migration with an index that is built concurrently has only that"


def _breach(line: str, created: Collection[str]) -> str | None:
    """The reason why a statement is unsafe, or None; `created` are the tables of the migration."""
    on = re.match(rf"(?:ALTER TABLE(?: ONLY)?|CREATE (?:UNIQUE )?INDEX {_NAME} ON) ({_NAME})", line)
    if on is not None and on[1] in created:
        return None
    changes = re.match(rf"ALTER TABLE {_NAME} (.*)", line)
    if changes is not None:
        unsafe = [one for one in _split(changes[1]) if not _matches(one, _SAFE_CHANGES)]
        return _explain(unsafe[0]) if unsafe else None
    return None if _matches(line, _SAFE) else _explain(line)


def _matches(text: str, patterns: Collection[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(text) for pattern in patterns)


def _explain(text: str) -> str:
    return next(
        (why for pattern, why in _WHY.items() if re.search(pattern, text, re.IGNORECASE)), _UNKNOWN
    )


def _split(changes: str) -> list[str]:
    """The changes of one ALTER TABLE: split at its commas outside of parentheses."""
    parts, depth = [""], 0
    for character in changes:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
