"""The instant to which the clock of a store is being moved; null once everything on the way is posted."""

from libs.persistence import ddl

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    ddl.execute("ALTER TABLE store_clocks ADD COLUMN moving_to timestamptz(3)")
