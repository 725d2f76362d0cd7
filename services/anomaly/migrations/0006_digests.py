"""Digests of the customers' earnings, which are made again after anything else changes the earnings."""

from alembic import op

from libs.persistence import ddl

revision = "0006"
down_revision = "0005"

_TABLE = """
CREATE TABLE digests (
    store_id     text COLLATE "C" NOT NULL,
    customer_id  text COLLATE "C" NOT NULL,
    digest      text,
    PRIMARY KEY (store_id, customer_id)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON digests TO anomaly;
"""
# False for the earnings that the previous version records: their digests do not count them.
_COLUMN = "ALTER TABLE earnings ADD COLUMN in_digest boolean NOT NULL DEFAULT false"
# A row is written even where there was none, or one without a digest: a concurrent transaction that made
# a digest without this change then fails. Once in a transaction is enough for that.
_FORGET = """
CREATE FUNCTION forget_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO digests (store_id, customer_id) VALUES (NEW.store_id, NEW.customer_id)
    ON CONFLICT (store_id, customer_id) DO UPDATE SET digest = NULL
    WHERE digests.digest IS NOT NULL OR NOT digests.xmin = pg_current_xact_id()::xid;
    RETURN NULL;
END
$$
"""
_AFTER_INSERT = """
CREATE TRIGGER recorded_without_digest AFTER INSERT ON earnings
FOR EACH ROW WHEN (NOT NEW.in_digest) EXECUTE FUNCTION forget_digest()
"""
_AFTER_UPDATE = """
CREATE TRIGGER baseline_changed AFTER UPDATE OF normal ON earnings
FOR EACH ROW WHEN (OLD.normal <> NEW.normal) EXECUTE FUNCTION forget_digest()
"""


def upgrade() -> None:
    ddl.execute(_TABLE)
    for statement in (_COLUMN, _FORGET, _AFTER_INSERT, _AFTER_UPDATE):
        op.execute(statement)
