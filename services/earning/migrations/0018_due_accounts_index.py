"""The index of the accounts on which something is due, in the order in which the sweeper reads them.

At a midnight very many accounts are due at one instant. An index of instants alone cannot order them, so each
batch of the sweeper would read them all."""

from libs.persistence import ddl

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    ddl.create_index("accounts_due_place", "ON accounts (due_at, id) WHERE due_at IS NOT NULL")
    ddl.drop_index("accounts_due")
