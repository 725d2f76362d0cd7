"""The latest day on which an account is known to be registered as active. Accounts from before, and those
that the previous version creates, have none."""

from libs.persistence import ddl

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    ddl.execute("ALTER TABLE accounts ADD COLUMN last_day date")
