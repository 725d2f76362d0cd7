"""What migrations share: the tables that several services have, and how statements are run.

A released migration never changes, so neither may the tables here: a later change of such a table is
a new constant, and a new migration in each service that has the table.
"""

from typing import Final

from alembic import op

OUTBOX: Final = """
CREATE SEQUENCE outbox_id;
CREATE TABLE outbox (
    id          bigint PRIMARY KEY,
    lane        smallint NOT NULL,
    payload     bytea NOT NULL,
    events      integer NOT NULL,
    created_at  timestamptz(3) NOT NULL DEFAULT now()
);
-- The payload is compressed already.
ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL;
"""

IDEMPOTENCY_KEYS: Final = """
CREATE TABLE idempotency_keys (
    store_id     text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    fingerprint  bytea NOT NULL,
    status       smallint NOT NULL,
    body         bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
"""


def outbox_rights(role: str) -> str:
    """What the service and its relay do with the outbox: append, read, delete."""
    return f"""
GRANT SELECT, INSERT, DELETE ON outbox TO {role};
GRANT USAGE ON SEQUENCE outbox_id TO {role};
"""


def idempotency_rights(role: str) -> str:
    """What the service does with its keys: store, read, release and purge them."""
    return f"GRANT SELECT, INSERT, DELETE ON idempotency_keys TO {role};\n"


def execute(*scripts: str) -> None:
    """Run the statements of `scripts` in order; each ends with a semicolon at the end of a line."""
    for script in scripts:
        for statement in script.split(";\n"):
            if statement.strip():
                op.execute(statement)


def create_index(name: str, definition: str) -> None:
    """Create the index `name` while the table is written; `definition` begins with `ON`.

    It runs outside of a transaction, so a migration with it contains only indexes. An index that an
    earlier attempt left behind, incomplete, is replaced.
    """
    drop_index(name)
    with op.get_context().autocommit_block():
        op.execute(f"CREATE INDEX CONCURRENTLY {name} {definition}")


def drop_index(name: str) -> None:
    """Drop the index `name` while the table is written, if it exists; like `create_index`."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
